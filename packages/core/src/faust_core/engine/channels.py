"""Channels: queues inside one process, which streams and agents read as they read topics.

A value is handed over as it is: nothing is encoded, stored or committed, and nothing outlives the process.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from faust_core.claims import Claim, ClaimSource
from faust_core.codecs import encoder_of
from faust_core.engine.subscription import Subscription
from faust_core.errors import ConfigError
from faust_core.events import Event, Message
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.local import LocalTask
from faust_core.records import ConsumerRecord, Headers, RecordMetadata, TopicPartition
from faust_core.registry import codec as find_codec
from faust_core.stream import Stream, StreamRuntime
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App

__all__ = ["Channel", "ChannelReader", "SentValue"]

K = TypeVar("K")
V = TypeVar("V")

_numbers = itertools.count(1)


class _Item:
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


class _NoTask(LocalTask):
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

    def __init__(self, channel: Channel[Any, Any], owner: str, *, actors: int) -> None:
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
        self.add(channel.tp, cast("Any", _NoTask(str(channel))), 0)

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


class _WhenNeeded:
    """The running application, which `group_by` and `through` need: a channel by itself can be read without."""

    def __init__(self, runtime: Callable[[], StreamRuntime]) -> None:
        self._runtime = runtime

    def subscribe(self, topic: Topic[Any, Any], owner: str, /) -> ClaimSource:
        return self._runtime().subscribe(topic, owner)

    async def repartition(
        self, parent: Stream[Any], key: Callable[[Any], Any] | None, topic: Topic[Any, Any], /
    ) -> ClaimSource:
        return await self._runtime().repartition(parent, key, topic)


class FromChannel:
    """A reader of its own, which gets what is put from now on."""

    def __init__(self, channel: Channel[Any, Any]) -> None:
        self.topic: Any = channel
        self.parent: Stream[Any] | None = None
        self._reader = channel.subscribe(f"stream of {channel}")

    @property
    def source(self) -> ClaimSource | None:
        return self._reader

    async def open(self, _runtime: StreamRuntime, _owner: str) -> ClaimSource:
        return self._reader

    def close(self) -> None:
        self._reader.close()


class SentValue:
    """What `await channel.send(…)` returns: awaiting it says where the value stands."""

    __slots__ = ("metadata",)

    def __init__(self, metadata: RecordMetadata) -> None:
        self.metadata = metadata

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        yield from ()
        return self.metadata


class Channel(Generic[K, V]):
    """A bounded queue in memory.  Each reader gets all that is put while it reads.

    A reader is a stream, an `async for`, an agent, or the channel's own `get()`.  While there is no reader at all,
    what is put waits for the first one.  `put` waits while the slowest reader has `maxsize` values before it.
    Used on one event loop.
    """

    #: as topics have them
    topics: tuple[str, ...] = ()
    pattern = None
    acks = False
    from_table = False
    in_memory = True
    processors: tuple[Callable[[Any], Any], ...] = ()
    decode_failures: tuple[type[Exception], ...] = ()
    value_serializer = None
    key_serializer = None

    def __init__(
        self,
        app: App,
        *,
        schema: Any = None,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        maxsize: int | None = None,
        runtime: Callable[[], StreamRuntime],
    ) -> None:
        """Args:
        schema, key_type, value_type: say what is in it; what is put is not checked or converted, what is
            `deliver`ed is decoded by them.
        maxsize: how many values a reader may be behind; the setting `stream_buffer_maxsize` where None.
        runtime: opens the topics of `group_by` and `through`.
        """
        if maxsize is not None and (isinstance(maxsize, bool) or maxsize < 1):
            raise ConfigError(f"channel: maxsize={maxsize!r} must be at least 1: nothing could ever be put")
        self.app = app
        self.schema = schema
        self.key_type = key_type
        self.value_type = value_type
        self.maxsize = maxsize or app.conf.stream_buffer_maxsize
        self._runtime = runtime
        self._name = f"channel-{next(_numbers)}"
        self.tp = TopicPartition(self._name, 0)
        self._readers: list[weakref.ref[ChannelReader]] = []
        self._offset = itertools.count()
        self._room: deque[asyncio.Future[None]] = deque()
        self._unread = ChannelReader(self, f"get() of {self}", actors=1)

    # -- values are what they are

    @staticmethod
    def raw_decode(data: Any) -> Any:
        return data

    def decode_key(self, data: Any, _claim: Claim, _index: int | None = None) -> Any:
        return data

    def decode_value(self, data: Any, _claim: Claim) -> Any:
        return data

    def encode_key(self, key: Any) -> Any:
        return key

    def encode_value(self, value: Any) -> Any:
        return value

    # -- putting

    async def put(self, value: V | Event[K, V], /) -> None:
        """Hand a value, or an event's key, value and headers, to every reader; wait while one of them is full."""
        if isinstance(value, Event):
            await self.send(key=value.key, value=value.value, headers=value.headers)
        else:
            await self.send(value=value)

    async def send(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        schema: Any = None,  # noqa: ARG002  nothing is encoded
        key_serializer: Any = None,  # noqa: ARG002
        value_serializer: Any = None,  # noqa: ARG002
        callback: Callable[[RecordMetadata], Any] | None = None,
        force: bool = False,  # noqa: ARG002  nothing is ever held back
        report: bool | None = None,  # noqa: ARG002  it costs nothing
    ) -> SentValue:
        """Hand a value with its key to every reader, under the names that `topic.send` has.

        The partition and the serializers have no meaning here.
        """
        while any(reader.waiting >= self.maxsize for reader in self._targets()):
            waiter = asyncio.get_running_loop().create_future()
            self._room.append(waiter)
            await waiter
        timestamp_ms = milliseconds(self.app.clock.time() if timestamp is None else timestamp, str(self))
        item = _Item(self.tp, next(self._offset), key, value, timestamp_ms, header_list(headers, str(self)) or ())
        for reader in self._targets():
            reader.deliver(self.tp, cast("Any", item))
        metadata = RecordMetadata(self._name, partition or 0, item.offsets[0], timestamp_ms)
        if callback is not None:
            callback(metadata)
        return SentValue(metadata)

    async def deliver(self, message: Message, /) -> None:
        """Decode a record's bytes as the channel's types say, and put them.

        Raises:
            DecodeError: they are not what the types say.
        """
        # A topic of these types knows how; it has no other use.
        topic: Topic[K, V] = Topic(
            self.app, self._name, schema=self.schema, key_type=self.key_type, value_type=self.value_type
        )
        record = ConsumerRecord(
            self._name, 0, message.offset, message.timestamp_ms, message.key, message.value, message.headers
        )
        batch: Any = _Item(self.tp, message.offset, message.key, message.value, message.timestamp_ms, message.headers)
        claim = Claim(batch, 0, 1, _NoTask(self._name), topic, self._unread)
        await self.send(
            key=topic.decode_key(record.key, claim),
            value=topic.decode_value(record.value, claim),
            headers=list(message.headers),
            timestamp=message.timestamp,
        )

    async def throw(self, error: BaseException, /) -> None:
        """Raise `error` in every reader, when it asks for its next value."""
        for reader in self._targets():
            reader.throw(error)

    def _targets(self) -> list[ChannelReader]:
        return list(self._living()) or [self._unread]

    def _living(self) -> Iterator[ChannelReader]:
        for ref in self._readers:
            reader = ref()
            if reader is not None and not reader.closed:
                yield reader

    def has_room(self) -> None:
        """A reader took a value, or is gone."""
        waiting, self._room = self._room, deque()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    # -- reading

    def subscribe(self, owner: str, *, actors: int = 1) -> ChannelReader:
        """Return a reader; it lasts as long as somebody holds it."""
        reader = ChannelReader(self, owner, actors=actors)
        if not self.subscriber_count:
            reader.take_over(self._unread)
        self._readers.append(weakref.ref(reader, self._reader_gone))
        return reader

    def _reader_gone(self, ref: weakref.ref[ChannelReader]) -> None:
        self._readers.remove(ref)
        self.has_room()

    @property
    def subscriber_count(self) -> int:
        """How many streams and agents read it at this moment."""
        return sum(1 for _ in self._living())

    async def get(self, *, timeout: float | None = None) -> Event[K, V]:
        """Take the next event: the channel as a plain queue.

        Args:
            timeout: seconds; for ever where None.

        Raises:
            TimeoutError: nothing was put in time.
            ConfigError: streams or agents read this channel: they get everything.
        """
        if self.subscriber_count:
            raise ConfigError(f"{self}: streams or agents read it, so there is nothing left for get()")
        deadline = None if timeout is None else self.app.clock.monotonic() + timeout
        claim = await self._unread.claim(None, deadline_s=deadline)
        if claim is None:
            raise TimeoutError(f"{self}: nothing was put within {timeout:g} s")
        event: Event[K, V] = Event(claim, cast("V", claim.batch.values[0]))
        claim.index = claim.stop
        self._unread.release(claim)
        return event

    def empty(self) -> bool:
        """Whether `get()` would wait."""
        return not self._unread.waiting

    def stream(self) -> Stream[V]:
        """Return a stream of the values that are put from now on."""
        return Stream(FromChannel(self), lambda: _WhenNeeded(self._runtime), owner=self._name)

    def __aiter__(self) -> AsyncIterator[Event[K, V]]:
        return aiter(self.stream().events())

    # -- as topics do

    @property
    def name(self) -> str:
        raise TypeError(f"{self} is in memory: it has no topic to send to from elsewhere")

    def get_topic_name(self) -> str:
        return self.name

    def clone(self) -> Channel[K, V]:
        """Return another channel with the same settings, and readers of its own."""
        clone: Channel[K, V] = self.derive()
        return clone

    def derive(self, **changes: Any) -> Any:
        """Return a channel with other settings; with `topics=` a topic, as `group_by` makes it.

        Raises:
            ConfigError: there is no such option.
        """
        options = {name: getattr(self, name) for name in ("schema", "key_type", "value_type")}
        if "topics" in changes:
            topics = changes.pop("topics")
            given = {name: value for name, value in changes.items() if value is not None}
            return Topic(self.app, *topics, **{**options, **given})
        unknown = changes.keys() - {*options, "maxsize"}
        if unknown:
            raise ConfigError(f"{self} cannot be derived: no option {', '.join(sorted(unknown))}")
        return Channel(self.app, runtime=self._runtime, **{**options, "maxsize": self.maxsize, **changes})

    def derive_topic(self, *, topics: tuple[str, ...], **changes: Any) -> Topic[Any, Any]:
        """Return topics with the types of this channel, but for `changes`."""
        topic: Topic[Any, Any] = self.derive(topics=topics, **changes)
        return topic

    async def declare(self) -> None:
        """Nothing is to be created."""

    async def maybe_declare(self) -> None:
        """Nothing is to be created."""

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<Channel: {self._name}>"


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
