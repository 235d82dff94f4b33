"""Blocking calls on a thread that may never come back from one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from faust_transport_kafka._calls import CallLost, CallThread


async def test_calls_are_made_in_order_and_their_errors_raised() -> None:
    calls = CallThread("test")
    made: list[int] = []
    await asyncio.gather(*(calls.call(lambda n=n: made.append(n), 5) for n in range(20)))  # type: ignore[misc]
    assert made == list(range(20))

    def fail() -> None:
        raise ValueError("as told")

    with pytest.raises(ValueError, match="as told"):
        await calls.call(fail, 5)
    await calls.call(lambda: made.append(20), 5)
    assert made[-1] == 20
    calls.close()


async def test_a_call_that_does_not_return_is_lost_and_so_is_the_next() -> None:
    calls, hang = CallThread("test"), threading.Event()

    def hanging() -> None:
        hang.wait()

    with pytest.raises(CallLost):
        await calls.call(hanging, 0.05)
    with pytest.raises(CallLost):
        await calls.call(lambda: None, 0.05)
    hang.set()
    await calls.call(lambda: None, 5)
    calls.close()


async def test_a_call_whose_caller_was_cancelled_is_made_before_the_next() -> None:
    calls, going, made = CallThread("test"), threading.Event(), list[str]()

    def slow() -> None:
        going.wait()
        made.append("first")

    first = asyncio.create_task(calls.call(slow, 5))
    await asyncio.sleep(0.01)
    first.cancel()
    second = asyncio.create_task(calls.call(lambda: made.append("second"), 5))
    await asyncio.sleep(0.01)
    going.set()
    await second
    assert made == ["first", "second"]
    assert first.cancelled()
    calls.close()


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    program = """
import asyncio, threading
from faust_transport_kafka._calls import CallLost, CallThread

async def main():
    try:
        await CallThread("test").call(threading.Event().wait, 0.05)
    except CallLost:
        print("lost")

asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=15, check=True, text=True)
    assert run.stdout == "lost\n"
