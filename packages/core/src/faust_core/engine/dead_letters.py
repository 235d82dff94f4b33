"""Dead letters: where records go that could not be processed, with the reason."""

from __future__ import annotations

import logging
import traceback

from faust_core.errors import BufferFull, FaustError, TransportError
from faust_core.protocols.transport import Admin, Producer, TopicSpec
from faust_core.records import ConsumerRecord

__all__ = ["DeadLetterFailed", "DeadLetters", "UndecodableRecord"]

log = logging.getLogger(__name__)

#: A header is part of the record, and records have a limit.
MAX_TRACEBACK = 4_000


class DeadLetterFailed(FaustError):
    """A record could be neither processed nor put aside."""


class UndecodableRecord(TransportError):
    """A record cannot be decoded, and the policy is to stop there."""


class DeadLetters:
    """Writes a failed record, byte for byte, to the dead-letter topic.

    The headers are the record's own and `Faust-Error-Topic`, `-Partition`, `-Offset`, `-Timestamp` (epoch
    milliseconds), `-Agent`, `-Type`, `-Message`, `-Traceback`.  The write belongs to the event: it is
    flushed, and under exactly-once committed, with the event's offset.
    """

    def __init__(self, topic: str, admin: Admin, producer: Producer, *, replication_factor: int) -> None:
        self.topic = topic
        self._admin = admin
        self._producer = producer
        self._replication_factor = replication_factor
        self._declared = False
        self.written = 0

    async def write(self, record: ConsumerRecord, error: Exception, who: str) -> None:
        """Queue the dead letter.

        Raises:
            DeadLetterFailed: it cannot be written; the event is not done.
        """
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        log.error("%s failed on %s, which goes to %s: %r", who, place, self.topic, error, exc_info=error)
        detail = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
        headers = [
            *record.headers,
            ("Faust-Error-Topic", record.topic.encode()),
            ("Faust-Error-Partition", str(record.partition).encode()),
            ("Faust-Error-Offset", str(record.offset).encode()),
            ("Faust-Error-Timestamp", str(record.timestamp_ms).encode()),
            ("Faust-Error-Agent", who.encode()),
            ("Faust-Error-Type", type(error).__name__.encode()),
            ("Faust-Error-Message", str(error).encode(errors="replace")),
            ("Faust-Error-Traceback", detail.encode(errors="replace")),
        ]
        try:
            if not self._declared:
                await self._admin.create_topics([TopicSpec(self.topic, 1, self._replication_factor)])
                self._declared = True
            while True:
                try:
                    self._producer.send(self.topic, record.value, record.key, None, None, headers)
                except BufferFull:
                    await self._producer.drain()
                else:
                    break
        except TransportError as exc:
            raise DeadLetterFailed(
                f"{who} failed on {place} ({error!r}), and it cannot be written to {self.topic}: {exc}"
            ) from error
        self.written += 1
