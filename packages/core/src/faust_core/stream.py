"""A stream: where records come from, and what is done to each before the agent's body sees it.

Streams are immutable descriptions.  Operators return a new one; iterating one opens its source.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import operator
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from faust_core._context import current_claim
from faust_core._parse import seconds
from faust_core.batching import HALTED_S, Batching
from faust_core.claims import Claim, ClaimSource
from faust_core.decoding import decoded, decoded_checked, tried_again
from faust_core.errors import ConfigError, DecodeError, Skip
from faust_core.events import Event, current_event
from faust_core.records import TopicPartition
from faust_core.stream_joins import JoinableStream

if TYPE_CHECKING:
    from faust_core.joins import TwoStreams
    from faust_core.tables import Table
    from faust_core.topics import Topic

__all__ = ["SKIP", "Stream", "StreamRuntime"]

T = TypeVar("T")
U = TypeVar("U")

#: A processor returns this to drop a value.
SKIP: Any = object()

Processor = Callable[[Any], Any]


class StreamRuntime(Protocol):
    """Opens the sources of streams: the running worker."""

    def subscribe(self, topic: Topic[Any, Any], owner: str, /) -> ClaimSource:
        """Return a source of its own of all of this worker's partitions of a topic."""
        ...

    async def repartition(
        self,
        parent: Stream[Any],
        key: Callable[[Any], Any] | None,
        topic: Topic[Any, Any],
        /,
    ) -> ClaimSource:
        """Send everything from `parent` to `topic`, by `key` (None keeps the key), and return a source of it."""
        ...

    async def join(self, two: TwoStreams, /) -> ClaimSource:
        """Return a source of what comes of two streams."""
        ...

    def keep(self, state: Table[Any, Any], /) -> None:
        """Restore a table that a join keeps for itself, like those of the application.

        Raises:
            ConfigError: it is kept already, or the worker has started.
        """
        ...

    def forward(self, topic: Topic[Any, Any], owner: str, /) -> None:
        """Read `topic`, and send the records `(topic, key, value, partition)` that each of its items hands out."""
        ...

    def together(self, who: str, sides: Sequence[Sequence[str]], tables: Sequence[str], /) -> None:
        """Demand that the topics of these sides, and these tables, are partitioned alike; checked before any is read.

        Raises:
            PartitionsMismatch: it is known already that they are not.
        """
        ...


class FieldKey(Protocol):
    """A model's field, as `Order.account_id` names it."""

    field: str
    ident: str

    def getattr(self, obj: Any, /) -> Any: ...


class Origin(Protocol):
    """Where a stream's records come from."""

    topic: Topic[Any, Any]

    @property
    def source(self) -> ClaimSource | None:
        """What was opened; None before."""
        ...

    @property
    def parent(self) -> Stream[Any] | None: ...

    async def open(self, runtime: StreamRuntime, owner: str, /) -> ClaimSource: ...

    def close(self) -> None:
        """Read no further, where the source is this origin's own."""
        ...


class FromTopic:
    """Straight from the broker; all iterations of one stream share the records out."""

    def __init__(self, topic: Topic[Any, Any]) -> None:
        self.topic = topic
        self.source: ClaimSource | None = None
        self.parent: Stream[Any] | None = None

    async def open(self, runtime: StreamRuntime, owner: str) -> ClaimSource:
        if self.source is None:
            self.source = runtime.subscribe(self.topic, owner)
        return self.source

    def close(self) -> None:
        if self.source is not None:
            self.source.close()
            self.source = None


class FromSource:
    """A source that the engine has opened already: an agent's own."""

    def __init__(self, topic: Topic[Any, Any], source: ClaimSource) -> None:
        self.topic = topic
        self.source: ClaimSource | None = source
        self.parent: Stream[Any] | None = None

    async def open(self, _runtime: StreamRuntime, _owner: str) -> ClaimSource:
        assert self.source is not None
        return self.source

    def close(self) -> None:
        pass


class Repartitioned:
    """Another stream's values, sent through a topic of their own, by a new key."""

    def __init__(self, parent: Stream[Any], key: Callable[[Any], Any] | None, topic: Topic[Any, Any]) -> None:
        self.topic = topic
        self.source: ClaimSource | None = None
        self.parent: Stream[Any] | None = parent
        self._key = key

    async def open(self, runtime: StreamRuntime, _owner: str) -> ClaimSource:
        assert self.parent is not None
        self.source = await runtime.repartition(self.parent, self._key, self.topic)
        return self.source

    def close(self) -> None:
        pass


class Stream(JoinableStream[T]):
    """An endless sequence of values from a topic.

    An item is done, and its offset may be committed, when the next one is asked for.
    """

    def __init__(
        self,
        origin: Origin,
        runtime: Callable[[], StreamRuntime],
        *,
        owner: str = "stream",
        shared: bool = False,
        processors: Sequence[Processor] = (),
        manual: bool = False,
        concurrency_index: int | None = None,
    ) -> None:
        """Args:
        shared: several actors read it.
        manual: items are done when they are acknowledged, not when the next one is asked for.
        """
        self._origin = origin
        self._runtime = runtime
        self._owner = owner
        self._shared = shared
        self._processors = tuple(processors)
        self._manual = manual
        self.concurrency_index = concurrency_index

    @property
    def topic(self) -> Topic[Any, Any]:
        return self._origin.topic

    @property
    def processors(self) -> tuple[Processor, ...]:
        return self._processors

    @property
    def owner(self) -> str:
        return self._owner

    @property
    def current_event(self) -> Event[Any, Any] | None:
        return current_event()

    @property
    def events_total(self) -> int:
        """How many items this worker has taken from the stream's source so far."""
        source = self._origin.source
        return 0 if source is None else source.taken

    @property
    def active_partitions(self) -> set[TopicPartition]:
        """The partitions that this worker reads for this stream now."""
        source = self._origin.source
        return set() if source is None else set(source.partitions())

    def get_root_stream(self) -> Stream[Any]:
        """Return the stream at the beginning of the chain of `group_by` and `through`."""
        parent = self._origin.parent
        return self if parent is None else parent.get_root_stream()

    def get_active_stream(self) -> Stream[T]:
        """Return this stream: what an operator returns is the one that is iterated."""
        return self

    def clone(self) -> Stream[T]:
        """Return a stream of the same source with the same operators."""
        return self._like(self._processors)

    async def open(self) -> ClaimSource:
        return await self._origin.open(self._runtime(), self._owner)

    async def throw(self, error: BaseException) -> None:
        """Raise `error` in the loop over this stream, when it asks for its next item."""
        (await self.open()).throw(error)

    async def ack(self, event: Event[Any, Any]) -> bool:
        """Acknowledge an event of `noack()`; see `Event.ack`."""
        return event.ack()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        source = self._origin.source
        if source is not None and exc is None:
            source.leave_all()
            self._origin.close()

    # -- iterating

    def __aiter__(self) -> AsyncIterator[T]:
        inner = _Loop()
        values = self._values(inner)
        inner.watch(values)
        return values

    async def _values(self, loop: _Loop) -> AsyncIterator[T]:
        source = await self.open()
        source.leave_all()
        manual = self._manual
        claim: Claim | None = None
        try:
            while True:
                claim = await source.claim(claim)
                if claim is None:
                    return
                loop.enter(claim)
                if manual:
                    async for value in self._unacknowledged(claim, source):
                        yield value
                    continue
                task = claim.task
                processors = self._processors if source.watch is None else source.watch.before(self)
                values = decoded(claim)
                errors: tuple[type[Exception], ...] = (*claim.topic.decode_failures, DecodeError, Skip)
                # Processors may raise anything, also what a codec raises: it must be known who did.
                processing = checked = False
                while claim.index < claim.stop:
                    try:
                        if not processors:
                            for value in values:
                                yield value
                                claim.index += 1
                                if task.halted:
                                    break
                        else:
                            for value in values:
                                processing = True
                                for processor in processors:
                                    value = processor(value)
                                    if type(value) not in PLAIN and awaits(value):
                                        value = await value
                                    if value is SKIP:
                                        break
                                else:
                                    yield value
                                processing = False
                                claim.index += 1
                                if task.halted:
                                    break
                        break
                    except errors as exc:
                        if processing and not isinstance(exc, (DecodeError, Skip)):
                            raise
                        if processors and not processing and not checked:
                            values, checked = (
                                decoded_checked(claim),
                                True,
                            )  # the codec's slower way, whose verdict counts
                            continue
                        processing = False
                        value, error = (SKIP, exc) if processors else tried_again(claim)
                        if error is None:
                            yield value
                        elif not isinstance(error, Skip):
                            await source.undecodable(claim, error)
                        claim.index += 1
                        if task.halted:
                            break
        except GeneratorExit:
            if claim is not None:
                source.leave(claim)
            raise

    async def _unacknowledged(self, claim: Claim, source: ClaimSource) -> AsyncIterator[T]:
        """Yield the values of one claim; each holds its offset back until it is acknowledged."""
        processors = self._processors if source.watch is None else source.watch.before(self)
        async for value in processed(claim, source, processors):
            source.hold(claim)
            yield value
            if claim.task.halted:
                claim.index += 1
                return

    def items(self) -> Stream[tuple[Any, T]]:
        """Yield (key, value)."""
        return self._with(lambda value: (_claim().key(), value))

    def events(self) -> Stream[Event[Any, T]]:
        """Yield `Event`s: value, key, headers and message."""
        return self._with(lambda value: Event(_claim(), value))

    def enumerate(self, start: int = 0) -> Stream[tuple[int, T]]:
        """Yield (number, value), counted by this worker from `start`."""
        number = start - 1

        def count(value: T) -> tuple[int, T]:
            nonlocal number
            number += 1
            return number, value

        return self._with(count)

    def filter(self, predicate: Callable[[T], bool | Awaitable[bool]]) -> Stream[T]:
        """Drop the values for which `predicate` (which may be async) is false."""

        def keep(value: T) -> Any:
            verdict = predicate(value)
            if inspect.isawaitable(verdict):
                return keep_if(verdict, value)
            return value if verdict else SKIP

        async def keep_if(verdict: Awaitable[bool], value: T) -> Any:
            return value if await verdict else SKIP

        return self._with(keep)

    def map(self, function: Callable[[T], U | Awaitable[U]]) -> Stream[U]:
        """Yield what `function` (which may be async) returns for each value."""
        return self._with(function)

    def noack(self) -> Stream[T]:
        """Let the program say when an item is done: `event.ack()`, or `await stream.ack(event)`.

        What is not acknowledged stays uncommitted, with everything behind it in its partition, and comes again after
        a rebalance or a restart.  A checkpoint does not wait for it under at-least-once.  Under exactly-once it waits
        for a second; then offsets are committed up to the first open item, and what later ones have changed is
        committed with them: until it is acknowledged, manual acknowledgement is at-least-once.
        """
        if not getattr(self._origin, "takes", True):
            raise ConfigError(
                f"{self._owner}: noack() cannot hold back what comes of two streams, as each record is committed with "
                "what it brought about: send it to a topic first, and use noack there"
            )
        return self._like(self._processors, manual=True)

    def echo(self, *channels: Any) -> Stream[T]:
        """Send a copy of each value, with its key and headers, to each of `channels` (topics, names or agents)."""
        if not channels:
            raise ConfigError(f"{self._owner}: echo() needs at least one topic to copy to")
        targets = [self.topic.app.channel_named(channel) for channel in channels]

        async def copy(value: T) -> T:
            claim = _claim()
            plain = value.value if isinstance(value, Event) else value
            for target in targets:
                await target.send(key=claim.key_bytes, value=plain, headers=claim.headers or None)
            return value

        return self._with(copy)

    def tee(self, *channels: Any) -> Stream[T]:
        """The same as `echo`."""
        return self.echo(*channels)

    def rate_limit(self, n: int, per: float | dt.timedelta = 1.0) -> Stream[T]:
        """Yield at most `n` values in any `per` seconds, on this worker; further ones wait, uncommitted."""
        window = _seconds(f"{self._owner}: rate_limit(per=…)", per)
        if n < 1 or window == 0:
            raise ConfigError(f"{self._owner}: rate_limit({n}, {per}): at least one value in more than zero seconds")
        times: deque[float] = deque(maxlen=n)
        clock = self.topic.app.clock
        first = not self._processors

        async def wait(value: T) -> Any:
            if len(times) == n and times[0] + window > clock.monotonic():
                claim = _claim()
                collected = claim.buffered
                # Nothing was done with the item yet, so a checkpoint need not wait for it.
                claim.buffered = collected or first
                await clock.sleep(times[0] + window - clock.monotonic())
                while claim.buffered and claim.task.halted and not claim.task.closed:  # noqa: ASYNC110  few, and briefly
                    await asyncio.sleep(HALTED_S)
                claim.buffered = collected
                if first and claim.task.closed:
                    return SKIP  # another worker's by now, and untouched here
            times.append(clock.monotonic())
            return value

        return self._with(wait)

    def add_processor(self, processor: Callable[[Any], Any]) -> None:
        """Run `processor` on each value from the next iteration on; the one operator that changes the stream."""
        self._processors = (*self._processors, processor)

    apply = add_processor

    def _with(self, processor: Processor) -> Stream[Any]:
        return self._like((*self._processors, processor))

    def _like(self, processors: Sequence[Processor], *, manual: bool | None = None) -> Stream[Any]:
        return Stream(
            self._origin,
            self._runtime,
            owner=self._owner,
            shared=self._shared,
            processors=processors,
            manual=self._manual if manual is None else manual,
            concurrency_index=self.concurrency_index,
        )

    # -- batches

    def take(self, max_: int, within: float | dt.timedelta) -> AsyncIterator[list[T]]:
        """Yield lists of up to `max_` values of one partition, none of them kept waiting longer than `within`.

        All of a list is done when the next one is asked for.  A list never mixes partitions, so its body
        may change tables.

        Args:
            within: seconds or a timedelta.
        """
        return self._batches(max_, within, self._processors, name="take")

    def take_events(self, max_: int, within: float | dt.timedelta) -> AsyncIterator[list[Event[Any, T]]]:
        """Like `take`; the lists hold `Event`s."""
        return self._batches(max_, within, self.events().processors, name="take_events")

    def take_with_timestamp(
        self, max_: int, within: float | dt.timedelta, timestamp_field_name: str
    ) -> AsyncIterator[list[T]]:
        """Like `take`; each value, which must be a dict, gets its record's timestamp (epoch seconds) as that field."""

        def stamped(value: T) -> T:
            if not isinstance(value, dict):
                raise TypeError(
                    f"{self._owner}: take_with_timestamp adds {timestamp_field_name!r} to dicts, not to a "
                    f"{type(value).__name__}; take_events gives event.message.timestamp"
                )
            return cast("T", {**value, timestamp_field_name: _claim().timestamp_ms / 1000})

        return self._batches(max_, within, (*self._processors, stamped), name="take_with_timestamp")

    def noack_take(self, max_: int, within: float | dt.timedelta) -> AsyncIterator[list[Event[Any, T]]]:
        """Like `take_events`; each event is done when it is acknowledged, as with `noack`."""
        return self._batches(max_, within, self.events().processors, name="noack_take", manual=True)

    def _batches(
        self,
        max_: int,
        within: float | dt.timedelta,
        processors: Sequence[Processor],
        *,
        name: str,
        manual: bool | None = None,
    ) -> AsyncIterator[list[Any]]:
        if max_ != int(max_) or max_ < 1:
            raise ConfigError(f"{self._owner}: {name}({max_!r}): a batch has at least one value")
        if not getattr(self._origin, "takes", True):
            raise ConfigError(
                f"{self._owner}: {name}() cannot collect what comes of two streams, as each record is committed with "
                "what it brought about: send it to a topic first, and take from that"
            )
        patience = _seconds(f"{self._owner}: {name}(within=…)", within)
        loop = _Loop()
        batching = Batching(
            max_,
            patience,
            clock=self.topic.app.clock,
            manual=self._manual if manual is None else manual,
            enter=loop.enter,
        )

        def values_of(claim: Claim, source: ClaimSource) -> AsyncIterator[Any]:
            if source.watch is None:
                return processed(claim, source, processors)
            return processed(claim, source, source.watch.before(self._like(processors)))

        batches = batching.run(self.open, values_of)
        loop.watch(batches)
        return batches

    # -- other topics

    def group_by(
        self,
        key: FieldKey | Callable[[T], Any] | Any,
        *,
        name: str | None = None,
        topic: Topic[Any, Any] | None = None,
        partitions: int | None = None,
    ) -> Stream[T]:
        """Send each value to the partition of its `key`, through a topic, and go on with what arrives there.

        All values with the same key are then seen by the same worker.  What was declared before
        (`filter`, `map` …) runs before, what is declared after runs after.

        Args:
            key: a model's field (`Order.account_id`) or a function of the value, which may be async.
            name: part of the topic's name; needed where `key` is a function.
            topic: use this topic instead of `{agent}-{topic}-{name}-repartition`.
            partitions: of the topic where it must be created; as many as the source has where None.

        Raises:
            ConfigError: `key` is a function without a name, or several actors share this stream.
        """
        if self._shared:
            raise ConfigError(
                f"{self._owner}: group_by needs concurrency=1: several actors would share the repartition topic's order"
            )
        field = getattr(key, "field", None)
        if isinstance(field, str):
            by_field = cast("FieldKey", key)
            name = name or by_field.ident
            extract = _field_getter(by_field)
        elif callable(key):
            if not name:
                raise ConfigError(f"{self._owner}: group_by(function) needs a name=, it becomes part of a topic's name")
            extract = key
        else:
            raise ConfigError(f"{self._owner}: group_by takes a model's field or a function, not {key!r}")
        if topic is None:
            prefix = f"{self.topic.app.conf.id}-" if self.topic.app.conf.repartition_topic_prefix_id else ""
            topic = self.topic.derive(
                topics=(f"{prefix}{self._owner}-{'-'.join(self.topic.topics)}-{name}-repartition",),
                partitions=partitions,
                internal=True,
                key_type=None,
                value_type=self._value_type(),
                value_serializer=self.topic.value_serializer,
            )
        return self._through(extract, topic)

    def through(self, channel: Topic[Any, Any] | str) -> Stream[T]:
        """Send each value to another topic, keys kept, and go on with what arrives there."""
        topic = self.topic.derive(topics=(channel,)) if isinstance(channel, str) else channel
        topic = getattr(topic, "topic", topic)  # an agent's
        if self._shared:
            raise ConfigError(f"{self._owner}: through needs concurrency=1: several actors would share its order")
        if topic.pattern is not None:
            raise ConfigError(f"{self._owner}: through the pattern {topic} cannot be: nothing can be sent to it")
        return self._through(None, topic)

    def _through(self, key: Callable[[Any], Any] | None, topic: Topic[Any, Any]) -> Stream[T]:
        # An item is done here when its copy is sent; what `noack` asks for goes on with the copies.
        parent = self._like(self._processors, manual=False) if self._manual else self
        return Stream(Repartitioned(parent, key, topic), self._runtime, owner=self._owner, manual=self._manual)

    def derive_topic(self, name: str, **options: Any) -> Topic[Any, Any]:
        """Return a topic of that name with the types and settings of this stream's, but for `options`."""
        return self.topic.derive_topic(topics=(name,), **options)

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def runtime(self) -> Callable[[], StreamRuntime]:
        return self._runtime

    @property
    def manual(self) -> bool:
        """Whether items are done when they are acknowledged."""
        return self._manual

    @property
    def shared(self) -> bool:
        """Whether several actors read it."""
        return self._shared

    def _value_type(self) -> Any:
        # What processors make of a value is not known beforehand.
        return None if self._processors else self.topic.value_type

    def __repr__(self) -> str:
        return f"<Stream: {self._owner} of {self.topic}>"


class _Loop:
    """One loop over a stream: knows the event of the loop around it, whose event is current again afterwards."""

    def __init__(self) -> None:
        self._claim: Claim | None = None
        self._outer: Claim | None = None
        self._watch: weakref.ref[Any] | None = None

    def watch(self, values: object) -> None:
        # An async generator that is left by `break` is closed later, but dropped at once.
        self._watch = weakref.ref(values, self._left)

    def enter(self, claim: Claim) -> None:
        """The items of a claim come next."""
        around = current_claim.get()
        if around is not None and around is not self._claim and around.source is not claim.source:
            self._outer = around
            around.raw.clear()  # its loop asks for a claim anew after this item, and is current again
        self._claim = claim
        current_claim.set(claim)

    def _left(self, _: object) -> None:
        if self._outer is not None and current_claim.get() is self._claim:
            current_claim.set(self._outer)


async def processed(claim: Claim, source: ClaimSource, processors: Sequence[Processor]) -> AsyncIterator[Any]:
    """Yield the values of one claim, processed; `claim.index` follows."""
    values = decoded_checked(claim)
    while claim.index < claim.stop:
        try:
            for value in values:
                for processor in processors:
                    value = processor(value)
                    if inspect.isawaitable(value):
                        value = await value
                    if value is SKIP:
                        break
                else:
                    yield value
                claim.index += 1
            break
        except DecodeError as exc:
            await source.undecodable(claim, exc)
            claim.index += 1
        except Skip:
            claim.index += 1


def _seconds(what: str, value: float | dt.timedelta) -> float:
    try:
        return cast("float", seconds()(value))
    except ValueError as exc:
        raise ConfigError(f"{what} cannot be {value!r}: give {exc}") from None


def _claim() -> Claim:
    claim = current_claim.get()
    assert claim is not None, "processors run inside an iteration"
    return claim


def _field_getter(key: FieldKey) -> Callable[[Any], Any]:
    """Return the function that reads a field; where decoding gave a plain dict, of that."""
    getter = operator.attrgetter(key.field)
    nested = "." in key.ident.partition(".")[2]

    def get(value: Any) -> Any:
        if isinstance(value, dict):
            return value[key.field]
        return key.getattr(value) if nested else getter(value)

    return get


#: Types whose values are not awaited: asking each value costs more than most processors.
PLAIN: set[type] = set()
MAX_PLAIN = 1_000


def awaits(value: Any) -> bool:
    """Whether what a processor returned is to be awaited; remembers types of which no value is."""
    if inspect.isawaitable(value):
        return True
    # Of generators some are awaitable.  Programs that make types as they go must not fill the memory.
    if not inspect.isgenerator(value) and len(PLAIN) < MAX_PLAIN:
        PLAIN.add(type(value))
    return False
