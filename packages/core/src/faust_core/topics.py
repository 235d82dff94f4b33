"""A topic: its names on the broker, the codecs of its keys and values, and how it shall be created."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from faust_core._call_sites import LastSite, result_is_discarded
from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.errors import BufferFull, ConfigError, DecodeError, RecordTooLarge
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.protocols.transport import Producer, Refusing, TopicSpec
from faust_core.schema import CodecArg, Schema
from faust_core.sensors import SendCount
from faust_core.sent import SentCallback, SentRecord
from faust_core.topic_codecs import RecordCodecs

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.events import Message
    from faust_core.stream import Stream, StreamRuntime

__all__ = ["HeadersArg", "SentRecord", "Topic", "TopicOptions"]

K = TypeVar("K")
V = TypeVar("V")


class TopicOptions(TypedDict, total=False):
    """What `app.topic` takes besides names and types."""

    key_serializer: CodecArg
    value_serializer: CodecArg
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


#: Combinations of codecs that `send` was given and that are kept.
MAX_VARIANTS = 64

#: What `derive` takes over.
TOPIC_OPTIONS = (
    "schema",
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


class Topic(RecordCodecs[K, V]):
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
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
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
        #: the names; of a pattern those that match at this moment, once the application runs
        self.topics = names
        self.maxsize = maxsize
        self.has_prefix = has_prefix
        super().__init__(
            app,
            ", ".join(names) if self.pattern is None else self.pattern.pattern,
            schema=_as_schema(schema),
            key_type=key_type,
            value_type=value_type,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            allow_empty=allow_empty,
        )
        self.partitions = partitions
        self.retention = retention.total_seconds() if isinstance(retention, dt.timedelta) else retention
        if self.retention is not None and self.retention < 0 and self.retention != -1:
            raise ConfigError(f"topic {self}: retention={retention!r} is no time: seconds, a timedelta, or -1 for ever")
        self.compacting = compacting
        self.deleting = deleting
        self.replicas = replicas
        self.internal = internal
        self.acks = acks
        self.config = dict(config or {})
        self._unreported: SentRecord | None = None
        self._last_site = LastSite()
        self._variants: dict[tuple[Any, ...], tuple[tuple[Any, ...], Topic[Any, Any]]] = {}
        self._on_commit = app.conf.stream_publish_on_commit
        self._unusual = self._on_commit or self.pattern is not None
        self._sent = app.counts.sent.of(names[0]) if names else SendCount()

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
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
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
        if not self._sends_directly or key_serializer or value_serializer or schema is not None:
            report = report if report is not None else not result_is_discarded()
            codecs = self.with_codecs(schema, key_serializer, value_serializer)
            await codecs.prepare()
            key, value, headers = codecs.encoded(key, value, headers)
            return await self._queue(key, value, partition, timestamp, headers, callback, force=force, report=report)
        producer = self.app.active_producer or await self.app.maybe_start_producer()
        value_bytes: bytes | None
        try:
            if value is None or (type(value) is bytes and self._value_bytes_are_encoded):
                value_bytes = value
            else:
                value_bytes = self._encode_value(value)
        except self._value_encode_errors:
            value_bytes = self.encode_value(value)  # says what was wrong
        key_bytes = key if key is None or (type(key) is bytes and self._key_bytes_are_encoded) else self.encode_key(key)
        if report is None and callback is None:
            frame = sys._getframe(1)  # noqa: SLF001  see `_call_sites`
            site = self._last_site
            report = (frame.f_lasti != site.at or frame.f_code is not site.code) and not site.drops(frame)
        if report or callback is not None or self._unusual:
            return await self._queue(
                key_bytes, value_bytes, partition, timestamp, headers, callback, force=force, report=bool(report)
            )
        topic = self.topics[0]
        # One for all: without a report they differ in nothing but the partition asked for.
        sent = self._unreported
        if sent is None or sent.producer is not producer or sent.partition != partition:
            sent = self._unreported = SentRecord(producer, topic, partition)
        timestamp_ms = None if timestamp is None else milliseconds(timestamp, topic)
        header_pairs = header_list(headers, topic) if headers else None
        while True:
            try:
                producer.send(topic, value_bytes, key_bytes, partition, timestamp_ms, header_pairs, None)
            except BufferFull:
                await producer.drain()
            else:
                self._sent.records += 1
                return sent

    def count_sent(self) -> None:
        """A record was sent to it by others."""
        self._sent.records += 1

    async def _queue(
        self,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | dt.datetime | None,
        headers: HeadersArg,
        callback: SentCallback | None,
        *,
        force: bool,
        report: bool,
    ) -> SentRecord:
        """Hand an encoded record to the producer, or keep it for its event's commit."""
        producer = self.app.active_producer or await self.app.maybe_start_producer()
        topic = self.name
        claim = None if force else current_claim.get()
        if self._on_commit and claim is not None and claim.index < claim.stop:
            attached = self._attached(
                claim, claim.offset, producer, value, key, partition, timestamp, headers, callback
            )
            if attached is not None:
                return attached
        sent = SentRecord(producer, topic, partition)
        on_delivery = None
        if report or callback is not None:
            sent.expect(callback)
            on_delivery = sent.delivered
        timestamp_ms = None if timestamp is None else milliseconds(timestamp, topic)
        header_pairs = header_list(headers, topic) if headers else None
        while True:
            try:
                producer.send(topic, value, key, partition, timestamp_ms, header_pairs, on_delivery)
            except BufferFull:
                await producer.drain()
            else:
                self._sent.records += 1
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
        key_bytes, value_bytes, headers = self.encoded(key, value, headers)
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
        pairs = self.app.tracing.carried(header_list(headers, name))
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
        self._sent.records += 1
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
        report = report if report is not None else not result_is_discarded()
        return await self._queue(key, value, partition, timestamp, headers, callback, force=False, report=report)

    def send_soon(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
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
        codecs = self.with_codecs(schema, key_serializer, value_serializer)
        key_bytes, data, headers = codecs.encoded(key, value, headers)
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
        self._sent.records += 1
        return sent

    def with_codecs(
        self, schema: Any = None, key_serializer: CodecArg = None, value_serializer: CodecArg = None
    ) -> Topic[Any, Any]:
        """Return this topic with other codecs; the same ones for the same arguments."""
        schema = _as_schema(schema)
        asked = (schema, key_serializer, value_serializer)
        if not any(asked):
            return self
        # Codecs need not be hashable; kept beside what was made with them, their ids stay theirs.
        place = tuple(part if isinstance(part, str) else id(part) for part in asked)
        if place not in self._variants:
            if len(self._variants) >= MAX_VARIANTS:
                self._variants.clear()
            changes = {"schema": schema, "key_serializer": key_serializer, "value_serializer": value_serializer}
            if schema is not None:  # all of it is the schema's
                changes |= {"key_type": None, "value_type": None}
            changes = {name: change for name, change in changes.items() if change or name.endswith("type")}
            self._variants[place] = asked, self.derive(**changes)
        return self._variants[place][1]

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
        options |= changes
        if self.schema is not None and "schema" not in changes:
            # Copied, so that what is None here is not filled in again, and hooks meet the other types.
            options["schema"] = schema = copy.copy(self.schema)
            for name in ("key_type", "value_type", "key_serializer", "value_serializer"):
                setattr(schema, name, options[name])
        return Topic(self.app, *names, **options)

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


def _as_schema(schema: Any) -> Schema[Any, Any] | None:
    """Return a schema: of what is one, makes one, or has its attributes."""
    schema = schema() if isinstance(schema, type) else schema
    if schema is None or isinstance(schema, Schema):
        return schema
    options = ("key_type", "value_type", "key_serializer", "value_serializer", "allow_empty")
    return Schema(**{name: getattr(schema, name, None) for name in options})


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
