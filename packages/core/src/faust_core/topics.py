"""A topic: its names on the broker, the codecs of its keys and values, and how it shall be created."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core.claims import Claim
from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import BufferFull, ConfigError, DecodeError, EncodeError, KeyDecodeError, ValueDecodeError
from faust_core.protocols.transport import Producer, TopicSpec
from faust_core.records import RecordMetadata
from faust_core.registry import codec as find_codec

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.stream import Stream, StreamRuntime

__all__ = ["HeadersArg", "SentRecord", "Topic", "TopicOptions"]

K = TypeVar("K")
V = TypeVar("V")

HeadersArg = Mapping[str, Any] | Sequence[tuple[str, Any]] | None


class TopicOptions(TypedDict, total=False):
    """What `app.topic` takes besides names and types."""

    key_serializer: str | None
    value_serializer: str | None
    partitions: int | None
    retention: float | dt.timedelta | None
    compacting: bool | None
    deleting: bool | None
    replicas: int | None
    internal: bool
    allow_empty: bool
    acks: bool
    config: Mapping[str, Any] | None


#: What `derive` takes over.
TOPIC_OPTIONS = (
    "key_type",
    "value_type",
    "key_serializer",
    "value_serializer",
    "partitions",
    "retention",
    "compacting",
    "deleting",
    "replicas",
    "internal",
    "allow_empty",
    "acks",
    "config",
)


def header_list(headers: HeadersArg) -> list[tuple[str, bytes | None]] | None:
    """Return headers as the broker takes them: text values become UTF-8."""
    if not headers:
        return None
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]


class SentRecord:
    """What `await topic.send(…)` returns: await it to wait until the broker has the record.

    The metadata is complete where delivery was to be reported (`callback=`, or `send(..., report=True)`);
    otherwise awaiting waits for delivery and says topic and partition as far as they are known, offset -1:
    a report per record costs more than the record.
    """

    __slots__ = ("_topic", "_waiter", "partition", "producer")

    def __init__(self, producer: Producer, topic: str, partition: int | None) -> None:
        self.producer = producer
        self.partition = partition
        self._topic = topic
        self._waiter: asyncio.Future[RecordMetadata] | None = None

    def expect(self, callback: Callable[[RecordMetadata], Any] | None) -> None:
        """Ask for a delivery report; `delivered` is then given to the producer."""
        self._waiter = asyncio.get_running_loop().create_future()
        # A report nobody waits for must not become a warning; the producer's flush raises the same error.
        self._waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        if callback is not None:
            self._waiter.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else callback(done.result()) and None
            )

    def delivered(self, metadata: RecordMetadata | None, error: Exception | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is not None:
            self._waiter.set_exception(error)
        elif metadata is not None:
            self._waiter.set_result(metadata)

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        if self._waiter is not None:
            return (yield from asyncio.shield(self._waiter).__await__())
        yield from self.producer.flush().__await__()
        return RecordMetadata(self._topic, -1 if self.partition is None else self.partition, -1, -1)


class Topic(Generic[K, V]):
    """A description of one or more topics of equal types.  Made by `app.topic`; holds no connection.

    Attributes:
        from_table: its records are a table's closed windows: there is nothing to read from the broker.
        processors: what each value goes through before a stream's own.
        sized_like: of its names, those that have as many partitions as a table.
        single_actor: it is read by one agent, with concurrency=1.
        derived: topics that reading it makes, each with what it is.
    """

    from_table = False
    single_actor = False
    derived: Mapping[str, str] = MappingProxyType({})
    sized_like: Mapping[str, Any] = MappingProxyType({})
    processors: tuple[Callable[[Any], Any], ...] = ()

    def __init__(
        self,
        app: App,
        *names: str,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        partitions: int | None = None,
        retention: float | dt.timedelta | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        replicas: int | None = None,
        internal: bool = False,
        allow_empty: bool = False,
        acks: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if not names:
            raise ConfigError("a topic needs a name: app.topic('orders')")
        for name in names:
            check_topic_name(name)
        self.app = app
        self.topics = names
        self.key_type = key_type
        self.value_type = value_type
        self.key_serializer = key_serializer or _own_serializer(key_type) or app.conf.key_serializer
        self.value_serializer = value_serializer or _own_serializer(value_type) or app.conf.value_serializer
        self.partitions = partitions
        self.retention = retention.total_seconds() if isinstance(retention, dt.timedelta) else retention
        self.compacting = compacting
        self.deleting = deleting
        self.replicas = replicas
        self.internal = internal
        self.allow_empty = allow_empty
        self.acks = acks
        self.config = dict(config or {})
        self._unreported: SentRecord | None = None
        key_codec = find_codec(self.key_serializer, key_type)
        value_codec = self._value_codec = find_codec(self.value_serializer, value_type)
        self.raw_key_decode, self.key_errors = decoder_of(key_codec)
        self.raw_decode, self.value_errors = decoder_of(value_codec)
        #: What can go wrong when `raw_decode` runs over a batch.
        self.decode_failures: tuple[type[Exception], ...] = (*self.value_errors, DecodeError)
        self._encode_key, self._key_encode_errors = encoder_of(key_codec)
        self._encode_value, self._value_encode_errors = encoder_of(value_codec)

    @property
    def name(self) -> str:
        return self.topics[0]

    def get_topic_name(self) -> str:
        """Return the name of a topic that has just one."""
        if len(self.topics) > 1:
            raise ValueError(f"this topic stands for several: {', '.join(self.topics)}")
        return self.topics[0]

    def on_open(self, runtime: StreamRuntime) -> None:
        """A worker is about to read it: say what that takes besides."""

    # -- codecs

    def encode_key(self, key: Any) -> bytes | None:
        if key is None or isinstance(key, bytes):
            return key
        try:
            return self._encode_key(key)
        except self._key_encode_errors as exc:
            raise EncodeError(f"cannot write the key {key!r} to {self.name} as {self.key_serializer}: {exc}") from exc

    def encode_value(self, value: Any) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        try:
            return self._encode_value(value)
        except self._value_encode_errors as exc:
            raise EncodeError(
                f"cannot write a {type(value).__name__} to {self.name} as {self.value_serializer}: {exc}"
            ) from exc

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any:
        if data is None:
            return None
        try:
            return self.raw_key_decode(data)
        except self.key_errors as exc:
            raise self._error(KeyDecodeError, exc, claim, claim.index if index is None else index) from exc

    def decode_value(self, data: bytes | None, claim: Claim) -> Any:
        """Decode the value of the item in hand.

        Raises:
            ValueDecodeError: it is not what `value_type` says; names topic, partition, offset and field.
        """
        if data is None:
            if self.value_type is None or self.allow_empty:
                return None
            raise self._error(
                ValueDecodeError,
                f"it is null and {self.value_type} cannot be (allow_empty=True lets it through)",
                claim,
            )
        try:
            return self._value_codec.decode(data)
        except self.decode_failures as exc:
            raise self._error(ValueDecodeError, exc, claim) from exc

    def _error(self, kind: type[Any], reason: object, claim: Claim, index: int | None = None) -> Any:
        tp = claim.tp
        offset = claim.batch.offsets[claim.index if index is None else index]
        return kind(str(reason), topic=tp.topic, partition=tp.partition, offset=offset)

    # -- sending

    async def send(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        callback: Callable[[RecordMetadata], Any] | None = None,
        report: bool = False,
    ) -> SentRecord:
        """Queue a record; await the result too to wait until the broker has it.

        Inside a stream the record belongs to the event: it is written before the event counts as done, and
        under exactly-once in the event's transaction.

        Args:
            timestamp: epoch seconds; the time of sending where None.
            callback: called with the record's place once it is written.
            report: the awaited result shall know the offset.

        Raises:
            EncodeError: the value or key cannot be written by this topic's codec.
            RecordTooLarge: over the limit `producer_max_request_size`.
        """
        producer = self.app.active_producer or await self.app.maybe_start_producer()
        try:
            value_bytes = value if value is None or type(value) is bytes else self._encode_value(value)
        except self._value_encode_errors:
            value_bytes = self.encode_value(value)  # says what was wrong
        key_bytes = key if key is None or type(key) is bytes else self.encode_key(key)
        topic = self.topics[0]
        on_delivery = None
        if report or callback is not None:
            sent = SentRecord(producer, topic, partition)
            sent.expect(callback)
            on_delivery = sent.delivered
        else:
            # One for all: without a report they differ in nothing but the partition asked for.
            last = self._unreported
            if last is None or last.producer is not producer or last.partition != partition:
                last = self._unreported = SentRecord(producer, topic, partition)
            sent = last
        timestamp_ms = None if timestamp is None else int(timestamp * 1000)
        header_pairs = header_list(headers) if headers else None
        while True:
            try:
                producer.send(topic, value_bytes, key_bytes, partition, timestamp_ms, header_pairs, on_delivery)
            except BufferFull:
                await producer.drain()
            else:
                return sent

    async def send_bytes(
        self, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: HeadersArg = None
    ) -> SentRecord:
        """Queue a record that is encoded already; unlike `send`, leaves nothing to the codecs."""
        return await Topic.send(self, key=key, value=value, partition=partition, headers=headers)

    def send_soon(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        callback: Callable[[RecordMetadata], Any] | None = None,
    ) -> SentRecord:
        """Like `send`, for code that cannot await.

        Raises:
            BufferFull: the producer's queue is full; use `await send(…)`, which waits for room.
            ConfigError: the application is not started.
        """
        producer = self.app.active_producer
        if producer is None:
            raise ConfigError(f"send_soon to {self.name}: the application is not started; use `await topic.send(…)`")
        sent = SentRecord(producer, self.name, partition)
        if callback is not None:
            sent.expect(callback)
        producer.send(
            self.name,
            self.encode_value(value),
            self.encode_key(key),
            partition,
            None if timestamp is None else int(timestamp * 1000),
            header_list(headers),
            sent.delivered if callback is not None else None,
        )
        return sent

    # -- reading

    def stream(self) -> Stream[V]:
        """Return a stream of this topic's values; iterate it inside a task of the running application."""
        stream: Stream[V] = self.app.stream(self)
        return stream

    def __aiter__(self) -> AsyncIterator[Any]:
        return aiter(self.stream().events())

    # -- creating

    def spec(self, name: str, partitions: int) -> TopicSpec:
        """Describe one of the topics as it shall be created."""
        config = {key: str(value) for key, value in self.config.items()}
        policies = [word for word, on in (("compact", self.compacting), ("delete", self.deleting)) if on]
        if policies:
            config.setdefault("cleanup.policy", ",".join(policies))
        if self.retention is not None:
            config.setdefault("retention.ms", str(int(self.retention * 1000)))
        return TopicSpec(name, partitions, self.replicas or self.app.conf.topic_replication_factor, config)

    async def declare(self) -> None:
        """Create the topics that do not exist."""
        count = self.partitions or self.app.conf.topic_partitions
        await self.app.create_topics([self.spec(name, count) for name in self.topics])

    async def maybe_declare(self) -> None:
        await self.declare()

    def derive(self, **changes: Any) -> Topic[Any, Any]:
        """Return the same topic with other types or settings."""
        options: dict[str, Any] = {name: getattr(self, name) for name in TOPIC_OPTIONS}
        names = changes.pop("topics", self.topics)
        for name in ("key", "value"):
            if f"{name}_type" in changes and f"{name}_serializer" not in changes:
                options[f"{name}_serializer"] = None
        return Topic(self.app, *names, **{**options, **changes})

    def derive_topic(self, *, prefix: str = "", suffix: str = "", **changes: Any) -> Topic[Any, Any]:
        return self.derive(topics=tuple(f"{prefix}{name}{suffix}" for name in self.topics), **changes)

    def __str__(self) -> str:
        return ",".join(self.topics)

    def __repr__(self) -> str:
        return f"<Topic: {self}>"


def _own_serializer(value_type: Any) -> str | None:
    """Return the codec that a type names for itself; bytes are written as they are."""
    if value_type is bytes:
        return "raw"
    return getattr(value_type, "__faust_serializer__", None)


def check_topic_name(name: str) -> None:
    """Raise where Kafka would refuse the name, with the reason it does not give."""
    if not isinstance(name, str):
        raise ConfigError(f"a topic's name is text, not {name!r}")
    allowed = all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    if not name or len(name) > 249 or name in {".", ".."} or not allowed:
        raise ConfigError(f"topic name {name!r}: 1 to 249 letters, digits, '.', '_' or '-'")
