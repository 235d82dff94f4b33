"""A record costs little more than a msgspec struct: a loose guard, the figures come from bench/records.py."""

import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from faust_models import Record, codecs

#: Twice what is promised: other processes run beside this one.
LIMIT = 2.0


class Metadata(msgspec.Struct, frozen=True):
    ns: str = "speed.Event"


class Event(Record, namespace="speed.Event"):
    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


class Plain(msgspec.Struct):
    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


class Named(Plain):
    faust: Metadata = msgspec.field(default=Metadata(), name="__faust")


class Events(Record, namespace="speed.Events"):
    events: list[Event]


class PlainEvents(msgspec.Struct):
    events: list[Plain]


class NamedEvents(msgspec.Struct):
    events: list[Named]
    faust: Metadata = msgspec.field(default=Metadata("speed.Events"), name="__faust")


FIELDS = ("a1234567", "p7654321", 12, 99.5, 1700000000.123)
CASES = [
    (Event(*FIELDS), Plain, Named(*FIELDS)),
    (Events([Event(*FIELDS)] * 10), PlainEvents, NamedEvents([Named(*FIELDS)] * 10)),
]


def least(work: Callable[[Any], Any], value: Any) -> float:
    """CPU time of 300 calls, the least of 15 times."""
    taken = []
    for _ in range(15):
        began = time.process_time()
        for _ in range(300):
            work(value)
        taken.append(time.process_time() - began)
    return min(taken)


#: What watches each line, as coverage does, slows down only what is Python.
watched = pytest.mark.skipif(sys.gettrace() is not None, reason="the code is traced")


@watched
def test_reading_a_record_costs_little_more_than_a_struct() -> None:
    for record, plain, _ in CASES:
        data = record.dumps()
        read = least(codecs.json(type(record)).fast_decode, data)
        assert read < LIMIT * least(msgspec.json.Decoder(plain).decode, data)


@watched
def test_writing_a_record_costs_little_more_than_a_struct_with_the_same_bytes() -> None:
    encode = msgspec.json.Encoder().encode
    for record, _, named in CASES:
        write = codecs.json(type(record)).fast_encode
        assert write(record) == encode(named)
        assert least(write, record) < LIMIT * least(encode, named)
