"""A stream: where records come from, and what is done to each before the agent's body sees it.

Streams are immutable descriptions.  Operators return a new one; iterating one opens its source.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from faust_core._context import current_claim
from faust_core.claims import Claim, ClaimSource
from faust_core.errors import ConfigError, DecodeError
from faust_core.events import Event, current_event
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

#: How soon `take` looks again whether a checkpoint is over.
HALTED_S = 0.002


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

    async def open(self, runtime: StreamRuntime, owner: str, /) -> ClaimSource: ...


class FromTopic:
    """Straight from the broker; all iterations of one stream share the records out."""

    def __init__(self, topic: Topic[Any, Any]) -> None:
        self.topic = topic
        self._source: ClaimSource | None = None

    async def open(self, runtime: StreamRuntime, owner: str) -> ClaimSource:
        if self._source is None:
            self._source = runtime.subscribe(self.topic, owner)
        return self._source


class FromSource:
    """A source that the engine has opened already: an agent's own."""

    def __init__(self, topic: Topic[Any, Any], source: ClaimSource) -> None:
        self.topic = topic
        self._source = source

    async def open(self, _runtime: StreamRuntime, _owner: str) -> ClaimSource:
        return self._source


class Repartitioned:
    """Another stream's values, sent through a topic of their own, by a new key."""

    def __init__(self, parent: Stream[Any], key: Callable[[Any], Any] | None, topic: Topic[Any, Any]) -> None:
        self.topic = topic
        self._parent = parent
        self._key = key

    async def open(self, runtime: StreamRuntime, _owner: str) -> ClaimSource:
        return await runtime.repartition(self._parent, self._key, self.topic)


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
    ) -> None:
        self._origin = origin
        self._runtime = runtime
        self._owner = owner
        self._shared = shared
        self._processors = tuple(processors)

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

    async def open(self) -> ClaimSource:
        return await self._origin.open(self._runtime(), self._owner)

    # -- iterating

    async def __aiter__(self) -> AsyncIterator[T]:
        source = await self.open()
        source.leave_all()
        processors = self._processors
        claim: Claim | None = None
        try:
            while True:
                claim = await source.claim(claim)
                assert claim is not None
                current_claim.set(claim)
                task = claim.task
                # Without processors only decoding can fail in here, so the codec's own errors are caught.
                # Processors may raise anything; there, decoding wraps its errors.
                values = decoded_checked(claim) if processors else decoded(claim)
                errors: tuple[type[Exception], ...] = (DecodeError,) if processors else claim.topic.decode_failures
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
                                for processor in processors:
                                    value = processor(value)
                                    if type(value) not in PLAIN and awaits(value):
                                        value = await value
                                    if value is SKIP:
                                        break
                                else:
                                    yield value
                                claim.index += 1
                                if task.halted:
                                    break
                        break
                    except errors as exc:
                        value, error = (SKIP, exc) if processors else tried_again(claim)
                        if error is not None:
                            await source.undecodable(claim, error)
                        else:
                            yield value
                        claim.index += 1
                        if task.halted:
                            break
        except GeneratorExit:
            if claim is not None:
                source.leave(claim)
            raise

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

    def add_processor(self, processor: Callable[[Any], Any]) -> None:
        """Run `processor` on each value from the next iteration on; the one operator that changes the stream."""
        self._processors = (*self._processors, processor)

    def _with(self, processor: Processor) -> Stream[Any]:
        return Stream(
            self._origin,
            self._runtime,
            owner=self._owner,
            shared=self._shared,
            processors=(*self._processors, processor),
        )

    # -- batches

    async def take(self, max_: int, within: float | dt.timedelta) -> AsyncIterator[list[T]]:
        """Yield lists of up to `max_` values of one partition, none of them kept waiting longer than `within`.

        All of a list is done when the next one is asked for.  A list never mixes partitions, so its body
        may change tables.

        Args:
            within: seconds or a timedelta.
        """
        if max_ < 1:
            raise ConfigError(f"take({max_}): a batch has at least one value")
        if not getattr(self._origin, "takes", True):
            raise ConfigError(
                f"{self._owner}: take() cannot collect what comes of two streams, as each record is committed with "
                "what it brought about: send it to a topic first, and take from that"
            )
        patience = within.total_seconds() if isinstance(within, dt.timedelta) else float(within)
        source = await self.open()
        source.leave_all()
        loop = asyncio.get_running_loop()
        batches: dict[Any, _Batch] = {}
        in_hand: list[Claim] = []
        try:
            while True:
                deadline = min((batch.deadline for batch in batches.values()), default=None)
                claim = await source.claim(None, deadline_s=deadline)
                if claim is not None:
                    claim.held = claim.buffered = True
                    batch = batches.setdefault(claim.tp, _Batch(loop.time() + patience))
                    if len(batch.values) == max_:
                        source.release(claim)
                        claim = None
                if claim is not None:
                    batch.claims.append(claim)
                    async for value in self._each(claim, source):
                        claim.taken.append(claim.index)
                        batch.values.append(value)
                        if len(batch.values) == max_:
                            claim.index += 1
                            source.trim(claim)
                            break
                now = loop.time()
                for tp in [tp for tp, batch in batches.items() if len(batch.values) == max_ or batch.deadline <= now]:
                    task = batches[tp].claims[0].task
                    if task.halted and not task.closed:
                        # A checkpoint is under way; the batch comes behind it.
                        batches[tp].deadline = now + HALTED_S
                        continue
                    batch = batches.pop(tp)
                    in_hand = batch.claims
                    if batch.values and not task.closed:
                        for held in in_hand:
                            held.buffered = False
                            held.index = held.start
                        current_claim.set(in_hand[-1])
                        yield batch.values
                    for held in in_hand:
                        held.held = False
                        held.index = held.stop
                        source.release(held)
                    in_hand = []
        except GeneratorExit:
            for held in [*in_hand, *(held for batch in batches.values() for held in batch.claims)]:
                source.leave(held)
            raise

    async def _each(self, claim: Claim, source: ClaimSource) -> AsyncIterator[T]:
        """Yield the values of one claim, processed; `claim.index` follows."""
        current_claim.set(claim)
        values = decoded_checked(claim)
        while claim.index < claim.stop:
            try:
                for value in values:
                    for processor in self._processors:
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
        return Stream(Repartitioned(self, extract, topic), self._runtime, owner=self._owner)

    def through(self, channel: Topic[Any, Any] | str) -> Stream[T]:
        """Send each value to another topic, keys kept, and go on with what arrives there."""
        topic = self.topic.derive(topics=(channel,)) if isinstance(channel, str) else channel
        if self._shared:
            raise ConfigError(f"{self._owner}: through needs concurrency=1")
        return Stream(Repartitioned(self, None, topic), self._runtime, owner=self._owner)

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def runtime(self) -> Callable[[], StreamRuntime]:
        return self._runtime

    @property
    def shared(self) -> bool:
        """Whether several actors read it."""
        return self._shared

    def _value_type(self) -> Any:
        # What processors make of a value is not known beforehand.
        return None if self._processors else self.topic.value_type

    def __repr__(self) -> str:
        return f"<Stream: {self._owner} of {self.topic}>"


class _Batch:
    """What `take` has collected of one partition."""

    __slots__ = ("claims", "deadline", "values")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.claims: list[Claim] = []
        self.values: list[Any] = []


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


def decoded(claim: Claim) -> Iterator[Any]:
    """Return an iterator over the decoded values of a claim, from its index on; decodes one at a time.

    It survives an error: after one, the next item follows.
    """
    raw = claim.raw = list(claim.batch.values[claim.index : claim.stop])
    if None in raw:
        return decoded_checked(claim)
    return map(claim.topic.raw_decode, cast("Sequence[bytes]", raw))


def tried_again(claim: Claim) -> tuple[Any, Exception | None]:
    """Decode the item in hand the codec's slower way, whose verdict counts; return the value or the error."""
    try:
        return claim.topic.decode_value(claim.value_bytes, claim), None
    except DecodeError as exc:
        return None, exc


def decoded_checked(claim: Claim) -> Iterator[Any]:
    """Like `decoded`, with every error a `ValueDecodeError`."""
    topic = claim.topic
    decode, failures = topic.raw_decode, topic.decode_failures
    raw = claim.raw = list(claim.batch.values[claim.index : claim.stop])

    def one(data: bytes | None) -> Any:
        if data is None:
            return topic.decode_value(data, claim)
        try:
            return decode(data)
        except failures:
            return topic.decode_value(data, claim)  # its verdict counts

    # Not a generator: that would end with its first error.
    return map(one, raw)
