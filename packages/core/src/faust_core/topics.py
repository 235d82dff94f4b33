"""A topic: its names on the broker, the codecs of its keys and values, and how it shall be created."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core._call_sites import LastSite, result_is_discarded
from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import (
    BufferFull,
    ConfigError,
    DecodeError,
    EncodeError,
    KeyDecodeError,
    RecordTooLarge,
    ValueDecodeError,
)
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.protocols.transport import Producer, Refusing, TopicSpec
from faust_core.registry import codec as find_codec
from faust_core.sent import SentCallback, SentRecord

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.events import Message
    from faust_core.stream import Stream, StreamRuntime

__all__ = ["HeadersArg", "SentRecord", "Topic", "TopicOptions"]

K = TypeVar("K")
V = TypeVar("V")


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
    pattern: str | re.Pattern[str] | None
    schema: Any
    maxsize: int | None
    has_prefix: bool


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
    "maxsize",
    "has_prefix",
)


class Topic(Generic[K, V]):
    """A description of one or more topics of equal types.  Made by `app.topic`; holds no connection.

    Attributes:
        from_table: its records are a table's closed windows: there is nothing to read from the broker.
        in_memory: it is a channel, whose values have no bytes.
        processors: what each value goes through before a stream's own.
        sized_like: of its names, those that have as many partitions as a table.
        single_actor: it is read by one agent, with concurrency=1.
        derived: topics that reading it makes, each with what it is.
    """

    from_table = False
    single_actor = False
    derived: Mapping[str, str] = MappingProxyType({})
    sized_like: Mapping[str, Any] = MappingProxyType({})
    in_memory = False
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
        pattern: str | re.Pattern[str] | None = None,
        schema: Any = None,
        maxsize: int | None = None,
        has_prefix: bool = False,
    ) -> None:
        self.pattern = _compiled(pattern)
        if names and self.pattern is not None:
            raise ConfigError(f"a topic has names or a pattern, not both: {', '.join(names)} and {pattern!r}")
        if not names and self.pattern is None:
            raise ConfigError("a topic needs a name or a pattern: app.topic('orders')")
        for name in names:
            check_topic_name(name)
        for option, number in (("maxsize", maxsize), ("partitions", partitions), ("replicas", replicas)):
            if number is not None and (isinstance(number, bool) or number != int(number) or number < 1):
                raise ConfigError(f"topic {', '.join(names) or pattern}: {option}={number!r} is no number above zero")
        if schema is not None:
            schema = schema() if isinstance(schema, type) else schema
            key_type = key_type or getattr(schema, "key_type", None)
            value_type = value_type or getattr(schema, "value_type", None)
            key_serializer = key_serializer or getattr(schema, "key_serializer", None)
            value_serializer = value_serializer or getattr(schema, "value_serializer", None)
            allow_empty = allow_empty or bool(getattr(schema, "allow_empty", False))
        self.app = app
        #: the names; of a pattern those that match at this moment, once the application runs
        self.topics = names
        self.schema = schema
        self.maxsize = maxsize
        self.has_prefix = has_prefix
        self.key_type = key_type
        self.value_type = value_type
        self.key_serializer = key_serializer or _own_serializer(key_type) or app.conf.key_serializer
        self.value_serializer = value_serializer or _own_serializer(value_type) or app.conf.value_serializer
        self.partitions = partitions
        self.retention = retention.total_seconds() if isinstance(retention, dt.timedelta) else retention
        if self.retention is not None and self.retention < 0 and self.retention != -1:
            raise ConfigError(f"topic {self}: retention={retention!r} is no time: seconds, a timedelta, or -1 for ever")
        self.compacting = compacting
        self.deleting = deleting
        self.replicas = replicas
        self.internal = internal
        self.allow_empty = allow_empty
        self.acks = acks
        self.config = dict(config or {})
        self._unreported: SentRecord | None = None
        self._last_site = LastSite()
        self._variants: dict[tuple[str | None, str | None], Topic[Any, Any]] = {}
        self._on_commit = app.conf.stream_publish_on_commit
        self._unusual = self._on_commit or self.pattern is not None
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
        """The name that is sent to: the first one.

        Raises:
            TypeError: it is a pattern.
        """
        if self.pattern is not None:
            raise TypeError(f"the pattern {self.pattern.pattern!r} stands for no single topic: it can only be read")
        return self.topics[0]

    def get_topic_name(self) -> str:
        """Return the name of a topic that has just one.

        Raises:
            TypeError: it is a pattern.
            ValueError: it has several names.
        """
        if len(self.topics) > 1 and self.pattern is None:
            raise ValueError(f"this topic stands for several: {', '.join(self.topics)}")
        return self.name

    # -- records that cannot be decoded

    async def on_key_decode_error(self, error: DecodeError, message: Message) -> Any:
        """Deal with a record whose key cannot be decoded; replace it on the topic.  See `on_decode_error`."""
        return await _result(self.on_decode_error(error, message))

    async def on_value_decode_error(self, error: DecodeError, message: Message) -> Any:
        """Deal with a record whose value cannot be decoded; replace it on the topic.  See `on_decode_error`."""
        return await _result(self.on_decode_error(error, message))

    async def on_decode_error(self, _error: DecodeError, _message: Message) -> Any:
        """Deal with a record that cannot be decoded; replace it on the topic, by a plain or async function.

        What it raises is raised in the agent.  Otherwise the record is done, unless it returns False, as this one
        does: then the setting `on_decode_error` decides.
        """
        return False

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
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: SentCallback | None = None,
        force: bool = False,
        report: bool | None = None,
    ) -> SentRecord:
        """Queue a record; await the result too to wait until the broker has it, and learn its offset.

        Inside a stream the record belongs to the event: it is written before the event counts as done, and
        under exactly-once in the event's transaction.

        Args:
            partition: its number; where None the key's hash says, and without a key any.
            timestamp: epoch seconds, or a datetime with a time zone; the time of sending where None.
            headers: by name; text or bytes.
            schema, key_serializer, value_serializer: for this record, instead of the topic's.
            callback: called with what this returns once the record is written; may be async.
            force: send it now although the setting `stream_publish_on_commit` is on.
            report: whether the result, when awaited, knows the offset; where None, unless it is dropped at once.

        Raises:
            EncodeError: the value, key, headers or timestamp cannot be written.
            RecordTooLarge: over the limit `producer_max_request_size`.
        """
        if key_serializer or value_serializer or schema is not None:
            return await self._with_codecs(schema, key_serializer, value_serializer).send(
                key=key,
                value=value,
                partition=partition,
                timestamp=timestamp,
                headers=headers,
                callback=callback,
                force=force,
                report=report if report is not None else not result_is_discarded(),
            )
        producer = self.app.active_producer or await self.app.maybe_start_producer()
        try:
            value_bytes = value if value is None or type(value) is bytes else self._encode_value(value)
        except self._value_encode_errors:
            value_bytes = self.encode_value(value)  # says what was wrong
        key_bytes = key if key is None or type(key) is bytes else self.encode_key(key)
        topic = self.topics[0] if self.topics else ""
        if self._unusual:
            topic = self.name
            claim = None if force else current_claim.get()
            if self._on_commit and claim is not None and claim.index < claim.stop:
                attached = self._attached(
                    claim, claim.offset, producer, value_bytes, key_bytes, partition, timestamp, headers, callback
                )
                if attached is not None:
                    return attached
        on_delivery = None
        if report is None and callback is None:
            frame = sys._getframe(1)  # noqa: SLF001  see `_call_sites`
            site = self._last_site
            report = (frame.f_lasti != site.at or frame.f_code is not site.code) and not site.drops(frame)
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
        timestamp_ms = None if timestamp is None else milliseconds(timestamp, topic)
        header_pairs = header_list(headers, topic) if headers else None
        while True:
            try:
                producer.send(topic, value_bytes, key_bytes, partition, timestamp_ms, header_pairs, on_delivery)
            except BufferFull:
                await producer.drain()
            else:
                return sent

    def attach(
        self,
        claim: Claim,
        offset: int,
        *,
        key: Any,
        value: Any,
        partition: int | None,
        timestamp: float | dt.datetime | None,
        headers: HeadersArg,
        callback: SentCallback | None,
    ) -> SentRecord:
        """Have a record sent when the offset of an event is committed.  See `Event.attach`."""
        producer = self.app.active_producer
        value_bytes, key_bytes = self.encode_value(value), self.encode_key(key)
        sent = producer and self._attached(
            claim, offset, producer, value_bytes, key_bytes, partition, timestamp, headers, callback
        )
        if not sent:
            raise ConfigError(
                f"a record for {self.name} cannot be attached to this event: its offset is never committed by this "
                "worker (it is a value of an iterable, or its partition was taken away)"
            )
        return sent

    def _attached(
        self,
        claim: Claim,
        offset: int,
        producer: Producer,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        timestamp: float | dt.datetime | None,
        headers: HeadersArg,
        callback: SentCallback | None,
    ) -> SentRecord | None:
        """Have a record sent when the offset of an event is committed; None where none ever is."""
        name = self.name
        sent = SentRecord(producer, name, partition, (claim, offset))
        timestamp_ms = None if timestamp is None else milliseconds(timestamp, name)
        pairs = header_list(headers, name)
        # At the checkpoint no event could be blamed any more.
        size = len(value or b"") + len(key or b"") + sum(len(n) + len(v or b"") for n, v in pairs or ())
        limit = self.app.conf.producer_max_request_size
        if size > limit:
            raise RecordTooLarge(f"a record of {size} bytes for {name} is over the limit of {limit}")
        if isinstance(producer, Refusing):
            producer.refuse(name, value, key, partition, pairs)
        report = sent.delivered
        if not claim.attach(
            offset, lambda producer: producer.send(name, value, key, partition, timestamp_ms, pairs, report)
        ):
            return None
        sent.expect(callback)
        return sent

    async def send_bytes(
        self,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        callback: SentCallback | None = None,
        report: bool | None = None,
    ) -> SentRecord:
        """Queue a record that is encoded already; unlike `send`, leaves nothing to the codecs."""
        return await Topic.send(
            self,
            key=key,
            value=value,
            partition=partition,
            timestamp=timestamp,
            headers=headers,
            callback=callback,
            report=report if report is not None else not result_is_discarded(),
        )

    def send_soon(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: SentCallback | None = None,
        force: bool = False,
    ) -> SentRecord:
        """Like `send`, for code that cannot await.  The result knows the offset only where there is a `callback`.

        Raises:
            BufferFull: the producer's queue is full; use `await send(…)`, which waits for room.
            ConfigError: the application is not started.
        """
        producer = self.app.active_producer
        if producer is None:
            raise ConfigError(f"send_soon to {self.name}: the application is not started; use `await topic.send(…)`")
        codecs = self._with_codecs(schema, key_serializer, value_serializer)
        data, key_bytes = codecs.encode_value(value), codecs.encode_key(key)
        if self._on_commit and not force and (claim := current_claim.get()) is not None and claim.index < claim.stop:
            attached = self._attached(
                claim, claim.offset, producer, data, key_bytes, partition, timestamp, headers, callback
            )
            if attached is not None:
                return attached
        name = self.name
        sent = SentRecord(producer, name, partition)
        if callback is not None:
            sent.expect(callback)
        producer.send(
            name,
            data,
            key_bytes,
            partition,
            None if timestamp is None else milliseconds(timestamp, name),
            header_list(headers, name),
            sent.delivered if callback is not None else None,
        )
        return sent

    def _with_codecs(self, schema: Any, key_serializer: str | None, value_serializer: str | None) -> Topic[Any, Any]:
        """Return the same topic with other codecs."""
        if schema is None and key_serializer is None and value_serializer is None:
            return self
        known = self._variants.get((key_serializer, value_serializer)) if schema is None else None
        if known is not None:
            return known
        names = {"key_serializer": key_serializer, "value_serializer": value_serializer}
        for name in ("key_type", "key_serializer", "value_type", "value_serializer"):
            names[name] = names.get(name) or getattr(schema, name, None)
        other = self.derive(**{name: value for name, value in names.items() if value is not None})
        if schema is None:
            self._variants[key_serializer, value_serializer] = other
        return other

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
            config.setdefault("retention.ms", "-1" if self.retention == -1 else str(int(self.retention * 1000)))
        return TopicSpec(name, partitions, self.replicas or self.app.conf.topic_replication_factor, config)

    async def declare(self) -> None:
        """Create the topics that do not exist."""
        count = self.partitions or self.app.conf.topic_partitions
        await self.app.create_topics([self.spec(name, count) for name in self.topics])

    async def maybe_declare(self) -> None:
        await self.declare()

    def derive(self, **changes: Any) -> Topic[Any, Any]:
        """Return the same topic with other types or settings.

        Args:
            changes: what `app.topic` takes, and `topics`: other names.

        Raises:
            ConfigError: there is no such option.
        """
        unknown = changes.keys() - {*TOPIC_OPTIONS, "topics", "pattern", "schema"}
        if unknown:
            raise ConfigError(f"topic {self} cannot be derived: no option {', '.join(sorted(unknown))}")
        options: dict[str, Any] = {name: getattr(self, name) for name in TOPIC_OPTIONS}
        names = changes.pop("topics", self.topics if self.pattern is None else ())
        if not names and "pattern" not in changes:
            changes["pattern"] = self.pattern
        for name in ("key", "value"):
            if (f"{name}_type" in changes or "schema" in changes) and f"{name}_serializer" not in changes:
                options[f"{name}_serializer"] = None
        if "schema" in changes:
            options["key_type"] = options["value_type"] = None
        return Topic(self.app, *names, **{**options, **changes})

    def derive_topic(
        self, *, topics: Sequence[str] | None = None, prefix: str = "", suffix: str = "", **changes: Any
    ) -> Topic[Any, Any]:
        """Return topics with the types and settings of this one, but for `changes`.

        Args:
            topics: their names; this topic's where None.
            prefix, suffix: added to each name.

        Raises:
            ValueError: there are no names: this one is a pattern.
        """
        names = self.topics if topics is None else tuple(topics)
        if topics is None and self.pattern is not None:
            if prefix or suffix:
                raise ValueError("a pattern cannot get a prefix or suffix: give topics=")
            return self.derive(**changes)
        return self.derive(topics=tuple(f"{prefix}{name}{suffix}" for name in names), **changes)

    def matches(self, name: str) -> bool:
        """Whether the pattern stands for this topic: the whole name must match."""
        return self.pattern is not None and self.pattern.fullmatch(name) is not None

    def __str__(self) -> str:
        return ",".join(self.topics) if self.pattern is None else self.pattern.pattern

    def __repr__(self) -> str:
        return f"<Topic: {self}>"


def _own_serializer(value_type: Any) -> str | None:
    """Return the codec that a type names for itself; bytes are written as they are."""
    if value_type is bytes:
        return "raw"
    return getattr(value_type, "__faust_serializer__", None)


def _compiled(pattern: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    if not isinstance(pattern, str):
        return pattern
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise ConfigError(f"topic pattern {pattern!r} is not a regular expression: {exc}") from exc


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def check_topic_name(name: str) -> None:
    """Raise where Kafka would refuse the name, with the reason it does not give."""
    if not isinstance(name, str):
        raise ConfigError(f"a topic's name is text, not {name!r}")
    allowed = all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    if not name or len(name) > 249 or name in {".", ".."} or not allowed:
        raise ConfigError(f"topic name {name!r}: 1 to 249 letters, digits, '.', '_' or '-'")
