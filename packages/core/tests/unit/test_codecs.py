from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.codecs import Chain, decoder_of, encoder_of, json, raw, text
from faust_core.errors import ConfigError, DecodeError, EncodeError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@dataclasses.dataclass
class Item:
    name: str
    price: float


@dataclasses.dataclass
class Order:
    id: int
    items: list[Item]
    note: str | None = None
    tags: dict[str, bool] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Dated:
    at: dt.datetime


@dataclasses.dataclass
class Tree:
    children: list[Tree]


@dataclasses.dataclass
class Unresolved:
    at: NoSuchType  # type: ignore[name-defined]  # noqa: F821  that is what is tested


class Colour(enum.Enum):
    RED = "red"


class Own:
    def __json__(self) -> list[int]:
        return [1]


@given(json_values)
def test_json_returns_what_was_written(value: Any) -> None:
    codec = json()
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
        (Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC), '"2024-01-02T03:00:00Z"'),
        (dt.date(2024, 1, 2), '"2024-01-02"'),
        (Colour.RED, '"red"'),
        ({3}, "[3]"),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (Own(), "[1]"),
        (Item("a", 1.5), '{"name":"a","price":1.5}'),
    ],
)
def test_json_writes_compact_utf8_and_what_json_has_for_other_types(value: Any, expected: str) -> None:
    assert json().encode(value) == expected.encode()


@pytest.mark.parametrize("value", [object(), b"x", float("nan"), {(1, 2): 3}, "\ud800"])
def test_json_refuses_what_it_cannot_write(value: Any) -> None:
    with pytest.raises(EncodeError, match="json cannot write"):
        json().encode(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\xfa", b"[" * 100_000])
def test_json_refuses_what_is_not_json(data: bytes) -> None:
    with pytest.raises(DecodeError, match="not json"):
        json().decode(data)


@pytest.mark.parametrize(
    ("value_type", "data", "expected"),
    [
        (int, b"1", 1),
        (float, b"1", 1.0),
        (float, b"1.5", 1.5),
        (str, b'"a"', "a"),
        (bool, b"true", True),
        (dict, b'{"a":1}', {"a": 1}),
        (list, b"[1]", [1]),
        (list[int], b"[1]", [1]),
        (dict[str, float], b'{"a":1}', {"a": 1.0}),
        (int | None, b"null", None),
        (int | str, b'"a"', "a"),
        (Any, b"[1]", [1]),
        (list[Any], b'[1,"a"]', [1, "a"]),
        (Item, b'{"name":"a","price":2,"more":0}', Item("a", 2.0)),
        (Order, b'{"id":1,"items":[{"name":"a","price":2}]}', Order(1, [Item("a", 2.0)])),
    ],
)
def test_typed_json_returns_that_type(value_type: Any, data: bytes, expected: Any) -> None:
    result = json(value_type).decode(data)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value_type", "data", "reason"),
    [
        (int, b"true", "the value: expected int, got bool"),
        (int, b"1.5", "expected int, got float"),
        (int, b"null", "expected int, got null"),
        (list[int], b'[1,"a"]', r"\[1\]: expected int, got str"),
        (dict[str, int], b'{"a":"b"}', "a: expected int"),
        (dict, b"[]", "expected dict"),
        (list, b"{}", "expected list"),
        (float, b'"1"', "expected float"),
        (int | None, b'"a"', "expected int, got str; or the value: expected null, got str"),
        (Item, b"[]", "expected dict for Item"),
        (Item, b'{"name":"a"}', "price missing"),
        (Order, b'{"id":1,"items":[{"name":"a","price":"x"}]}', r"items\[0\].price: expected float, got str"),
    ],
)
def test_typed_json_names_the_place_of_what_is_wrong(value_type: Any, data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        json(value_type).decode(data)


@pytest.mark.parametrize("value_type", [Dated, Tree, Unresolved, dict[int, int], Decimal, list[dt.date]])
def test_json_says_what_to_install_for_types_that_need_more(value_type: Any) -> None:
    with pytest.raises(ConfigError, match="pip install faust-models"):
        json(value_type)


@pytest.mark.parametrize(
    ("value_type", "value", "data"),
    [
        (None, b"\xff", b"\xff"),
        (bytes, b"a", b"a"),
        (str, "é", "é".encode()),
        (int, 12, b"12"),
        (float, 1.5, b"1.5"),
        (Decimal, Decimal("1.10"), b"1.10"),
    ],
)
def test_raw_and_text_return_what_was_written(value_type: Any, value: Any, data: bytes) -> None:
    codec = raw(value_type)
    assert codec.encode(value) == data
    assert codec.decode(data) == value
    if value_type is not None:
        assert text(value_type).decode(data) == value


def test_raw_takes_text_and_any_bytes() -> None:
    assert raw().encode("é") == "é".encode()
    assert raw().encode(bytearray(b"a")) == raw().encode(memoryview(b"a")) == b"a"
    assert text().decode(b"a") == "a"


@pytest.mark.parametrize(
    ("codec", "value"), [(raw(), 5), (raw(int), "5"), (raw(int), True), (raw(Decimal), 1.5), (text(), "\ud800")]
)
def test_raw_and_text_refuse_what_they_cannot_write(codec: Any, value: Any) -> None:
    with pytest.raises(EncodeError, match="cannot write"):
        codec.encode(value)


@pytest.mark.parametrize(
    ("codec", "data"), [(raw(int), b"x"), (raw(str), b"\xff"), (raw(float), b""), (raw(Decimal), b"x")]
)
def test_raw_refuses_bytes_of_another_type(codec: Any, data: bytes) -> None:
    with pytest.raises(DecodeError, match="not raw"):
        codec.decode(data)


def test_a_codec_shows_its_name() -> None:
    assert repr(json()) == "<codec json>"


def test_raw_says_which_types_it_carries() -> None:
    with pytest.raises(ConfigError, match="not Order: use 'json'"):
        raw(Order)


class Plain:
    def encode(self, value: Any, /) -> bytes:
        return bytes(value)

    def decode(self, data: bytes, /) -> Any:
        return data


def test_the_engine_gets_the_fast_functions_and_all_that_they_raise() -> None:
    decode, errors = decoder_of(json())
    with pytest.raises(errors):
        decode(b"{")
    decode, errors = decoder_of(json(int))
    with pytest.raises(errors):
        decode(b'"a"')
    encode, errors = encoder_of(json())
    assert encode([1]) == b"[1]"
    with pytest.raises(errors):
        encode(object())
    assert decoder_of(raw(int))[0] is int


def test_the_engine_gets_the_methods_of_codecs_without_fast_functions() -> None:
    codec = Plain()
    assert decoder_of(codec) == (codec.decode, (DecodeError,))
    assert encoder_of(codec) == (codec.encode, (EncodeError,))


def test_a_chain_writes_from_left_to_right_and_reads_back() -> None:
    chain = Chain([json(), text()])
    assert chain.encode([1]) == b"[1]"
    assert Chain([json(list[int]), raw()]).decode(b"[1]") == [1]
