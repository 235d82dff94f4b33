"""Clocks: the machine's, and the one that a test moves."""

from __future__ import annotations

import asyncio
import time

from faust_core.clock import SystemClock
from faust_core.testing.clock import ManualClock


async def test_the_system_clock_is_the_machine_s() -> None:
    clock = SystemClock()
    assert abs(clock.time() - time.time()) < 1
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    called = asyncio.Event()
    clock.call_later(0.001, called.set)
    await asyncio.wait_for(called.wait(), 5)


def test_a_manual_clock_stands_still() -> None:
    clock = ManualClock(start=100.0)
    assert (clock.time(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (102.5, 2.5)


def test_what_is_due_fires_in_order_each_at_its_own_time() -> None:
    clock = ManualClock()
    fired: list[tuple[str, float]] = []
    clock.call_later(2, lambda: fired.append(("second", clock.monotonic())))
    clock.call_later(1, lambda: fired.append(("first", clock.monotonic())))
    clock.call_later(2, lambda: fired.append(("third", clock.monotonic())))
    clock.call_later(9, lambda: fired.append(("later", clock.monotonic())))
    clock.advance(5)
    assert fired == [("first", 1.0), ("second", 2.0), ("third", 2.0)]
    assert clock.next_due() == 4.0


def test_a_cancelled_timer_does_not_fire() -> None:
    clock = ManualClock()
    fired: list[int] = []
    timer = clock.call_later(1, lambda: fired.append(1))
    timer.cancel()
    assert clock.next_due() is None
    clock.advance(2)
    assert fired == []


async def test_sleepers_are_woken_by_advance() -> None:
    clock = ManualClock()
    sleeper = asyncio.ensure_future(clock.sleep(3))
    await clock.settle()
    clock.advance(2.9)
    await clock.settle()
    assert not sleeper.done()
    clock.advance(0.2)
    await sleeper
    await clock.sleep(0)


async def test_elapse_wakes_a_loop_as_often_as_real_time_would() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            woken.append(clock.monotonic())

    ticking = asyncio.ensure_future(tick())
    await clock.elapse(3.5)
    assert woken == [1.0, 2.0, 3.0]
    ticking.cancel()
    await asyncio.wait([ticking])
    assert clock.next_due() is None
