"""The watchdog names agents that are stuck, and gives their partitions up by choice."""

from __future__ import annotations

import asyncio
import time

import pytest

from faust_core.engine.watchdog import EXIT_STUCK, Watchdog
from faust_core.errors import TransportError


async def stuck_in_here(event):
    await event.wait()


async def test_an_agent_that_waits_is_reported_with_its_event_and_its_stack(lab, eventually, caplog):
    app = lab.app(stuck_agent_timeout=0.1)
    go = asyncio.Event()

    @app.agent("in", name="waiter")
    async def agent(stream):
        async for value in stream:
            if value == 1:
                await stuck_in_here(go)

    lab.put("in", 0, 1)
    async with app:
        await eventually(lambda: "agent waiter has made no progress for 0.1 s on in/0 at offset 1" in caplog.text)
        assert "in stuck_in_here" in caplog.text
        assert "test_watchdog.py" in caplog.text
        go.set()


async def test_an_agent_that_blocks_the_event_loop_is_reported_with_its_stack(lab, eventually, caplog):
    app = lab.app(stuck_agent_timeout=0.1)
    done = []

    @app.agent("in", name="blocker")
    async def agent(stream):
        async for value in stream:
            time.sleep(0.6)  # noqa: ASYNC251  it must block
            done.append(value)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: done)
    assert "agent blocker blocks the event loop" in caplog.text
    assert "time.sleep(0.6)" in caplog.text


async def test_an_agent_that_makes_progress_is_not_reported(lab, eventually, caplog):
    app = lab.app(stuck_agent_timeout=0.3)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            await asyncio.sleep(0.02)
            seen.append(value)

    lab.put("in", *range(30))
    async with app:
        await eventually(lambda: len(seen) == 30)
    assert "no progress" not in caplog.text


async def test_a_batch_that_is_being_collected_is_not_stuck(lab, caplog):
    app = lab.app(stuck_agent_timeout=0.1)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream.take(10, within=60):
            pass

    lab.put("in", 1)
    async with app:
        await asyncio.sleep(0.4)
    assert "no progress" not in caplog.text


async def test_giving_up_stops_the_worker_without_a_commit_of_the_item(lab, eventually):
    app = lab.app(stuck_agent_timeout=0.1, stuck_agent_policy="give_up")

    @app.agent("in", name="waiter")
    async def agent(stream):
        async for value in stream:
            if value == 1:
                await asyncio.sleep(60)

    lab.put("in", 0, 1)
    await app.start()
    with pytest.raises(TransportError, match="agent waiter has made no progress"):
        await app.wait()
    with pytest.raises(TransportError):
        await app.stop()
    assert lab.committed("in") in {None, 0, 1}


async def test_a_blocked_event_loop_ends_the_process_where_it_should_give_up(lab, eventually):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value == 1:
                await asyncio.sleep(0.2)
                time.sleep(0.6)  # noqa: ASYNC251  it must block

    lab.put("in", 1)
    exits = []
    async with app:
        watchdog = Watchdog(
            app.worker.streams.in_flight, timeout_s=0.1, give_up=lambda _reason: None, exit_process=exits.append
        )
        watchdog.start()
        await eventually(lambda: exits)
        watchdog.stop()
    assert set(exits) == {EXIT_STUCK}
    assert watchdog.reports >= 1
