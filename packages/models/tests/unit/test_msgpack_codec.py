"""The MessagePack codec."""

import datetime as dt
from typing import Annotated

import msgspec
import pytest

from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_models import Record, codecs


class Order(Record, serializer="msgpack"):
    account_id: str
    amount: int = 0
    raw: bytes = b""


class OwnJson:
    def __json__(self) -> str:
        return "own"


def test_record_is_written_with_its_metadata() -> None:
    assert codecs.msgpack(Order).encode(Order("a", 1)) == msgspec.msgpack.encode(
        {"account_id": "a", "amount": 1, "raw": b"", "__faust": {"ns": Order._options.namespace}}
    )


@pytest.mark.parametrize("value", [None, 5, "a", b"\xff", [1, {"a": 2.5}], dt.datetime(2024, 1, 2, tzinfo=dt.UTC)])
def test_plain_values_survive(value: object) -> None:
    assert codecs.msgpack().decode(codecs.msgpack().encode(value)) == value


def test_objects_write_themselves() -> None:
    assert codecs.msgpack().decode(codecs.msgpack().encode(OwnJson())) == "own"


def test_null_counts_as_left_out() -> None:
    codec = codecs.msgpack(Order)
    data = codecs.msgpack().encode({"account_id": "a", "amount": None})
    with pytest.raises(codec.decode_errors):
        codec.fast_decode(data)
    assert codec.decode(data) == Order("a")


def test_errors_name_the_path() -> None:
    with pytest.raises(DecodeError, match=r"msgpack: Expected `str`, got `int` - at `\$\.account_id`"):
        codecs.msgpack(Order).decode(codecs.msgpack().encode({"account_id": 1}))
    with pytest.raises(EncodeError, match="msgpack cannot write object"):
        codecs.msgpack().encode(object())
    with pytest.raises(ConfigError, match="msgpack cannot carry"):
        codecs.msgpack(Annotated[int, msgspec.Meta(max_length=3)])
