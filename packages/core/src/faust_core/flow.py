"""Queues that can be stopped: `app.FlowControlQueue()` and `app.flow_control`."""

from __future__ import annotations

import asyncio
import weakref
from functools import cached_property
from typing import Any

__all__ = ["ControlsFlow", "FlowControl", "FlowControlQueue"]


class FlowControl:
    """A switch over queues of the program's own.  Streams have their own back-pressure, and do not ask it."""

    def __init__(self) -> None:
        self._active = asyncio.Event()
        self._active.set()
        self._queues: weakref.WeakSet[FlowControlQueue] = weakref.WeakSet()

    def manage_queue(self, queue: FlowControlQueue) -> None:
        """Have a queue obey."""
        self._queues.add(queue)

    def is_active(self) -> bool:
        """Whether queues take values."""
        return self._active.is_set()

    def suspend(self) -> None:
        """Have `put` of all queues wait."""
        self._active.clear()

    def resume(self) -> None:
        """Let queues take values again; those that say so are emptied first."""
        for queue in list(self._queues):
            if queue.clear_on_resume and not self.is_active():
                queue.clear()
        self._active.set()

    def clear(self) -> None:
        """Empty all queues."""
        for queue in list(self._queues):
            queue.clear()

    async def acquire(self) -> None:
        """Return once queues take values."""
        await self._active.wait()


class FlowControlQueue(asyncio.Queue[Any]):
    """A queue whose `put` waits while its flow control is suspended."""

    def __init__(self, maxsize: int = 0, *, flow_control: FlowControl, clear_on_resume: bool = False) -> None:
        super().__init__(maxsize)
        self._flow_control = flow_control
        self.clear_on_resume = clear_on_resume
        flow_control.manage_queue(self)

    def clear(self) -> None:
        """Drop what is in it."""
        while not self.empty():
            self.get_nowait()

    async def put(self, item: Any) -> None:
        """Add an item; wait while the flow is suspended or the queue is full."""
        await self._flow_control.acquire()
        await super().put(item)


class ControlsFlow:
    """What an application offers to wait by."""

    @cached_property
    def flow_control(self) -> FlowControl:
        """Stops and resumes the queues of `FlowControlQueue`."""
        return FlowControl()

    def create_event(self) -> asyncio.Event:
        """Return a new event for coroutines to wait on."""
        return asyncio.Event()

    def FlowControlQueue(self, maxsize: int = 0, *, clear_on_resume: bool = False) -> FlowControlQueue:  # noqa: N802
        """Make a queue that `app.flow_control` can stop."""
        return FlowControlQueue(maxsize, flow_control=self.flow_control, clear_on_resume=clear_on_resume)
