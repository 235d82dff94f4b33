"""Channels: queues inside one process, which streams and agents read as they read topics.

A value is handed over as it is: nothing is encoded, stored or committed, and nothing outlives the process.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from faust_core.claims import Claim, ClaimSource
from faust_core.engine.channel_readers import ChannelItem, ChannelReader, NoTask
from faust_core.errors import ConfigError
from faust_core.events import Event, Message
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.joins import TwoStreams
from faust_core.pointers import pointing
from faust_core.records import RecordMetadata, TopicPartition
from faust_core.stream import Stream, StreamRuntime
from faust_core.tables import Table
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App

__all__ = ["Channel", "ChannelReader", "SentValue"]

K = TypeVar("K")
V = TypeVar("V")

_numbers = itertools.count(1)


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

    async def join(self, two: TwoStreams, /) -> ClaimSource:
        return await self._runtime().join(two)

    def keep(self, state: Table[Any, Any], /) -> None:
        self._runtime().keep(state)

    def forward(self, topic: Topic[Any, Any], owner: str, /) -> None:
        self._runtime().forward(topic, owner)

    def together(self, who: str, sides: Sequence[Sequence[str]], tables: Sequence[str], /) -> None:
        self._runtime().together(who, sides, tables)


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


@pointing("Channel")
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
    by_record = False
    fetching: tuple[Any, ...] = ()
    single_actor = False
    derived: Mapping[str, str] = MappingProxyType({})
    sized_like: Mapping[str, Any] = MappingProxyType({})
    processors: tuple[Callable[[Any], Any], ...] = ()
    decode_failures: tuple[type[Exception], ...] = ()
    value_serializer = None
    key_serializer = None

    def on_open(self, runtime: Any) -> None:
        """A worker is about to read it: that takes nothing besides."""

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
        item = ChannelItem(self.tp, next(self._offset), key, value, timestamp_ms, header_list(headers, str(self)) or ())
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
        batch: Any = ChannelItem(
            self.tp, message.offset, message.key, message.value, message.timestamp_ms, message.headers
        )
        claim = Claim(batch, 0, 1, NoTask(self._name), topic, self._unread)
        await self.send(
            key=topic.decode_key(message.key, claim),
            value=topic.decode_value(message.value, claim),
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
