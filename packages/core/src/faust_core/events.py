"""One decoded record, made only where somebody asks for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from faust_core._call_sites import result_is_discarded
from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.messages import Message
from faust_core.sent import SentCallback, SentRecord

if TYPE_CHECKING:
    from faust_core.agents import Agent
    from faust_core.headers import HeadersArg
    from faust_core.topics import Topic

__all__ = ["Event", "Message", "current_event"]

K = TypeVar("K")
V = TypeVar("V")

#: Stands for "as the record has it", where None would be a key or value.
UNCHANGED: Any = object()


class Event(Generic[K, V]):
    """One decoded record: `key` and `value` as the topic's types say, `message` with its place and bytes.

    Stays valid after the stream has gone on.  `async with event:` acknowledges it at the end of the block, if that
    did not raise.
    """

    __slots__ = ("_claim", "_index", "value")

    value: V

    def __init__(self, claim: Claim, value: V) -> None:
        self._claim = claim
        self._index = claim.index
        self.value = value

    @property
    def app(self) -> Any:
        """The application that reads it."""
        return self._claim.topic.app

    @property
    def message(self) -> Message:
        return Message(self._claim.batch.record(self._index))

    @property
    def key(self) -> K:
        key: K = self._claim.topic.decode_key(self._claim.batch.keys[self._index], self._claim, self._index)
        return key

    @property
    def headers(self) -> Mapping[str, bytes | None]:
        """The headers as a mapping; where a name repeats, the last one counts."""
        return dict(self._claim.batch.headers(self._index))

    @property
    def topic(self) -> Topic[K, V]:
        return cast("Topic[K, V]", self._claim.topic)

    # -- acknowledging

    def ack(self) -> bool:
        """Say that this event of a `noack()` stream is done.

        Returns whether it was open until now: False after a second call, where the partition has been taken away,
        and for events of other streams, which are done when the next one is asked for.
        """
        return self._claim.source.ack(self._claim, self._claim.batch.offsets[self._index])

    @property
    def acked(self) -> bool:
        """Whether the event is done, or no longer this worker's."""
        claim = self._claim
        if claim.source.is_open(claim, claim.batch.offsets[self._index]):
            return False
        return not claim.source.in_hand(claim, self._index)

    @property
    def failed(self) -> bool:
        """Whether its body raised; what becomes of it then is the error policy's matter."""
        return self._claim.failed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if exc is None:
            self.ack()

    # -- sending

    async def forward(
        self,
        channel: Topic[Any, Any] | Agent[Any] | str,
        key: Any = UNCHANGED,
        value: Any = UNCHANGED,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        *,
        callback: SentCallback | None = None,
        report: bool | None = None,
    ) -> SentRecord:
        """Send this record on as it is: its own bytes and headers, unless a key, value or headers are given.

        Done before the event counts as done: a crash in between repeats the event, it never loses the copy.
        """
        batch = self._claim.batch
        topic = self._topic(channel)
        if topic.in_memory:
            return await self.send(topic, key, value, partition, timestamp, headers, callback=callback)
        return await topic.send_bytes(
            key=topic.encode_key(batch.keys[self._index] if key is UNCHANGED else key),
            value=topic.encode_value(batch.values[self._index] if value is UNCHANGED else value),
            partition=partition,
            timestamp=timestamp,
            headers=batch.headers(self._index) if headers is None else headers,
            callback=callback,
            report=report if report is not None else not result_is_discarded(),
        )

    async def send(
        self,
        channel: Topic[Any, Any] | Agent[Any] | str,
        key: Any = UNCHANGED,
        value: Any = UNCHANGED,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        *,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: SentCallback | None = None,
        report: bool | None = None,
    ) -> SentRecord:
        """Send this event's key and value, or others, encoded anew by the other topic's codecs; headers go with it."""
        return await self._topic(channel).send(
            key=self.key if key is UNCHANGED else key,
            value=self.value if value is UNCHANGED else value,
            partition=partition,
            timestamp=timestamp,
            headers=self._claim.batch.headers(self._index) if headers is None else headers,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            callback=callback,
            report=report if report is not None else not result_is_discarded(),
        )

    def attach(
        self,
        channel: Topic[Any, Any] | Agent[Any] | str,
        key: Any = UNCHANGED,
        value: Any = UNCHANGED,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        *,
        callback: SentCallback | None = None,
    ) -> SentRecord:
        """Have a record sent when this event is done: with its offset, and under exactly-once in its transaction.

        Where the event's body raises nothing is sent.  What is left out is this event's own.  With the setting
        `stream_publish_on_commit` every `send` inside of a stream works like this.

        Raises:
            ConfigError: this event's offset is never committed, or the application is not started.
            EncodeError: the value, key, headers or timestamp cannot be written.
        """
        sent: SentRecord = self._topic(channel).attach(
            self._claim,
            self._claim.batch.offsets[self._index],
            key=self.key if key is UNCHANGED else key,
            value=self.value if value is UNCHANGED else value,
            partition=partition,
            timestamp=timestamp,
            headers=self._claim.batch.headers(self._index) if headers is None else headers,
            callback=callback,
        )
        return sent

    def _topic(self, channel: Topic[Any, Any] | Agent[Any] | str) -> Topic[Any, Any]:
        found: Any = self._claim.topic.app.channel_named(channel)
        topic: Topic[Any, Any] = getattr(found, "topic", found)
        return topic

    def __repr__(self) -> str:
        return f"<Event: {self._claim.tp} value={self.value!r}>"


def current_event() -> Event[Any, Any] | None:
    """Return the event whose body is running in this task, None outside of a stream."""
    claim = current_claim.get()
    if claim is None or claim.index >= claim.stop:
        return None
    return Event(claim, claim.topic.decode_value(claim.value_bytes, claim))
