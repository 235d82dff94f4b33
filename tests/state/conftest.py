"""Workers on a broker in memory, with tables in each of the stores."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from faust_core import App
from faust_core.engine.task import TaskState
from faust_core.memory import Broker


class KilledError(Exception):
    """The process of a worker is gone."""


class Cluster:
    """A broker in memory, and workers of one application that can be killed."""

    def __init__(self, store: str, directory: Path) -> None:
        self.broker = Broker()
        self.store = store
        self.directory = directory
        self.app_id = f"app-{uuid.uuid4().hex[:8]}"  # Redis is shared with other tests
        self.apps: list[App] = []

    def worker(self, name: str, *, disk: str | None = None, **options: Any) -> App:
        """Make a worker; `disk` is another one whose data directory it finds."""
        app = App(
            self.app_id,
            broker=self.broker.url,
            broker_client_id=name,
            broker_commit_interval=options.pop("broker_commit_interval", 0.02),
            store=self.store,
            tabledir=self.directory / (disk or name),
            error_retry_backoff=0.01,
            broker_session_timeout=1.0,
            broker_heartbeat_interval=0.1,
            **options,
        )
        self.apps.append(app)
        return app

    async def kill(self, app: App) -> None:
        """End a worker as `kill -9` does: nothing is flushed, committed or left."""
        assert app.worker is not None
        self.broker.kill(app.conf.broker_client_id)
        app.worker.fail(KilledError(app.conf.broker_client_id))
        with suppress(KilledError):
            await app.wait()
        with suppress(KilledError):
            await app.stop()
        self.apps.remove(app)

    def put(self, topic: str, value: Any, *, key: str | None = None, at: float = 0.0, partition: int = 0) -> None:
        data = None if value is None else json.dumps(value).encode()
        self.broker.append(topic, data, None if key is None else key.encode(), partition, timestamp_ms=round(at * 1000))

    def values(self, topic: str) -> list[Any]:
        """The decoded values of a topic's committed records."""
        return [json.loads(record.value or b"null") for record in self.broker.records(topic)]

    def all_committed(self, *topics: str) -> bool:
        committed = self.broker.committed(self.app_id)
        return all(
            committed.get((topic, partition), 0) == log.end  # type: ignore[call-overload]
            for topic in topics
            for partition, log in enumerate(self.broker.topics[topic].logs)
        )

    def owners(self, app: App) -> set[int]:
        """The partitions that a worker works on, restored."""
        assert app.worker is not None
        return {task.id.partition for task in app.worker.rebalancer.tasks.values() if task.state is TaskState.RUNNING}

    async def aclose(self) -> None:
        for app in self.apps:
            with suppress(Exception):
                await app.stop()


@pytest.fixture(
    params=["memory", "rocksdb", pytest.param("redis", marks=pytest.mark.redis)],
)
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    store = request.getfixturevalue("redis_url") if request.param == "redis" else f"{request.param}://"
    cluster = Cluster(store, tmp_path)
    yield cluster
    await cluster.aclose()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    async def eventually(condition: Callable[[], Any], timeout_s: float = 15.0) -> None:
        """Wait until `condition` holds."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                pytest.fail(
                    f"not within {timeout_s:g} s: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}"
                )
            await asyncio.sleep(0.005)

    return eventually
