"""What is written is what is read, for any values."""

import datetime as dt
import json
import math
import pickle
import uuid
from decimal import Decimal
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_models import Record, codecs


class Inner(Record):
    name: str
    score: float


class Outer(Record):
    count: int
    text: str
    data: bytes
    flag: bool
    when: dt.datetime
    price: Decimal
    ident: uuid.UUID
    inner: Inner
    inners: list[Inner]
    by_name: dict[str, Inner]
    tags: set[int]
    maybe: Optional[int] = None  # noqa: UP045 - the older spelling works too


texts = st.text()
#: MessagePack has no larger ones.
words = st.integers(-(2**63), 2**64 - 1)
inners = st.builds(Inner, texts, st.floats(allow_nan=False, allow_infinity=False))
outers = st.builds(
    Outer,
    count=words,
    text=texts,
    data=st.binary(),
    flag=st.booleans(),
    when=st.datetimes(timezones=st.just(dt.UTC)),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    ident=st.uuids(),
    inner=inners,
    inners=st.lists(inners, max_size=3),
    by_name=st.dictionaries(texts, inners, max_size=3),
    tags=st.sets(words, max_size=3),
    maybe=st.none() | words,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(texts, inside, max_size=3),
    max_leaves=10,
)


@given(outers)
def test_record_survives_every_codec(record: Outer) -> None:
    for serializer in ("json", "msgpack"):
        assert Outer.loads(record.dumps(serializer=serializer), serializer=serializer) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert record.is_valid()


@given(st.integers())
def test_json_integers_have_no_limit(value: int) -> None:
    for value_type in (None, int):
        assert codecs.json(value_type).decode(codecs.json(value_type).encode(value)) == value


@given(inners)
def test_metadata_comes_last_whatever_the_values(record: Inner) -> None:
    written = json.loads(record.dumps())
    assert list(written) == ["name", "score", "__faust"]
    assert written == record.to_representation()


@given(outers)
def test_bytes_are_the_same_whichever_way_they_are_written(record: Outer) -> None:
    assert codecs.json(Outer).fast_encode(record) == codecs.json().encode([record])[1:-1]


@given(plain)
def test_plain_values_survive_untyped_json(value: Any) -> None:
    assert codecs.json().decode(codecs.json().encode(value)) == value


@given(st.dictionaries(st.integers(), plain, max_size=3))
def test_integer_keys_become_text(value: dict[int, Any]) -> None:
    assert codecs.json().decode(codecs.json().encode(value)) == {str(key): item for key, item in value.items()}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_written_as_null(value: float) -> None:
    assert codecs.json().encode(value) == codecs.json(float).encode(value) == b"null"
