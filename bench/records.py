"""What a record costs beside msgspec alone: `python bench/records.py`, a few seconds, no broker.

Nanoseconds of CPU for one value, the least of several rounds.  A record is read beside a struct of the same fields,
which skips `__faust`, and written beside one that has `__faust` as a plain field, so that both write the same bytes.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

import faust
from faust_models import codecs
from faust_models.fields import IntegerField
from faust_models.tags import Secret


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """What stands in `__faust`."""

    ns: str = "bench.Event"


class Event(faust.Record, namespace="bench.Event"):
    """The record of the workloads."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


class PlainEvent(msgspec.Struct):
    """The same as a struct."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


class NamedEvent(PlainEvent):
    """The same with `__faust`."""

    faust: Metadata = msgspec.field(default=Metadata(), name="__faust")


class Line(faust.Record, namespace="bench.Event"):
    """One of many in an order."""

    sku: str
    count: int
    price: Decimal


class PlainLine(msgspec.Struct):
    """The same as a struct."""

    sku: str
    count: int
    price: Decimal


class NamedLine(PlainLine):
    """The same with `__faust`."""

    faust: Metadata = msgspec.field(default=Metadata(), name="__faust")


class Order(faust.Record, namespace="bench.Event"):
    """Records inside a record."""

    id: str
    lines: list[Line]


class PlainOrder(msgspec.Struct):
    """The same as structs."""

    id: str
    lines: list[PlainLine]


class NamedOrder(msgspec.Struct):
    """The same with `__faust`."""

    id: str
    lines: list[NamedLine]
    faust: Metadata = msgspec.field(default=Metadata(), name="__faust")


class Checked(Event, namespace="bench.Event", validation=True):
    """A record that asks for more, and pays for it."""

    amount: int = IntegerField(min_value=0)


class Tagged(Event, namespace="bench.Event"):
    """The same with a secret."""

    account_id: Secret[str]


@dataclass
class Case:
    """A record, and the structs that it is compared with."""

    name: str
    record: Any
    plain: Any
    named: Any
    data: bytes


EVENT = b'{"account_id":"a1234567","product_id":"p7654321","amount":12,"price":99.5,"ts":1700000000.123'
NAMED = b',"__faust":{"ns":"bench.Event"}}'
LINE = b'{"sku":"s1234","count":3,"price":"12.50"' + NAMED
LINES = b'{"id":"o1","lines":[' + b",".join([LINE] * 10) + b"]" + NAMED
CASES = [
    Case("record", Event, PlainEvent, NamedEvent, EVENT + NAMED),
    Case("record, read without `__faust`", Event, PlainEvent, NamedEvent, EVENT + b"}"),
    Case("record of another namespace", Event, PlainEvent, NamedEvent, EVENT + b',"__faust":{"ns":"other.Event"}}'),
    Case("10 records in a record", Order, PlainOrder, NamedOrder, LINES),
    Case("with `validation` and a limit", Checked, PlainEvent, NamedEvent, EVENT + NAMED),
    Case("with a secret", Tagged, PlainEvent, NamedEvent, EVENT + NAMED),
]


def nanoseconds(work: Callable[[Any], Any], value: Any, times: int) -> float:
    """CPU time of one call."""
    began = time.process_time()
    for _ in range(times):
        work(value)
    return (time.process_time() - began) / times * 1e9


def measure(case: Case, times: int, rounds: int) -> tuple[float, float, float, float]:
    """Return the least of reading and writing, of the record and of the struct, taken in turns."""
    codec = codecs.json(case.record)
    native = msgspec.json.Decoder(case.plain).decode
    write = msgspec.json.Encoder().encode
    record, struct = codec.decode(case.data), msgspec.json.decode(case.data, type=case.named)
    taken = [
        (
            nanoseconds(codec.fast_decode, case.data, times),
            nanoseconds(native, case.data, times),
            nanoseconds(codec.fast_encode, record, times),
            nanoseconds(write, struct, times),
        )
        for _ in range(rounds)
    ]
    reads, plain_reads, writes, plain_writes = map(min, zip(*taken, strict=True))
    return reads, plain_reads, writes, plain_writes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20_000, help="calls in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    options = parser.parse_args()
    print("| case | read, ns | × struct | write, ns | × struct |\n| --- | --- | --- | --- | --- |")
    for case in CASES:
        reads, plain_reads, writes, plain_writes = measure(case, options.times, options.rounds)
        print(f"| {case.name} | {reads:.0f} | {reads / plain_reads:.2f} | {writes:.0f} | {writes / plain_writes:.2f} |")


if __name__ == "__main__":
    main()
