"""One decoded record, made only where somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.messages import Message

if TYPE_CHECKING:
    from faust_core.topics import SentRecord, Topic

__all__ = ["Event", "Message", "current_event"]

K = TypeVar("K")
V = TypeVar("V")


class Event(Generic[K, V]):
    """One decoded record: `key` and `value` as the topic's types say, `message` with its place and bytes.

    Stays valid after the stream has gone on.
    """

    __slots__ = ("_claim", "_index", "value")

    value: V

    def __init__(self, claim: Claim, value: V) -> None:
        self._claim = claim
        self._index = claim.index
        self.value = value

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

    async def forward(
        self, channel: Topic[Any, Any] | str, *, key: Any = None, value: Any = None, headers: Any = None
    ) -> SentRecord:
        """Send this record on as it is: its own bytes and headers, unless a key, value or headers are given.

        Done before the event counts as done: a crash in between repeats the event, it never loses the copy.
        """
        batch = self._claim.batch
        topic = self._claim.topic.app.topic(channel) if isinstance(channel, str) else channel
        return await topic.send_bytes(
            key=batch.keys[self._index] if key is None else topic.encode_key(key),
            value=batch.values[self._index] if value is None else topic.encode_value(value),
            headers=batch.headers(self._index) if headers is None else headers,
        )

    async def send(self, channel: Topic[Any, Any] | str, *, key: Any = None, value: Any = None) -> SentRecord:
        """Send this event's key and value, encoded anew by the other topic's codecs."""
        topic = self._claim.topic.app.topic(channel) if isinstance(channel, str) else channel
        return await topic.send(
            key=self.key if key is None else key,
            value=self.value if value is None else value,
            headers=self._claim.batch.headers(self._index),
        )

    def __repr__(self) -> str:
        return f"<Event: {self._claim.tp} value={self.value!r}>"


def current_event() -> Event[Any, Any] | None:
    """Return the event whose body is running in this task, None outside of a stream."""
    claim = current_claim.get()
    if claim is None or claim.index >= claim.stop:
        return None
    return Event(claim, claim.topic.decode_value(claim.value_bytes, claim))
