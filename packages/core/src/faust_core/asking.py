"""Asking: promises of answers, and many questions at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from faust_core.clock import Clock

__all__ = ["MAX_OPEN", "Asking", "ReplyPromise", "answers"]

T = TypeVar("T")

#: Questions of one `map` or `join` that wait for their answers at a time; further ones are sent as answers come.
MAX_OPEN = 1_000


class Asking(NamedTuple):
    """An open question of an actor that has an item in its hands.

    Attributes:
        actor: its asyncio task.
        topics: those of the agent that it has asked.
    """

    actor: asyncio.Task[Any] | None
    topics: Collection[str]


class ReplyPromise(asyncio.Future[Any]):
    """The answer of an agent, which may not be there yet: await it.

    Raises, when awaited, what `agent.ask` raises.  It may be dropped or cancelled at any time.

    Attributes:
        reply_to: the topic that the answer goes to.
        correlation_id: what the answer is recognised by.
    """

    def __init__(self, reply_to: str, correlation_id: str) -> None:
        super().__init__()
        self.reply_to = reply_to
        self.correlation_id = correlation_id
        # A failure that nobody asks for is no warning.
        self.add_done_callback(lambda done: done.cancelled() or done.exception())

    def fail(self, error: Exception) -> None:
        """There will be no answer, because of `error`."""
        if not self.done():
            self.set_exception(error)

    def expire_after(self, seconds: float, clock: Clock, reason: str) -> None:
        """Fail with `TimeoutError` unless there is an answer in time."""
        timer = clock.call_later(seconds, lambda: self.fail(TimeoutError(reason)))
        self.add_done_callback(lambda _done: timer.cancel())


async def answers(
    items: Iterable[T] | AsyncIterable[T], ask: Callable[[T], Awaitable[ReplyPromise]], *, max_open: int = MAX_OPEN
) -> AsyncGenerator[tuple[int, ReplyPromise], None]:
    """Ask one question for each item; yield its number and its promise, fulfilled or failed, as answers come.

    Raises:
        Exception: what iterating the items or sending a question raised.
    """
    done: asyncio.Queue[tuple[int, ReplyPromise] | None] = asyncio.Queue()  # bounded by `room`
    room = asyncio.Semaphore(max_open)
    waiting: set[ReplyPromise] = set()

    async def send_all() -> None:
        number = 0
        async for item in _each(items):
            await room.acquire()
            promise = await ask(item)
            waiting.add(promise)
            promise.add_done_callback(partial(_tell, done, number))
            number += 1

    sending = asyncio.create_task(send_all(), name="faust ask")
    sending.add_done_callback(lambda _: done.put_nowait(None))
    try:
        while waiting or not sending.done() or not done.empty():
            answered = await done.get()
            if answered is None:
                sending.result()
                continue
            waiting.discard(answered[1])
            room.release()
            yield answered
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        for promise in waiting:
            promise.cancel()


def _tell(done: asyncio.Queue[tuple[int, ReplyPromise] | None], number: int, promise: Any) -> None:
    done.put_nowait((number, promise))


async def _each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
