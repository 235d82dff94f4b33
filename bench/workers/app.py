"""Our engine, used as an application uses it: each workload as an agent, run by `faust worker`.

Uses nothing but Faust's API, so that any environment whose `faust` has the same API can be measured too.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import faust
from bench.workers.meter import Meter, setting
from bench.workloads import KEYS, PRICE_ABOVE, account

PARTITIONS = int(setting("PARTITIONS"))
WORKLOAD = setting("WORKLOAD")

app = faust.App(
    setting("APP"),
    broker=f"kafka://{setting('BOOTSTRAP')}",
    store=setting("STORE"),
    datadir=setting("STATE"),
    topic_partitions=PARTITIONS,
    processing_guarantee=setting("GUARANTEE"),
    repartition_topic_prefix_id=True,  # the driver deletes what bears the application's name
)


class Event(faust.Record, serializer="json"):
    """The model of the input."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


meter = Meter()
source = app.topic(setting("SOURCE"), value_type=Event)
all_handled = asyncio.Event()


def reach(number: int) -> int:
    """Mark the first and the last event; says which number to come back with next."""
    if number >= meter.events:
        meter.handled()
        all_handled.set()
        return -1
    meter.begin()
    return meter.events


@app.task
async def finish() -> None:
    """Write and commit everything once the last event is handled, and report."""
    await all_handled.wait()
    await app.commit()
    meter.end()


if WORKLOAD in "AL":
    target = app.topic(setting("TARGET"), value_type=Event)
    price_above = PRICE_ABOVE if WORKLOAD == "A" else 0

    @app.agent(source, name="process")
    async def forward(stream: faust.Stream[Event]) -> None:
        """Send on what costs enough."""
        handled, mark = 0, 1
        async for event in stream:
            handled += 1
            if handled == mark:
                mark = reach(handled)
            if event.price > price_above:
                await target.send(value=event)

elif WORKLOAD == "B":
    counts = app.Table("counts", default=int, key_type=str, value_type=int, partitions=PARTITIONS)

    @app.agent(source, name="process")
    async def count(stream: faust.Stream[Event]) -> None:
        """Count per account."""
        handled, mark = 0, 1
        async for event in stream:
            handled += 1
            if handled == mark:
                mark = reach(handled)
            counts[event.account_id] += 1

elif WORKLOAD == "C":

    @app.agent(source, name="process")
    async def decode(stream: faust.Stream[Event]) -> None:
        """Count."""
        handled, mark = 0, 1
        async for _ in stream:
            handled += 1
            if handled == mark:
                mark = reach(handled)

elif WORKLOAD == "D":
    counts = app.Table("counts", default=int, key_type=str, value_type=int, partitions=PARTITIONS)

    @app.on_started.connect
    async def started(*_: Any, **__: Any) -> None:
        """Everything is imported and connected; joining the group and restoring comes now."""
        meter.begin()

    @counts.on_recover
    async def restored() -> None:
        """The table is complete."""
        meter.end()

    @app.agent(source, name="process")
    async def go_on(stream: faust.Stream[Event]) -> None:
        """Count on, so that it can be seen whether the counts are the restored ones."""
        async for event in stream:
            counts[event.account_id] += 1

elif WORKLOAD == "G":
    counts = app.Table("counts", default=int, key_type=str, value_type=int, partitions=PARTITIONS)

    @app.on_partitions_assigned.connect
    async def assigned(*_: Any, **__: Any) -> None:
        """The first hop begins before the agent sees anything."""
        meter.begin()

    @app.agent(source, name="process")
    async def regroup(stream: faust.Stream[Event]) -> None:
        """Count per account, after a hop that brings an account's events together."""
        handled, mark = 0, 1
        async for event in stream.group_by(Event.account_id):
            handled += 1
            if handled == mark:
                mark = reach(handled)
            counts[event.account_id] += 1

elif WORKLOAD == "J":
    users = app.Table("users", key_type=str, value_type=str, partitions=PARTITIONS)

    @users.on_recover
    async def fill() -> None:
        """Every account is there before the first event."""
        for number in range(KEYS):
            users.on(number % PARTITIONS)[account(number)] = f"user {number}"
        await app.commit()

    @app.agent(source, name="process")
    async def look(stream: faust.Stream[Event]) -> None:
        """Look the account up; the run does not end where one is missing."""
        handled, mark = 0, 1
        async for _event, _user in stream.inner_join(users):
            handled += 1
            if handled == mark:
                mark = reach(handled)

elif WORKLOAD == "W":
    table = app.Table("counts", default=int, key_type=str, value_type=int, partitions=PARTITIONS)
    hourly = table.tumbling(timedelta(hours=1), expires=timedelta(days=7))

    @app.agent(source, name="process")
    async def count_hourly(stream: faust.Stream[Event]) -> None:
        """Count per account and hour of the event."""
        handled, mark = 0, 1
        async for event in stream:
            handled += 1
            if handled == mark:
                mark = reach(handled)
            hourly[event.account_id] += 1


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "warn", "--without-web"]
    app.main()
