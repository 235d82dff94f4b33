"""What is run: an application, its input, and the numbers of one seed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from random import Random
from typing import Any

from faust_core import App
from faust_core.memory import Broker
from faust_core.partitioner import partition_for

__all__ = ["APP", "Scenario", "make_app", "write_input"]

APP = "sim"
SESSION_S = 4.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """The numbers that do not change during a run.

    Attributes:
        poison: records that raise in `count`.
        slow: for how long it waits, by record: before, and after it has changed its tables.
        one_topic: both agents read the same topic.
        max_poll_records: how many records come at once.
    """

    seed: int
    exactly_once: bool
    partitions: int
    nodes: int
    keys: int
    records: int
    standbys: int
    static: bool
    concurrency: int
    commit_interval_s: float
    poison: frozenset[int]
    slow: dict[int, tuple[float, float]]
    events: int
    one_topic: bool
    max_poll_records: int

    @classmethod
    def of(cls, seed: int, random: Random, *, one_topic: bool = False) -> Scenario:
        records = random.randrange(20, 90)
        numbers = range(records)
        return cls(
            seed=seed,
            exactly_once=bool(seed % 2),
            partitions=random.randrange(1, 5),
            nodes=random.randrange(1, 4),
            keys=random.randrange(1, 8),
            records=records,
            standbys=random.choice([0, 0, 1]),
            static=random.random() < 0.3,
            concurrency=random.choice([1, 1, 1, 3]),
            commit_interval_s=random.choice([0.1, 0.3, 1.0]),
            poison=frozenset(n for n in numbers if random.random() < 0.03),
            slow={
                n: (random.choice([0.0, random.uniform(0, 1.5)]), random.choice([0.0, random.uniform(0, 2.0)]))
                for n in numbers
                if random.random() < 0.2
            },
            events=random.randrange(1, 11),
            one_topic=one_topic or seed // 2 % 3 == 1,
            max_poll_records=[4_000, 4_000, 3][seed // 6 % 3],
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("in",) if self.one_topic else ("in", "other")

    def key(self, n: int) -> str:
        return f"k{n * 7919 % self.keys}"

    def group(self, n: int) -> str:
        """The key that records are grouped by: others than those that they come with."""
        return f"g{n % 3}"


def make_app(scenario: Scenario, broker: Broker, node: str, client_id: str) -> App:
    """Make the application as one worker runs it.

    `seen` holds a bit for each record, so that doing an event twice changes nothing and missing one shows;
    `counts` shows both; `last` has its keys deleted now and then.
    """
    app = App(
        APP,
        broker=broker.url,
        broker_client_id=client_id,
        store=f"sim://{node}",
        processing_guarantee="exactly_once" if scenario.exactly_once else "at_least_once",
        consumer_group_instance_id=node if scenario.static else None,
        broker_commit_interval=scenario.commit_interval_s,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=12.0,
        broker_request_timeout=10.0,
        transaction_timeout=8.0,
        shutdown_timeout=10.0,
        stuck_agent_timeout=3600.0,
        table_standby_replicas=scenario.standbys,
        topic_partitions=scenario.partitions,
        probing_interval=5.0,
        error_retry_backoff=0.1,
    )
    counts, seen, last = app.Table("counts", default=int), app.Table("seen", default=int), app.Table("last")
    grouped = app.Table("grouped", default=int)
    out, regrouped = app.topic("out"), app.topic("regrouped")

    @app.agent("in", name="count", concurrency=scenario.concurrency)
    async def count(stream: Any) -> None:
        async for key, n in stream:
            before, after = scenario.slow.get(n, (0.0, 0.0))
            if before:
                await asyncio.sleep(before)
            if n in scenario.poison:
                raise ValueError(f"record {n} is poison")
            counts[key] += 1
            seen[key] |= 1 << n
            if n % 4 == 3:
                last.pop(key, None)
            else:
                last[key] = n
            await out.send(key=key, value=[key, n, counts[key]])
            if after:
                await asyncio.sleep(after)

    @app.agent("in" if scenario.one_topic else "other", name="regroup")
    async def regroup(stream: Any) -> None:
        async for key, n in stream.group_by(lambda value: scenario.group(value[1]), name="group"):
            grouped[scenario.group(n)] |= 1 << n
            await regrouped.send(key=key, value=n)

    return app


def write_input(scenario: Scenario, broker: Broker, n: int) -> None:
    """Write the record `n`."""
    key = scenario.key(n).encode()
    value = json.dumps([scenario.key(n), n]).encode()
    for topic in scenario.inputs:
        broker.append(topic, value, key, partition_for(key, scenario.partitions))
