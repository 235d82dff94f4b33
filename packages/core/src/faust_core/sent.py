"""What `await topic.send(…)` returns: the fate of one record."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Generator
from typing import Any

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.protocols.transport import Producer
from faust_core.records import RecordMetadata

__all__ = ["SentCallback", "SentRecord"]

log = logging.getLogger(__name__)

#: Called with the `SentRecord` once the broker has it; may be async.
SentCallback = Callable[["SentRecord"], Any]

#: Callbacks that are coroutines, while they run: the event loop keeps no reference to a task.
_running: set[asyncio.Future[Any]] = set()


class SentRecord:
    """What `await topic.send(…)` returns: await it, too, to learn where the broker has put the record.

    Awaiting it raises what kept the record from being written.  Where the first `await` stands alone, as a statement,
    its result is gone, and the broker's report of that record is not asked for.
    """

    __slots__ = ("_attached_to", "_topic", "_waiter", "partition", "producer")

    def __init__(
        self, producer: Producer, topic: str, partition: int | None, attached_to: tuple[Claim, int] | None = None
    ) -> None:
        """Args:
        attached_to: the event, by claim and offset, with which it is written.
        """
        self._attached_to = attached_to
        self.producer = producer
        self.partition = partition
        self._topic = topic
        self._waiter: asyncio.Future[RecordMetadata] | None = None

    def expect(self, callback: SentCallback | None) -> None:
        """Ask for a delivery report; `delivered` is then given to the producer."""
        self._waiter = asyncio.get_running_loop().create_future()
        # A report nobody waits for must not become a warning; the producer's flush raises the same error.
        self._waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        if callback is not None:
            self._waiter.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else self._call(callback)
            )

    def delivered(self, metadata: RecordMetadata | None, error: Exception | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is not None:
            self._waiter.set_exception(error)
        elif metadata is not None:
            self._waiter.set_result(metadata)

    def done(self) -> bool:
        """Whether the record's fate is known."""
        return self._waiter is not None and self._waiter.done()

    def result(self) -> RecordMetadata:
        """Return where the record stands.

        Raises:
            asyncio.InvalidStateError: it is not known yet; `done()` tells.
            TransportError: it was not written.
        """
        if self._waiter is None:
            raise asyncio.InvalidStateError(f"no report was asked for of this record for {self._topic}: await it")
        return self._waiter.result()

    def exception(self) -> BaseException | None:
        """Return what kept the record from being written; None where it is written.

        Raises:
            asyncio.InvalidStateError: it is not known yet.
        """
        if self._waiter is None:
            raise asyncio.InvalidStateError(f"no report was asked for of this record for {self._topic}: await it")
        return self._waiter.exception()

    def add_done_callback(self, callback: SentCallback) -> None:
        """Call `callback` with this once the record's fate is known; also where it could not be written."""
        if self._waiter is None:
            raise asyncio.InvalidStateError(f"no report was asked for of this record for {self._topic}: use callback=")
        self._waiter.add_done_callback(lambda _: self._call(callback))

    def _call(self, callback: SentCallback) -> None:
        try:
            result = callback(self)
        except Exception:
            log.exception("the callback of a record for %s raised", self._topic)
            return
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            _running.add(task)
            task.add_done_callback(self._called)

    def _called(self, task: asyncio.Future[Any]) -> None:
        _running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the callback of a record for %s raised", self._topic, exc_info=error)

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        if self._waiter is not None:
            if self._attached_to is not None and not self._waiter.done():
                claim, offset = self._attached_to
                if current_claim.get() is claim and (claim.held or claim.offset == offset):
                    raise RuntimeError(
                        f"a record for {self._topic} is sent when its event is done: waiting for it inside of it "
                        "would never end.  Send it with force=True, or without stream_publish_on_commit"
                    )
            return (yield from asyncio.shield(self._waiter).__await__())
        # `report=False` was asked for.
        yield from self.producer.flush().__await__()
        return RecordMetadata(self._topic, -1 if self.partition is None else self.partition, -1, -1)

    def __repr__(self) -> str:
        return f"<SentRecord: {self._topic}{'' if self.done() else ' pending'}>"
