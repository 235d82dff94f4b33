"""Workers of one application, in this process, on a broker in memory; they ask each other over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from faust_core import App, SetTable, Table
from faust_core.memory import Broker
from faust_core.windows import WindowedTable
from tests.services.patience import PATIENCE

TIMES = {"broker_session_timeout": 0.4, "broker_heartbeat_interval": 0.1, "broker_rebalance_timeout": 2}
PARTITIONS = 6


class CrashError(Exception):
    """The process of a worker is gone."""


class Worker:
    """A worker that keeps of each pair `[key, n]` the last n, the sum by hour, and the set of all."""

    def __init__(self, cluster: Cluster, name: str, **options: Any) -> None:
        self.name = name
        settings: dict[str, Any] = {
            "broker": cluster.broker.url,
            "broker_client_id": name,
            "broker_commit_interval": 0.05,
            "topic_partitions": PARTITIONS,
            "table_standby_replicas": 1,
            "web_enabled": True,
            "web_port": 0,
            "query_timeout": 8,
            **TIMES,
            **options,
        }
        self.app = App("app", **settings)
        self.last: Table[str, int] = self.app.Table("last", key_type=str, value_type=int, help="the last number")
        self.hours: WindowedTable[str, int] = self.app.Table("hours", default=int).tumbling(3600)
        self.seen: SetTable[str, int] = self.app.SetTable("seen", key_type=str, value_type=int)
        #: what pages of tests were sent
        self.posted: list[str] = []

        @self.app.agent("in", name="keep")
        async def keep(stream: Any) -> None:
            async for key, n in stream:
                self.last[key] = n
                self.hours[key] += n
                self.seen[key].add(n)

    @property
    def url(self) -> str:
        assert self.app.worker is not None
        endpoint = self.app.worker.member.endpoint
        assert endpoint is not None
        return endpoint

    def owned(self) -> set[int]:
        worker = self.app.worker
        return set() if worker is None else {task.partition for task in worker.rebalancer.running()}

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False, **{"timeout": 10 * PATIENCE, **options})

    async def get(self, path: str, **options: Any) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path, **options)


class Cluster:
    """A broker with the topic `in`, and workers."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.broker.create_topic("in", PARTITIONS)
        self.workers: list[Worker] = []
        #: called with each worker before it starts
        self.prepare: Callable[[Worker], object] = lambda _worker: None
        self.sent: dict[str, int] = {}

    async def start(self, name: str, **options: Any) -> Worker:
        worker = Worker(self, name, **options)
        self.prepare(worker)
        self.workers.append(worker)
        await worker.app.start()
        return worker

    async def start_two(self, **options: Any) -> tuple[Worker, Worker]:
        """Start two workers, and wait until they share the partitions evenly."""
        first, second = await self.start("w1", **options), await self.start("w2", **options)
        await eventually(self.settled)
        return first, second

    def settled(self) -> bool:
        """Whether every partition has one owner, and the load is even."""
        shares = [worker.owned() for worker in self.workers]
        sizes = [len(share) for share in shares]
        return sum(sizes) == PARTITIONS == len(set().union(*shares)) and max(sizes) - min(sizes) <= 1

    def put(self, key: str, n: int, *, partition: int | None = None) -> None:
        """Send `[key, n]` to the partition that the key's hash says, or to another one."""
        self.sent[key] = n
        value = json.dumps([key, n]).encode()
        if partition is None:
            partition = self.partition(key)
        self.broker.append("in", value, key.encode(), partition)

    @staticmethod
    def partition(key: str) -> int:
        from faust_core.partitioner import partition_for

        return partition_for(key.encode(), PARTITIONS)

    async def processed(self) -> None:
        """Wait until all that was sent is committed."""
        await eventually(self.all_committed)

    def all_committed(self) -> bool:
        offsets = self.broker.committed("app")
        logs = enumerate(self.broker.topics["in"].logs)
        return all(next((o for tp, o in offsets.items() if tp == ("in", p)), 0) == log.end for p, log in logs)

    async def crash(self, worker: Worker) -> None:
        """Cut a worker off as `kill -9` does: nothing is flushed, committed or left."""
        self.broker.kill(worker.name)
        assert worker.app.worker is not None
        worker.app.worker.fail(CrashError(worker.name))
        with pytest.raises(CrashError):
            await worker.app.wait()
        with suppress(CrashError):
            await worker.app.stop()
        self.workers.remove(worker)

    async def stop(self, worker: Worker) -> None:
        await worker.app.stop()
        self.workers.remove(worker)

    async def aclose(self) -> None:
        self.broker.faults.clear()
        for worker in self.workers:
            with suppress(Exception):
                await worker.app.stop()


async def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Wait until `condition` holds."""
    timeout_s *= PATIENCE
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  it looks at the outside of the engine
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"not within {timeout_s:g} s: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}")


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.aclose()


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    return eventually
