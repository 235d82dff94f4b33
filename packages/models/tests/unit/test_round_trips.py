"""What is written is what is read, for any values."""

import datetime as dt
import json
import math
import pickle
import uuid
from decimal import Decimal
from typing import Any, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.errors import DecodeError
from faust_models import Record, ValidationError, codecs
from faust_models.fields import BytesField, DecimalField, StringField
from faust_models.tags import Secret, Sensitive


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


class Animal(Record, abstract=True):
    name: str


class Dog(Animal, namespace="trip.Dog"):
    barks: int = 0


class Cat(Animal, namespace="trip.Cat"):
    lives: Decimal = DecimalField(max_digits=6, max_decimal_places=2, default=Decimal(9))


class Day(Animal, namespace="trip.Day"):
    when: dt.date | str | None = None


class Asking(Record, validation=True, coerce=True):
    first: Animal
    secret: Secret[str]
    chosen: Dog | Cat | None = None
    others: dict[str, list[Animal]] = {}  # noqa: RUF012 - made anew for every record
    hidden: Sensitive[int] | None = None
    trimmed: str = StringField(trim_whitespace=True, default="")
    data: bytes = BytesField(input_name="Data", output_name="Data", default=b"")


dogs = st.builds(Dog, texts, words)
cats = st.builds(Cat, texts, st.decimals(0, 999, places=2))
animals = dogs | cats | st.builds(Day, texts, st.none() | st.dates() | st.text(max_size=3))
asking = st.builds(
    Asking,
    first=animals,
    secret=st.builds(Secret, texts),
    chosen=st.none() | dogs | cats,
    others=st.dictionaries(texts, st.lists(animals, max_size=2), max_size=2),
    hidden=st.none() | st.builds(Sensitive, words),
    trimmed=texts,
    data=st.binary(),
)


TYPED = [codecs.json(value_type) for value_type in (Asking, Animal, Dog | Cat, list[Animal], Outer)]


@given(asking)
def test_record_that_asks_for_more_survives_every_codec(record: Asking) -> None:
    for name in ("json", "msgpack"):
        written = codecs.codec_for(name, Asking).encode(record)
        assert codecs.codec_for(name, Asking).decode(written) == record
        assert codecs.codec_for(name, None).decode(written) == record
        first = codecs.codec_for(name, None).encode(record.first)
        assert codecs.codec_for(name, Animal).decode(first) == record.first
    assert pickle.loads(pickle.dumps(record)) == record
    assert Asking.from_data(msgspec.json.decode(record.dumps())) == record
    assert record.is_valid()
    assert record.secret.get_value() == "" or f"{record.secret.get_value()!r}" not in repr(record.secret)


@given(asking)
def test_preparing_twice_changes_nothing(record: Asking) -> None:
    assert record.derive() == record


@given(st.dictionaries(st.sampled_from(["first", "secret", "chosen", "others", "Data", "__faust"]), plain))
def test_any_data_make_a_record_or_a_validation_error(data: dict[str, Any]) -> None:
    try:
        record = Asking.from_data(data)
    except ValidationError as exc:
        assert exc.errors  # noqa: PT017 - either is fine
        assert all(error.reason for error in exc.errors)  # noqa: PT017
    else:
        assert record.is_valid()


@given(plain)
def test_any_json_is_a_value_or_a_decode_error(value: Any) -> None:
    data = codecs.json().encode(value)
    for codec in TYPED:
        try:
            codec.decode(data)
        except DecodeError as exc:
            assert exc.reason.startswith("json: ")  # noqa: PT017 - either is fine
