"""The engine alone: events through agents on memory://, no Kafka, a few seconds: `python bench/micro.py`.

`--keys 1000000 --store rocksdb://` shows what a table costs whose keys do not come again.

Shows a regression of the engine soon after it is made; what counts is the last column, which compares with a plain
decoding loop in the same round and so depends little on the machine.
"""

import argparse
import asyncio
import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

import msgspec

import faust

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this is run as a script; `bench` is a package of the repository

from bench.workloads import KEYS, Input, account, inputs  # noqa: E402

numbers = itertools.count(1)


class Event(faust.Record, serializer="json"):
    """The model of the input."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


class PlainEvent(msgspec.Struct):
    """The same for the plain loop."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


Handled = Callable[[], None]
Declare = Callable[[faust.App, "faust.Topic[None, Event]", int, Handled], None]


def stream(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Decode and hand to the agent."""

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for _ in stream:
            handled += 1
            if handled == events:
                done()


def send(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Send each event on."""
    target = app.topic("target", value_type=Event)

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for event in stream:
            await target.send(value=event)
            handled += 1
            if handled == events:
                done()


def table(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Count in a table."""
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for event in stream:
            counts[event.account_id] += 1
            handled += 1
            if handled == events:
                done()


def window(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Count in a windowed table."""
    counts = app.Table("counts", default=int, key_type=str, value_type=int).tumbling(
        timedelta(hours=1), expires=timedelta(days=7)
    )

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for event in stream:
            counts[event.account_id] += 1
            handled += 1
            if handled == events:
                done()


def group_by(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Group through a topic, then count in a table."""
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for event in stream.group_by(Event.account_id):
            counts[event.account_id] += 1
            handled += 1
            if handled == events:
                done()


def join(app: faust.App, source: "faust.Topic[None, Event]", events: int, done: Handled) -> None:
    """Join with a table of 10k accounts."""
    users = app.Table("users", key_type=str, value_type=str)

    @users.on_recover
    async def fill() -> None:
        for number in range(KEYS):
            users.on(0)[account(number)] = f"user {number}"
        await app.commit()

    @app.agent(source)
    async def process(stream: faust.Stream[Event]) -> None:
        handled = 0
        async for _ in stream.left_join(users):
            handled += 1
            if handled == events:
                done()


CASES: dict[str, Declare] = {case.__name__: case for case in (stream, send, table, window, group_by, join)}


def plain(values: list[bytes]) -> float:
    """CPU seconds of a loop that only decodes."""
    decode = msgspec.json.Decoder(PlainEvent).decode
    began = time.process_time()
    for value in values:
        decode(value)
    return time.process_time() - began


async def engine(declare: Declare, events: list[Input], store: str, directory: str) -> float:
    """CPU seconds of the engine, from the worker's start to the checkpoint after the last event."""
    broker = f"memory://bench-{next(numbers)}"
    feeder = faust.App("bench-feeder", broker=broker)
    await feeder.start_client()  # keeps the broker, which lives as long as somebody is connected
    filling = feeder.topic("source", value_type=bytes, partitions=1)
    await filling.declare()
    await feeder.topic("target", partitions=1).declare()
    for event in events:
        await filling.send(key=event.account, value=event.value, timestamp=event.timestamp_ms / 1000)
    app = faust.App("bench-micro", broker=broker, topic_partitions=1, store=store, datadir=directory)
    all_handled = asyncio.Event()
    declare(app, app.topic("source", value_type=Event), len(events), all_handled.set)
    gc.collect()  # the last run's broker
    began = time.process_time()
    async with app:
        await _within_a_minute(all_handled.wait())
        await app.commit()
        used = time.process_time() - began
    await feeder.stop()
    return used


async def _within_a_minute(work: Awaitable[object]) -> None:
    async with asyncio.timeout(60):
        await work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="default: %(default)s")
    parser.add_argument("--events", type=int, default=100_000, help="per case and round (default: 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="all cases in turn, so many times (default: 5)")
    parser.add_argument("--keys", type=int, default=KEYS, help="how many accounts there are (default: 10000)")
    parser.add_argument("--store", default="memory://", help="of the tables (default: memory://)")
    options = parser.parse_args()
    chosen = options.cases.split(",")
    events = list(inputs(options.events, options.keys))
    values = [event.value for event in events]
    used: dict[str, list[float]] = {name: [] for name in ("plain loop", *chosen)}
    for _ in range(options.rounds):
        used["plain loop"].append(plain(values))
        for name in chosen:
            with tempfile.TemporaryDirectory() as directory:
                used[name].append(asyncio.run(engine(CASES[name], events, options.store, directory)))
    print("| case | µs of CPU per event, least | median | × plain loop |\n| --- | --- | --- | --- |")
    for name, times in used.items():
        each = [seconds / options.events * 1e6 for seconds in times]
        ratio = median(mine / base for mine, base in zip(times, used["plain loop"], strict=True))
        print(f"| {name} | {min(each):.2f} | {median(each):.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
