"""Blocking calls of a client library that may never return."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["CallLost", "CallThread"]


class CallLost(Exception):
    """A call has not returned in its time.  It may do so later, or never; its thread is of no use any more."""


class CallThread:
    """Makes blocking calls one after the other, also when their caller was cancelled.

    The thread is a daemon: one that hangs in a call holds up neither the event loop nor the end of the process.
    Belongs to one event loop, which alone calls it.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, action: Callable[[], None], timeout_s: float) -> None:
        """Make a call and wait until it has returned; cancelling waits no longer, and the call is made all the same.

        Raises:
            CallLost: it has not returned in time, or one before it has not.
            Exception: what it raised.
        """
        returned: asyncio.Future[None] = self._loop.create_future()
        self._calls.put((action, returned))
        try:
            await asyncio.wait([returned], timeout=timeout_s)
            if not returned.done():
                raise CallLost
            returned.result()
        finally:
            returned.cancel()

    def close(self) -> None:
        """End the thread when it has made the calls that it was given; is not waited for."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            action, returned = call
            error: BaseException | None = None
            try:
                action()
            except BaseException as exc:  # noqa: BLE001  it is the caller's
                error = exc
            # Whoever is woken may drop what the call was about: this thread must not be the last to hold it.
            del call, action
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_settle, returned, error)
            del returned, error


def _settle(returned: asyncio.Future[Any], error: BaseException | None) -> None:
    if returned.done():
        return
    if error is None:
        returned.set_result(None)
    else:
        returned.set_exception(error)
