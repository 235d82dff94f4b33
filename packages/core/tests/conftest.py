"""A broker in memory and applications on it, for tests of the running engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from faust_core import App
from faust_core.memory import Broker
from faust_core.records import ConsumerRecord
from faust_core.table_partition import hashable
from tests.services.patience import PATIENCE


class CrashError(Exception):
    """The process of a worker is gone."""


class Lab:
    """A broker, the applications that a test made on it, and short ways to look at both."""

    def __init__(self, directory: Path) -> None:
        self.broker = Broker()
        self.directory = directory
        self.apps: list[App] = []

    def app(self, worker: str = "w1", *, id: str = "app", **options: Any) -> App:  # noqa: A002  the name that App uses
        """Make an application that commits often; `worker` is what the broker knows it by."""
        settings: dict[str, Any] = {
            "broker": self.broker.url,
            "broker_client_id": worker,
            "broker_commit_interval": 0.05,
            "topic_partitions": 1,
            "error_retry_backoff": 0.01,
            "table_standby_replicas": 0,
            "tabledir": self.directory,
            **options,
        }
        app = App(id, **settings)
        self.apps.append(app)
        return app

    def put(self, topic: str, *values: Any, key: str | None = None, partition: int = 0, **options: Any) -> None:
        """Write values as JSON (bytes and None as they are); a missing topic gets one partition."""
        self.broker.create_topic(topic, 1)
        for value in values:
            data = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
            self.broker.append(topic, data, None if key is None else key.encode(), partition, **options)

    def records(self, topic: str) -> list[ConsumerRecord]:
        return self.broker.records(topic) if topic in self.broker.topics else []

    def values(self, topic: str) -> list[Any]:
        """The decoded values of a topic's committed records, partition by partition."""
        return [None if r.value is None else json.loads(r.value) for r in self.records(topic)]

    def changelog(self, table: str, *, id: str = "app") -> dict[Any, Any]:  # noqa: A002
        """What a table's changelog says: the last value of each key."""
        state: dict[Any, Any] = {}
        for record in self.records(f"{id}-{table}-changelog"):
            assert record.key is not None
            state[hashable(json.loads(record.key))] = record.value and json.loads(record.value)
        return {key: value for key, value in state.items() if value is not None}

    def committed(self, topic: str, partition: int = 0, *, id: str = "app") -> int | None:  # noqa: A002
        offsets = self.broker.committed(id)
        return next((o for tp, o in offsets.items() if tp == (topic, partition)), None)

    def crash_at(self, app: App, step: str, *, nth: int = 1) -> None:
        """Kill a worker's process when its checkpoint comes to `step` for the `nth` time."""
        assert app.worker is not None
        left = nth

        def on_step(name: str) -> None:
            nonlocal left
            left -= name == step
            if left == 0:
                self.crash(app)
                raise CrashError(step)

        app.worker.checkpointer.on_step = on_step

    def crash(self, app: App) -> None:
        """Cut a worker off as `kill -9` does: nothing is flushed, committed or left."""
        self.broker.kill(app.conf.broker_client_id)
        assert app.worker is not None
        app.worker.fail(CrashError(app.conf.broker_client_id))

    async def crashed(self, app: App) -> None:
        """Wait until nothing of a crashed worker runs any more, and end its session."""
        with pytest.raises(CrashError):
            await app.wait()
        with suppress(CrashError):
            await app.stop()
        self.apps.remove(app)

    async def aclose(self) -> None:
        self.broker.faults.clear()
        for app in self.apps:
            with suppress(Exception):
                await app.stop()


async def eventually(condition: Callable[[], Any], timeout_s: float = 8.0) -> None:
    """Wait until `condition` holds."""
    timeout_s *= PATIENCE
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  it looks at the outside of the engine
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"not within {timeout_s:g} s: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path / "tables")
    yield lab
    await lab.aclose()


@pytest.fixture
def new_lab(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lab]:
    """For tests that need one per example, in an event loop of their own."""
    return lambda: Lab(tmp_path_factory.mktemp("lab") / "tables")


@pytest.fixture(name="eventually")
def _eventually() -> Iterator[Callable[..., Any]]:
    return eventually


def counting_app(lab: Lab, worker: str = "w1", *, group: bool = False, pause_s: float = 0.0, **options: Any) -> App:
    """An application that counts its input `[key, n]` by key in table `counts` and sends every count to `out`."""
    app = lab.app(worker, **{"broker_commit_interval": 0.02, **options})
    counts = app.Table("counts", default=int)
    out = app.topic("out")

    @app.agent("in", name="count")
    async def count(stream: Any) -> None:
        if group:
            stream = stream.group_by(lambda value: value[0], name="key")
        async for key, n in stream:
            counts[key] += 1
            if pause_s and n % 7 == 0:
                await asyncio.sleep(pause_s)
            await out.send(key=key, value=[key, counts[key]])

    return app


class Counting:
    """Input for `counting_app`, and what must come of it."""

    def __init__(self, lab: Lab, partitions: int = 2, keys: int = 5) -> None:
        self.lab = lab
        self.partitions = partitions
        self.keys = keys
        self.expected: dict[str, int] = {}
        self.sent = 0
        lab.broker.create_topic("in", partitions)
        lab.broker.create_topic("out", partitions)

    def put(self, count: int) -> None:
        for n in range(self.sent, self.sent + count):
            key = f"k{n % self.keys}"
            self.expected[key] = self.expected.get(key, 0) + 1
            self.lab.put("in", [key, n], key=key, partition=n % self.keys % self.partitions)
        self.sent += count

    def all_committed(self, topic: str = "in") -> bool:
        ends = [log.end for log in self.lab.broker.topics[topic].logs]
        return [self.lab.committed(topic, p) or 0 for p in range(len(ends))] == ends

    @property
    def counts(self) -> dict[str, int]:
        return self.lab.changelog("counts")

    @property
    def outputs(self) -> list[tuple[str, int]]:
        return sorted((key, count) for key, count in self.lab.values("out"))

    @property
    def expected_outputs(self) -> list[tuple[str, int]]:
        return sorted((key, i) for key, total in self.expected.items() for i in range(1, total + 1))


@pytest.fixture
def make_counting(lab: Lab) -> Callable[..., Counting]:
    return lambda **options: Counting(lab, **options)


@pytest.fixture
def counting(lab: Lab) -> Counting:
    return Counting(lab)


@pytest.fixture(name="counting_app")
def _counting_app(lab: Lab) -> Callable[..., App]:
    return lambda *args, **options: counting_app(lab, *args, **options)
