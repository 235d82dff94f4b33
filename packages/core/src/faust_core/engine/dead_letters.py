"""Dead letters: where records go that could not be processed, with the reason."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from faust_core.errors import BufferFull, FaustError, RecordTooLarge, TransportError
from faust_core.protocols.transport import Admin, Producer, TopicSpec
from faust_core.records import ConsumerRecord, Headers

__all__ = ["DeadLetterFailed", "DeadLetters", "UndecodableRecord"]

log = logging.getLogger(__name__)

#: Characters of a message or traceback.  A header is part of the record, and records have a limit.
MAX_TEXT = 4_000


class DeadLetterFailed(FaustError):
    """A record could be neither processed nor put aside."""


class UndecodableRecord(TransportError):
    """A record cannot be decoded, and the policy is to stop there."""


class DeadLetters:
    """Writes a failed record, byte for byte, to the dead-letter topic.

    The headers are the record's own and `Faust-Error-Topic`, `-Partition`, `-Offset`, `-Timestamp` (epoch
    milliseconds), `-Agent`, `-Type`, `-Message`, `-Traceback`.  The write belongs to the event: it is
    flushed, and under exactly-once committed, with the event's offset.

    A record that would be too large with these headers goes without its value; `Faust-Error-Value-Dropped` is then
    the value's size.  What fails on the dead-letter topic itself is logged and skipped: it would fail for ever.
    """

    def __init__(
        self,
        topic: str,
        admin: Admin,
        producer: Producer,
        *,
        replication_factor: int,
        on_written: Callable[[str], None] = lambda _who: None,
    ) -> None:
        """Args:
        on_written: told of each, with who failed.
        """
        self._on_written = on_written
        self.topic = topic
        self._admin = admin
        self._producer = producer
        self._replication_factor = replication_factor
        self._declared = False
        self.written = 0

    def send_by(self, producer: Producer) -> None:
        """Write by another producer from now on."""
        self._producer = producer

    async def write(self, record: ConsumerRecord, error: Exception, who: str) -> None:
        """Queue the dead letter.

        Raises:
            DeadLetterFailed: it cannot be written; the event is not done.
        """
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        if record.topic == self.topic:
            log.error("%s failed on the dead letter %s, which is skipped: %r", who, place, error, exc_info=error)
            return
        log.error("%s failed on %s, which goes to %s: %r", who, place, self.topic, error, exc_info=error)
        detail = "".join(traceback.format_exception(error))[-MAX_TEXT:]
        headers = [
            *record.headers,
            ("Faust-Error-Topic", record.topic.encode()),
            ("Faust-Error-Partition", str(record.partition).encode()),
            ("Faust-Error-Offset", str(record.offset).encode()),
            ("Faust-Error-Timestamp", str(record.timestamp_ms).encode()),
            ("Faust-Error-Agent", who.encode()),
            ("Faust-Error-Type", type(error).__name__.encode()),
            ("Faust-Error-Message", str(error)[:MAX_TEXT].encode(errors="replace")),
            ("Faust-Error-Traceback", detail.encode(errors="replace")),
        ]
        try:
            if not self._declared:
                await self._admin.create_topics([TopicSpec(self.topic, 1, self._replication_factor)])
                self._declared = True
            try:
                await self._send(record.value, record.key, headers)
            except RecordTooLarge:
                # The record itself is where the headers say.
                dropped = ("Faust-Error-Value-Dropped", str(len(record.value or b"")).encode())
                await self._send(None, record.key, [*headers, dropped])
        except TransportError as exc:
            raise DeadLetterFailed(
                f"{who} failed on {place} ({error!r}), and it cannot be written to {self.topic}: {exc}"
            ) from error
        self.written += 1
        self._on_written(who)

    async def _send(self, value: bytes | None, key: bytes | None, headers: Headers) -> None:
        while True:
            try:
                self._producer.send(self.topic, value, key, None, None, headers)
            except BufferFull:
                await self._producer.drain()
            else:
                return
