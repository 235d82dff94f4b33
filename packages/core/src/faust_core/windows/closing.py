"""Closing: hands the windows that are over to whoever waits for final results, and remembers who is done with them.

A window that committed events have closed becomes an item of each subscription, at an offset of its own that means
nothing to the broker.  It is worked on like a record.  The checkpoint that finds it done marks it as closed, in the
same step that commits what was sent for it: a crash before gives it out again, a crash after does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from faust_core.claims import TaskView
from faust_core.records import ConsumerRecord, RecordBatch, RecordList, TopicPartition

if TYPE_CHECKING:
    from faust_core.windows.partition import WindowedPartition

__all__ = ["Closing"]

#: Windows of one partition that are handed out and not marked yet.
MAX_OPEN = 10_000


class Queue(Protocol):
    """What is known of a subscription's partition."""

    @property
    def done(self) -> tuple[int, ...]:
        """All below the first number, and what was done out of order."""
        ...


class Subscriber(Protocol):
    """A stream of closed windows."""

    def queue(self, tp: TopicPartition, /) -> Queue | None: ...

    def add(self, tp: TopicPartition, task: Any, position: int, /) -> None: ...

    def remove(self, tp: TopicPartition, /) -> None: ...

    def deliver(self, tp: TopicPartition, batch: RecordBatch, /) -> None: ...


class Closing:
    """The windows of one table partition that are being closed.  The event loop's thread alone calls it."""

    def __init__(self, part: WindowedPartition) -> None:
        self._part = part
        self._subscribers: list[Subscriber] = []
        #: index entries that were handed out, in order; the first one has the number `_base`
        self._handed_out: deque[bytes] = deque()
        self._base = 0

    def start(self, task: TaskView, subscribers: Iterable[Subscriber]) -> None:
        """Hand out what is due to all subscribers, from the first window that is not closed on."""
        self._subscribers = list(subscribers)
        self._base += len(self._handed_out)
        self._handed_out.clear()
        for subscriber in self._subscribers:
            subscriber.remove(self._part.changelog)
            subscriber.add(self._part.changelog, task, self._base)
        self.deliver()

    def stop(self) -> None:
        for subscriber in self._subscribers:
            subscriber.remove(self._part.changelog)
        self._subscribers = []

    @property
    def ready(self) -> bool:
        """Whether windows are done that are not marked as closed."""
        return self._done() > 0

    @property
    def full(self) -> bool:
        """Whether as many as may be handed out are done: only a checkpoint brings more."""
        return len(self._handed_out) == MAX_OPEN and self._done() == MAX_OPEN

    def _done(self) -> int:
        queues = [queue for s in self._subscribers if (queue := s.queue(self._part.changelog)) is not None]
        return min((queue.done[0] - self._base for queue in queues), default=0)

    def fold(self) -> None:
        """Mark what is done as closed."""
        done = self._done()
        for _ in range(done):
            self._part.closed = self._handed_out.popleft()
        self._base += done

    def deliver(self) -> None:
        """Hand out what committed events have closed since."""
        part = self._part
        end = part.close_until()
        room = MAX_OPEN - len(self._handed_out)
        if end is None or not self._subscribers or room <= 0:
            return
        last = self._handed_out[-1] if self._handed_out else part.closed
        start = last + b"\x00" if last is not None else part.first_entry
        if start >= end:
            return
        entries = [entry for entry, _ in islice(part.store.scan(start, end), room)]
        self._hand_out(entries)

    def _hand_out(self, entries: Collection[bytes]) -> None:
        part, tp = self._part, self._part.changelog
        keys = [part.key_of(entry) for entry in entries]
        records: list[ConsumerRecord] = []
        for entry, key, value in zip(entries, keys, part.store.get_many(keys), strict=True):
            if value is None:
                continue
            number = self._base + len(self._handed_out)
            self._handed_out.append(entry)
            over_ms = part.over_ms(entry)
            records.append(ConsumerRecord(tp.topic, tp.partition, number, over_ms, key, value, ()))
        if records:
            batch = RecordList(tp, records)
            for subscriber in self._subscribers:
                subscriber.deliver(tp, batch)
