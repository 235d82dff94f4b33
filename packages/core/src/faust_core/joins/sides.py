"""The two streams of a join, and the origin of the stream that comes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from faust_core.claims import ClaimSource
from faust_core.errors import ConfigError
from faust_core.joins.buffer import BufferTable
from faust_core.joins.interval import IntervalJoin
from faust_core.stream import Repartitioned, Stream

if TYPE_CHECKING:
    from faust_core.stream import StreamRuntime
    from faust_core.topics import Topic

__all__ = ["JoinedStream", "TwoStreams", "Values", "check_keys", "check_sides"]

L = TypeVar("L")
R = TypeVar("R")


class Values(NamedTuple, Generic[L, R]):
    """A pair of values, None for the side that is missing."""

    left: L
    right: R


class TwoStreams:
    """The origin of a stream that is made of two: joined within an interval, or one beside the other."""

    #: `take` would make a list of several records of two topics
    takes = False

    def __init__(
        self,
        name: str,
        left: Stream[Any],
        right: Stream[Any],
        join: IntervalJoin | None,
        *,
        idle_s: float = 0.0,
    ) -> None:
        """Args:
        join: None hands out the values of both as they come.
        """
        self.name = name
        self.sides: Sequence[Stream[Any]] = (left, right)
        self.join = join
        self.idle_s = idle_s
        self.topic: Topic[Any, Any] = left.topic
        self.buffer = None if join is None else BufferTable(left.topic.app, name)
        self.parent: Stream[Any] | None = None
        self.source: ClaimSource | None = None

    async def open(self, runtime: StreamRuntime, _owner: str) -> ClaimSource:
        self.source = await runtime.join(self)
        return self.source

    def close(self) -> None:
        pass

    def like(self, other: TwoStreams) -> bool:
        """Whether this is the same join, declared again: an agent that is started anew declares its own anew."""
        return [s.topic.topics for s in self.sides] == [s.topic.topics for s in other.sides] and (
            (self.join is None) == (other.join is None)
            and (
                self.join is None
                or other.join is None
                or (self.join.window, self.join.mode) == (other.join.window, other.join.mode)
            )
        )


class JoinedStream(Stream[Any]):
    """A stream of pairs.

    `take` does not go with it: a list of pairs would be made of several records of two topics.  Send the pairs
    through a topic first.
    """

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many records this worker has left out of the join: `late`, `null_key`, `null_value`."""
        origin = self._origin
        assert isinstance(origin, TwoStreams)
        return Counter() if origin.join is None else origin.join.dropped


def check_sides(who: str, left: Stream[Any], right: Any) -> None:
    """Raises:
    ConfigError: these two cannot be joined; says what to do.
    """
    if not isinstance(right, Stream):
        raise ConfigError(f"{who}: {right!r} is neither a stream nor a table")
    if left.topic.app is not right.topic.app:
        raise ConfigError(f"{who}: {left} and {right} belong to different applications")
    for stream in (left, right):
        if stream.shared:
            raise ConfigError(
                f"{who}: a join needs concurrency=1 and no isolated_partitions: several actors would share the order "
                f"of {stream.topic}"
            )
        if stream.manual:
            raise ConfigError(
                f"{who}: {stream.topic} has noack(), and a join commits each record with what it brought about: leave "
                "noack out, or send the pairs to a topic and use it there"
            )
        if isinstance(stream.origin, TwoStreams):
            raise ConfigError(
                f"{who}: {stream} is joined already: send its pairs through a topic, then join what arrives there: "
                "(a.join(b, …)).group_by(…, name=…).join(c, …)"
            )
    if left is right or left.origin is right.origin:
        raise ConfigError(
            f"{who}: both sides are the same stream: join it with another one of its topic, topic.stream()"
        )


def check_keys(who: str, left: Stream[Any], right: Stream[Any]) -> None:
    """Raises:
    ConfigError: equal keys would not be equal bytes on both sides, or what is read is not known beforehand.
    """
    one, other = left.topic, right.topic
    for stream in (left, right):
        if stream.topic.pattern is not None:
            raise ConfigError(
                f"{who}: {stream.topic} is a pattern, and what waits for its partner is kept by the topic that it "
                "came from: name the topics, or say on= so that the records go through a topic"
            )
    for stream in (left, right):
        # Text and bytes go through `group_by` as they are.
        if isinstance(stream.origin, Repartitioned) and stream.topic.key_type is None:
            return
    if _name(one.key_serializer) != _name(other.key_serializer):
        raise ConfigError(
            f"{who}: the keys of {one} are written by the codec {_name(one.key_serializer)!r}, those of {other} by "
            f"{_name(other.key_serializer)!r}: equal keys would be different bytes, in different partitions. Declare "
            "both topics with the same key_serializer=, or bring one side to the other's keys with group_by"
        )
    types = (one.key_type, other.key_type)
    if None not in types and types[0] is not types[1] and set(types) != {str, bytes}:
        raise ConfigError(
            f"{who}: the keys of {one} are {_type(one.key_type)}, those of {other} are {_type(other.key_type)}: no two "
            "would be equal. Declare the same key_type=, or bring one side to the other's keys with group_by"
        )


def _name(serializer: Any) -> Any:
    return serializer if isinstance(serializer, str) else getattr(serializer, "name", serializer)


def _type(key_type: Any) -> str:
    return getattr(key_type, "__name__", repr(key_type))
