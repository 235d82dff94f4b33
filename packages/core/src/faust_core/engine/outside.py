"""Under exactly-once: what is sent outside of events, which no rewind would send again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from faust_core.errors import BufferFull, RetriableTransportError
from faust_core.protocols.transport import OnDelivery
from faust_core.records import Headers, RecordMetadata

__all__ = ["OutsideRecords"]

log = logging.getLogger(__name__)

#: What one transaction may hold of them; more has to wait for the next.
MAX_RECORDS = 10_000
MAX_BYTES = 16 * 1_048_576
#: How often a record is sent that the broker refuses.  Each time its transaction is aborted with all that is in it.
MAX_REFUSALS = 3

Send = Callable[
    [str, bytes | None, bytes | None, int | None, int | None, Headers | None, OnDelivery | None],
    None,
]


@dataclass(slots=True, eq=False)
class _Record:
    """One of them, until it is committed.

    Attributes:
        attempt: in how many transactions it has been.
        refusals: how many of them failed because of it.
        refusal: why the present one did.
        told: `on_delivery` was called.
    """

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    timestamp_ms: int | None
    headers: Headers | None
    on_delivery: OnDelivery | None
    attempt: int = 0
    refusals: int = 0
    refusal: Exception | None = None
    told: bool = False

    @property
    def size(self) -> int:
        return len(self.value or b"") + len(self.key or b"")

    def send(self, send: Send) -> None:
        attempt = self.attempt

        def delivered(metadata: RecordMetadata | None, error: Exception | None) -> None:
            if attempt != self.attempt:
                return  # it was aborted meanwhile
            if error is None:
                self.tell(metadata, None)
            elif not isinstance(error, RetriableTransportError):
                self.refusal = error

        send(self.topic, self.value, self.key, self.partition, self.timestamp_ms, self.headers, delivered)

    def tell(self, metadata: RecordMetadata | None, error: Exception | None) -> None:
        if self.on_delivery is not None and not self.told:
            self.told = True
            self.on_delivery(metadata, error)


class OutsideRecords:
    """Sends records and keeps them until they are committed; those of an aborted transaction are sent again."""

    def __init__(self) -> None:
        self._records: list[_Record] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        return len(self._records) >= MAX_RECORDS or self._bytes >= MAX_BYTES

    def __len__(self) -> int:
        return len(self._records)

    def send(
        self,
        send: Send,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        timestamp_ms: int | None,
        headers: Headers | None,
        on_delivery: OnDelivery | None,
    ) -> None:
        """Send a record by `send`, and keep it.

        Raises:
            BufferFull: there are as many as one transaction may hold; or `send` says so.
        """
        if self.full:
            raise BufferFull(f"{len(self._records)} records were sent outside of events since the last commit")
        record = _Record(topic, value, key, partition, timestamp_ms, headers, on_delivery)
        record.send(send)
        self._records.append(record)
        self._bytes += record.size

    def committed(self) -> None:
        """What was sent so far is committed."""
        self._records = []
        self._bytes = 0

    def aborting(self) -> None:
        """The transaction is about to be aborted: what is reported from now on says nothing about the records."""
        kept: list[_Record] = []
        for record in self._records:
            record.attempt += 1
            if record.refusal is not None:
                record.refusals += 1
            if record.refusals < MAX_REFUSALS:
                record.refusal = None
                kept.append(record)
                continue
            log.error(
                "a record for %s that was sent outside of an event is lost: it was refused %d times: %s",
                record.topic, record.refusals, record.refusal,
            )  # fmt: skip
            record.tell(None, record.refusal)
        self._records = kept
        self._bytes = sum(record.size for record in kept)

    def unsent(self) -> list[Callable[[Send], None]]:
        """Return what sends each of them again, in order."""
        return [record.send for record in self._records]

    def report_lost(self) -> None:
        """The worker ends: say what has not been committed."""
        topics = Counter(record.topic for record in self._records)
        if topics:
            names = ", ".join(f"{count} for {topic}" for topic, count in topics.items())
            log.error("records that were sent outside of events are lost, their transaction is aborted: %s", names)
