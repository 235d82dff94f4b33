"""Streams of what a program has in its own hands: lists, generators, async iterators."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from faust_core.claims import Attached, Claim, ClaimSource, EventWatch
from faust_core.records import ConsumerRecord, Headers, TopicPartition

if TYPE_CHECKING:
    from faust_core.stream import Stream, StreamRuntime
    from faust_core.topics import Topic

__all__ = ["FromIterable", "LocalSource", "aiterator"]

NOWHERE = TopicPartition("(iterable)", 0)


class LocalBatch:
    """One value as a batch of one record, which has no bytes: `values` holds the value itself."""

    __slots__ = ("_timestamp_ms", "_value", "offsets")

    tp = NOWHERE
    keys: tuple[None] = (None,)

    def __init__(self, value: Any, offset: int) -> None:
        self._value = value
        self._timestamp_ms = int(time.time() * 1000)
        self.offsets = (offset,)

    @property
    def next_offset(self) -> int:
        return self.offsets[0] + 1

    @property
    def values(self) -> tuple[Any]:
        return (self._value,)

    @property
    def timestamps_ms(self) -> tuple[int]:
        return (self._timestamp_ms,)

    def headers(self, _index: int, /) -> Headers:
        return ()

    def record(self, _index: int, /) -> ConsumerRecord:
        value = self._value if isinstance(self._value, bytes) else None
        return ConsumerRecord(*NOWHERE, self.offsets[0], self._timestamp_ms, None, value)

    def __len__(self) -> int:
        return 1


class LocalDecoding:
    """Values are what they are."""

    by_record = False

    def __init__(self, topic: Topic[Any, Any]) -> None:
        self.app: Any = topic.app
        self.decode_failures: tuple[type[Exception], ...] = ()
        self.raw_decode: Callable[[bytes], Any] = _as_it_is
        self.raw_key_decode: Callable[[bytes], Any] = _as_it_is
        self.key_errors: tuple[type[Exception], ...] = ()
        self._topic = topic

    def decode_key(self, data: Any, _claim: Claim, _index: int | None = None) -> Any:
        return data

    def decode_value(self, data: Any, _claim: Claim) -> Any:
        return data

    def encode_key(self, key: Any) -> bytes | None:
        return self._topic.encode_key(key)

    def encode_value(self, value: Any) -> bytes | None:
        return self._topic.encode_value(value)


class LocalTask:
    """No task of the group: nothing is committed, and tables cannot be changed."""

    def __init__(self) -> None:
        self.halted = False
        self.closed = False
        self.attached: list[Attached] | None = None
        self.open_tables: Mapping[str, Any] = {}

    @property
    def partition(self) -> int:
        return 0

    def describe_missing_table(self, name: str) -> str:
        return f"table {name!r} can be changed from streams of topics only: a value of an iterable has no partition"


class LocalSource:
    """Hands out the values of an async iterator, one at a time, to the one loop that reads it."""

    def __init__(self, topic: Topic[Any, Any], values: AsyncIterator[Any]) -> None:
        self._decoding = LocalDecoding(topic)
        self._values = values
        self._next: asyncio.Task[Any] | None = None
        self._task = LocalTask()
        self._thrown: list[BaseException] = []
        self._open: dict[int, Claim] = {}
        self._claims: list[Claim] = []
        self._returned: list[Claim] = []
        self.ended = False
        self.taken = 0
        self.watch: EventWatch | None = None

    def partitions(self) -> Iterable[TopicPartition]:
        return ()

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        if previous is not None:
            self.release(previous)
        if self._thrown:
            raise self._thrown.pop(0)
        if self._returned:
            claim = self._returned.pop(0)
            again = Claim(claim.batch, 0, 1, self._task, self._decoding, self)
            again.actor = asyncio.current_task()
            self._claims.append(again)
            return again
        if self.ended:
            return None
        if self._next is None:
            self._next = asyncio.ensure_future(_take(self._values))
        timeout = None if deadline_s is None else max(0.0, deadline_s - self._decoding.app.clock.monotonic())
        try:
            done, _ = await asyncio.wait([self._next], timeout=timeout)
        except asyncio.CancelledError:
            self._next.cancel()
            self._next = None
            raise
        if not done:
            return None
        found, self._next = self._next.result(), None
        if not found:
            self.ended = True
            return None
        claim = Claim(LocalBatch(found[0], self.taken), 0, 1, self._task, self._decoding, self)
        claim.actor = asyncio.current_task()
        self.taken += 1
        self._claims.append(claim)
        return claim

    def release(self, claim: Claim, /) -> None:
        if claim in self._claims:
            self._claims.remove(claim)
            if claim.stop and (claim.start if claim.held else claim.index) < claim.stop:
                self._returned.append(claim)

    def trim(self, claim: Claim, /) -> None:
        claim.stop = claim.index

    def leave(self, claim: Claim, /) -> None:
        claim.held = False
        claim.index = claim.stop
        self.release(claim)

    def leave_all(self) -> None:
        for claim in list(self._claims):
            self.leave(claim)

    def close(self) -> None:
        self.ended = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def throw(self, error: BaseException, /) -> None:
        self._thrown.append(error)

    def hold(self, claim: Claim, /) -> None:
        self._open[claim.offset] = claim

    def ack(self, claim: Claim, offset: int, /) -> bool:
        return self._open.pop(offset, None) is claim

    def is_open(self, claim: Claim, offset: int, /) -> bool:
        return self._open.get(offset) is claim

    def in_hand(self, claim: Claim, _index: int, /) -> bool:
        return claim in self._claims

    async def undecodable(self, _claim: Claim, error: Exception, /) -> None:
        raise error


class FromIterable:
    """The origin of a stream over an iterable; all loops over the stream share its values out."""

    def __init__(self, topic: Topic[Any, Any], values: Any) -> None:
        self.topic = topic
        self.parent: Stream[Any] | None = None
        self.source: ClaimSource | None = LocalSource(topic, aiterator(values))

    async def open(self, _runtime: StreamRuntime, _owner: str) -> ClaimSource:
        assert self.source is not None
        return self.source

    def close(self) -> None:
        if self.source is not None:
            self.source.close()


def aiterator(values: Any) -> AsyncIterator[Any]:
    """Return an async iterator over an iterable or async iterable.

    Raises:
        TypeError: it is neither.
    """
    if hasattr(values, "__aiter__"):
        return aiter(values)
    iterator = iter(values)

    async def each() -> AsyncIterator[Any]:
        for value in iterator:
            yield value

    return each()


def _as_it_is(value: Any) -> Any:
    return value


async def _take(values: AsyncIterator[Any]) -> tuple[Any] | None:
    try:
        return (await anext(values),)
    except StopAsyncIteration:
        return None


if TYPE_CHECKING:
    _: type[ClaimSource] = LocalSource
