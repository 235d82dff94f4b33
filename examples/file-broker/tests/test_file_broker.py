"""The file broker keeps every rule of the kit, and applications find it by its URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import faust
from faust_conformance.transport import MakeTransport, TransportCapability, TransportConformance
from faust_core.errors import ConfigError, TransportError
from faust_core.protocols.transport import Transport, TransportContext
from file_broker import FileTransport, create


class TestFileBroker(TransportConformance):
    capabilities = frozenset(
        {
            TransportCapability.GROUP_PLANS,
            TransportCapability.HEADERS,
            TransportCapability.CREATE_TOPICS,
            TransportCapability.CLOGGED_PRODUCER,
            TransportCapability.CRASH,
        }
    )
    time_limit_s = 10.0
    quiet_s = 0.15
    session_timeout_s = 1.0

    @pytest.fixture
    def make_transport(self, tmp_path: Path) -> MakeTransport:
        def make(**context: Any) -> Transport:
            return create(f"filebroker://{tmp_path}/broker.db", TransportContext(**context))

        return make

    @pytest.fixture
    def clogged_transport(self, make_transport: MakeTransport) -> Transport:
        return make_transport(max_buffered_bytes=100_000)

    @pytest.fixture
    def crash(self) -> Callable[[Transport], None]:
        def crash(transport: Transport) -> None:
            assert isinstance(transport, FileTransport)
            transport.kill()

        return crash


def counting(broker: str, worker: str) -> tuple[faust.App, Any]:
    app = faust.App(
        "counting", broker=broker, broker_client_id=worker, topic_partitions=4, broker_session_timeout=1.0,
        broker_heartbeat_interval=0.2, broker_commit_interval=0.1,
    )  # fmt: skip
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(app.topic("names", key_type=str, value_type=str))
    async def process(stream: faust.Stream[str]) -> AsyncIterator[int]:
        async for name in stream:
            counts[name] += 1
            yield counts[name]

    return app, process


async def test_two_workers_share_a_topic_and_one_takes_over_from_the_other(tmp_path: Path) -> None:
    broker = f"filebroker://{tmp_path}/broker.db"
    first, _ = counting(broker, "first")
    second, agent = counting(broker, "second")
    names = [f"name-{n}" for n in range(20)]
    async with asyncio.timeout(15), second:
        async with first:
            assert [await agent.ask(name, key=name) for name in names] == [1] * 20
        assert [await agent.ask(name, key=name) for name in names] == [2] * 20


async def test_what_was_counted_is_there_after_a_restart(tmp_path: Path) -> None:
    broker = f"filebroker://{tmp_path}/broker.db"
    for n in (1, 2):
        app, agent = counting(broker, "only")
        async with asyncio.timeout(10), app:
            assert await agent.ask("name", key="name") == n


@pytest.mark.parametrize("url", ["filebroker://", "filebroker://host/path", "filebroker:///path?mode=ro"])
def test_a_wrong_url_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="absolute path"):
        create(url, TransportContext())


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    transport = create(f"filebroker://{tmp_path}/missing/broker.db", TransportContext())
    with pytest.raises(TransportError, match=r"missing/broker\.db"):
        await transport.check()
    await transport.aclose()


async def test_exactly_once_is_refused(tmp_path: Path) -> None:
    app = faust.App("a", broker=f"filebroker://{tmp_path}/broker.db", processing_guarantee="exactly_once")
    with pytest.raises(ConfigError, match="at_least_once"):
        await app.start()
