"""Reading a channel: its values in the shape of batches, and the queue of one reader."""

from __future__ import annotations

from typing import Any, Protocol, cast

from faust_core.claims import Claim
from faust_core.codecs import encoder_of
from faust_core.engine.subscription import Subscription
from faust_core.local import LocalTask
from faust_core.records import ConsumerRecord, Headers, TopicPartition
from faust_core.registry import codec as find_codec

__all__ = ["ChannelItem", "ChannelReader", "NoTask"]


class ReadChannel(Protocol):
    """What a reader knows of its channel."""

    tp: TopicPartition

    def has_room(self) -> None:
        """A reader took a value, or is gone."""
        ...


class ChannelItem:
    """One value in the shape of a batch of records."""

    __slots__ = ("_headers", "keys", "next_offset", "offsets", "timestamps_ms", "tp", "values")

    def __init__(
        self, tp: TopicPartition, offset: int, key: Any, value: Any, timestamp_ms: int, headers: Headers
    ) -> None:
        self.tp = tp
        self.offsets = (offset,)
        self.next_offset = offset + 1
        self.keys = (key,)
        self.values = (value,)
        self.timestamps_ms = (timestamp_ms,)
        self._headers = headers

    def headers(self, _index: int, /) -> Headers:
        return self._headers

    def record(self, _index: int, /) -> ConsumerRecord:
        """Return it as bytes: for those who write it down, such as the dead-letter topic."""
        key, value = as_bytes(self.keys[0]), as_bytes(self.values[0])
        return ConsumerRecord(*self.tp, self.offsets[0], self.timestamps_ms[0], key, value, self._headers)

    def __len__(self) -> int:
        return 1


class NoTask(LocalTask):
    """What the values of a channel belong to: no partition, and so no table."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.attached = None
        self._name = name

    def describe_missing_table(self, name: str) -> str:
        return (
            f"table {name!r} cannot be changed by what reads {self._name}: the values of a channel have no partition. "
            "Send them to a topic's agent instead, or group_by first"
        )


class ChannelReader(Subscription):
    """What one stream, shared by its actors, has yet to read of a channel."""

    def __init__(self, channel: ReadChannel, owner: str, *, actors: int) -> None:
        super().__init__(
            cast("Any", channel),
            owner,
            actors=actors,
            on_drained=lambda _tp: None,
            on_idle=lambda: None,
            on_undecodable=_raise,
        )
        self._channel = channel
        self._tp = channel.tp
        self.add(channel.tp, cast("Any", NoTask(str(channel))), 0)

    @property
    def waiting(self) -> int:
        """How many values have not been handed out."""
        return self._queues[self._tp].queued

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on."""
        return self.closed or not (self.waiting or any(c.actor not in self.waiters for c in self.claims()))

    def take_over(self, other: ChannelReader) -> None:
        """Take what the other one has not handed out."""
        theirs = other._queues[self._tp]
        batches = [batch for batch, _, _ in theirs.redo] + list(theirs.batches)
        theirs.clear(theirs.position)
        for batch in batches:
            self.deliver(self._tp, batch)

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        claim = await super().claim(previous, deadline_s=deadline_s)
        self._channel.has_room()
        return claim

    def close(self) -> None:
        super().close()
        self._channel.has_room()


def as_bytes(value: Any) -> bytes | None:
    """Return a value as text in bytes: its JSON, or what `repr` says where there is none."""
    if value is None or isinstance(value, bytes):
        return value
    encode, errors = encoder_of(find_codec("json"))
    try:
        return encode(value)
    except errors:
        return repr(value).encode(errors="replace")


async def _raise(_claim: Claim, error: Exception) -> None:
    raise error
