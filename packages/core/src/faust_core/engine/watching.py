"""Telling sensors of each record, event, send and look into a table: only where a sensor has a hook for it.

Nothing of this is in the way of an application without such sensors: the engine asks once per batch, or is given
another producer or another kind of overlay when it starts.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.errors import BufferFull
from faust_core.events import Event
from faust_core.messages import Message
from faust_core.protocols.transport import OnDelivery, Producer, Refusing
from faust_core.records import Headers, RecordBatch, RecordMetadata, TopicPartition
from faust_core.sensors import SensorDelegate

if TYPE_CHECKING:
    from faust_core.stream import Stream

__all__ = [
    "EVENTS",
    "RECORDS",
    "SENDS",
    "TABLES",
    "MessageWatch",
    "OutgoingMessage",
    "StreamWatch",
    "WatchedProducer",
]

EVENTS = ("on_stream_event_in", "on_stream_event_out")
RECORDS = ("on_message_in", "on_message_out")
SENDS = ("on_send_initiated", "on_send_completed", "on_send_error")
TABLES = ("on_table_get", "on_table_set", "on_table_del")

#: Sends whose producer was full, and that are tried again.
MAX_REFUSED = 10_000


class MessageWatch:
    """Tells of records: when they come, and when all streams are through with them."""

    def __init__(self, sensors: SensorDelegate, done: Callable[[TopicPartition], int | None]) -> None:
        """Args:
        done: the offset below which all streams are done with a partition; None where nobody reads it.
        """
        self._sensors = sensors
        self._done = done
        self._open: dict[TopicPartition, deque[tuple[int, Message]]] = {}

    def came(self, batch: RecordBatch) -> None:
        waiting = self._open.setdefault(batch.tp, deque())
        # What is read again after a rewind was told of already.
        told = waiting[-1][0] if waiting else -1
        for index, offset in enumerate(batch.offsets):
            if offset > told:
                message = Message(batch.record(index))
                waiting.append((offset, message))
                self._sensors.tell("on_message_in", batch.tp, offset, message)

    def look(self, tp: TopicPartition) -> None:
        """Some records may be done."""
        waiting = self._open.get(tp)
        done = self._done(tp) if waiting else None
        while waiting and done is not None and waiting[0][0] < done:
            offset, message = waiting.popleft()
            self._sensors.tell("on_message_out", tp, offset, message)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are another worker's."""
        for tp in partitions:
            self._open.pop(tp, None)


class StreamWatch:
    """Tells of the events of one subscription."""

    def __init__(self, sensors: SensorDelegate, messages: MessageWatch | None) -> None:
        self._sensors = sensors
        self._messages = messages
        #: by claim: index, its stream, event, and what the sensors said of it
        self._open: dict[Claim, list[tuple[int, Any, Event[Any, Any], Any]]] = {}

    def look_at_sensors(self, messages: MessageWatch | None) -> None:
        """Sensors were added or removed; what is open stays so, for those who were told of it."""
        self._messages = messages

    def before(self, stream: Stream[Any]) -> tuple[Callable[[Any], Any], ...]:
        """Return a stream's operators with what tells of each event in front of them."""
        if not self._sensors.watches(*EVENTS):
            return stream.processors

        def began(value: Any) -> Any:
            claim = current_claim.get()
            assert claim is not None, "inside an iteration"
            if not claim.held:
                self._close(claim, claim.index)
            event: Event[Any, Any] = Event(claim, value)
            state = self._sensors.begin("on_stream_event_in", claim.tp, claim.offset, stream, event)
            self._open.setdefault(claim, []).append((claim.index, stream, event, state))
            return value

        return (began, *stream.processors)

    def released(self, claim: Claim) -> None:
        """An actor gave a claim back."""
        self._close(claim, None)
        if self._messages is not None:
            self._messages.look(claim.tp)

    def _close(self, claim: Claim, before: int | None) -> None:
        events = self._open.get(claim)
        if events is None:
            return
        ended = [one for one in events if before is None or one[0] < before]
        left = [one for one in events if before is not None and one[0] >= before]
        if left:
            self._open[claim] = left
        else:
            del self._open[claim]
        for index, stream, event, state in ended:
            offset = claim.batch.offsets[index]
            self._sensors.end("on_stream_event_out", state, (claim.tp, offset, stream, event))


class OutgoingMessage:
    """A record on its way out.  Sensors may add to `headers`, a list of pairs of text and bytes."""

    __slots__ = ("headers", "key", "partition", "timestamp", "topic", "value")

    def __init__(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        timestamp_ms: int | None,
        headers: Headers | None,
    ) -> None:
        self.topic = topic
        self.value = value
        self.key = key
        self.partition = partition
        self.timestamp = None if timestamp_ms is None else timestamp_ms / 1000
        self.headers: list[tuple[str, bytes | None]] = list(headers or ())


class WatchedProducer:
    """A `Producer` that tells sensors of each record, and gives it the headers of the trace that it belongs to."""

    def __init__(
        self,
        inner: Producer,
        sensors: SensorDelegate,
        carried: Callable[[Headers | None], Headers | None],
    ) -> None:
        """Args:
        carried: returns headers with those of the current trace.
        """
        self._inner = inner
        self._sensors = sensors
        self._carried = carried
        #: told of, and not taken: the producer was full.  They come again.
        self._refused: dict[tuple[str, int, int], tuple[OutgoingMessage, Any]] = {}

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        headers = self._carried(headers)
        sensors = self._sensors
        if not sensors.watches(*SENDS):
            self._inner.send(topic, value, key, partition, timestamp_ms, headers, on_delivery)
            return
        at = (topic, id(value), id(key))
        known = self._refused.pop(at, None)
        if known is None or known[0].value is not value or known[0].key is not key:
            message = OutgoingMessage(topic, value, key, partition, timestamp_ms, headers)
            state = sensors.begin("on_send_initiated", self, topic, message, len(key or b""), len(value or b""))
        else:
            message, state = known
        report: OnDelivery | None = on_delivery
        if sensors.watches("on_send_completed", "on_send_error"):
            report = functools.partial(self._delivered, state, on_delivery)
        try:
            self._inner.send(topic, value, key, partition, timestamp_ms, message.headers or None, report)
        except BufferFull:
            if len(self._refused) < MAX_REFUSED:
                self._refused[at] = (message, state)
            raise
        except Exception as exc:
            sensors.end("on_send_error", state, (self, exc))
            raise

    def _delivered(
        self,
        state: Any,
        on_delivery: OnDelivery | None,
        metadata: RecordMetadata | None,
        error: Exception | None,
    ) -> None:
        if error is not None:
            self._sensors.end("on_send_error", state, (self, error))
        else:
            self._sensors.end("on_send_completed", state, (self,), (metadata,))
        if on_delivery is not None:
            on_delivery(metadata, error)

    def refuse(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None, headers: Headers | None, /
    ) -> None:
        if isinstance(self._inner, Refusing):
            self._inner.refuse(topic, value, key, partition, headers)

    async def drain(self) -> None:
        await self._inner.drain()

    async def flush(self) -> None:
        await self._inner.flush()

    async def aclose(self) -> None:
        await self._inner.aclose()


if TYPE_CHECKING:
    _: type[Producer] = WatchedProducer
    __: type[Refusing] = WatchedProducer
