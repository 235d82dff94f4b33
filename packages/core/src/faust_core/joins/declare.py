"""What `stream.join(…)`, `stream & other` and their kin return."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from faust_core.errors import ConfigError
from faust_core.joins.interval import IntervalJoin, Pair
from faust_core.joins.sides import JoinedStream, TwoStreams, Values, check_keys, check_sides
from faust_core.joins.table_lookup import join_table
from faust_core.joins.window import LEFT, RIGHT, Mode, join_window
from faust_core.stream import SKIP, Processor, Stream
from faust_core.tables import Table
from faust_core.windows import WindowedTable

__all__ = ["CombinedStream", "Found", "combine", "join", "join_any", "run_processors"]

Joiner = Callable[[Any, Any], Any]

#: How long a side that has nothing to read is waited for before the other one is allowed to close its windows.
IDLE_S = 0.5


def join(
    left: Stream[Any],
    right: Any,
    mode: Mode,
    *,
    within: float | dt.timedelta | None = None,
    before: float | dt.timedelta | None = None,
    after: float | dt.timedelta | None = None,
    grace: float | dt.timedelta = 0.0,
    on: Any = None,
    joiner: Joiner | None = None,
    name: str | None = None,
    idle: float | dt.timedelta = IDLE_S,
) -> Stream[Any]:
    """Join a stream with another one or with a table; see `Stream.join`.

    Raises:
        ConfigError: what was asked for is no join; says which argument and why.
    """
    if joiner is not None and not callable(joiner):
        raise ConfigError(f"{left.owner}: joiner= is a function of (left, right), not {joiner!r}")
    if _is_table(right):
        given = {"within": within, "before": before, "after": after}
        unused = [option for option, value in given.items() if value is not None]
        if unused:
            raise ConfigError(
                f"{left.owner}: {', '.join(unused)} has no meaning for a join with a table: it gives what the table "
                "has when the record comes"
            )
        return join_table(left, right, mode, on=on, joiner=joiner)
    who = f"{left.owner}: join of {left.topic} and {getattr(right, 'topic', right)}"
    check_sides(who, left, right)
    window = join_window(who, within, before, after, grace)
    idle_s = idle.total_seconds() if isinstance(idle, dt.timedelta) else float(idle)
    if not 0 <= idle_s < float("inf"):
        raise ConfigError(f"{who}: idle is a number of seconds from 0 on, not {idle!r}")
    if on is not None:
        left, right = _by_keys(who, left, right, on)
    check_keys(who, left, right)
    app = left.topic.app
    name = name or f"{left.owner}-{'-'.join(left.topic.topics)}-{'-'.join(right.topic.topics)}-join"
    origin = TwoStreams(name.removeprefix(f"{app.conf.id}-"), left, right, IntervalJoin(window, mode), idle_s=idle_s)
    pairs = _PairValues(left, right, joiner)
    return JoinedStream(origin, left.runtime, owner=left.owner, processors=(pairs,))


def join_any(
    stream: Any, mode: str, right: Any, fields: tuple[Any, ...], *, explicit: bool = False, **options: Any
) -> Stream[Any]:
    """Carry out `stream.join(…)` and its kin, in each of their shapes.

    Args:
        explicit: it was called an inner join: with a table that leaves out what the table does not have.
    """
    which = Mode[mode]
    if isinstance(stream, CombinedStream):
        return stream.join_combined(which, fields if right is None else (right, *fields), **options)
    if right is None:
        raise ConfigError(f"{stream.owner}: join needs the other side: stream.join(other, within=…)")
    if fields:
        raise ConfigError(
            f"{stream.owner}: a join by fields is of two streams: "
            "(left & right).join(Left.field, Right.field, within=…)"
        )
    if which is Mode.INNER and not explicit and _is_table(right):
        which = Mode.LEFT
    return join(stream, right, which, **options)


def _is_table(right: Any) -> bool:
    return isinstance(right, (Table, WindowedTable))


def combine(streams: list[Any]) -> CombinedStream:
    """Return the stream of the values of two streams, as they come.

    Raises:
        ConfigError: these cannot be read side by side.
    """
    if len(streams) != 2:
        raise ConfigError(f"{streams[0].owner}: combine takes one other stream, not {len(streams) - 1}")
    left, right = streams
    who = f"{left.owner}: {left.topic} & {getattr(right, 'topic', right)}"
    check_sides(who, left, right)
    name = f"{left.owner}-{'-'.join(left.topic.topics)}-{'-'.join(right.topic.topics)}-combined"
    return CombinedStream(TwoStreams(name, left, right, None), left.runtime, owner=left.owner, processors=(_one_value,))


class CombinedStream(Stream[Any]):
    """`left & right`: the values of both, as they come; `join` makes pairs of them."""

    @property
    def combined(self) -> tuple[Stream[Any], Stream[Any]]:
        origin = self._origin
        assert isinstance(origin, TwoStreams)
        left, right = origin.sides
        return left, right

    def join_combined(self, mode: Mode, fields: tuple[Any, ...], **options: Any) -> Stream[Any]:
        """Join the two by a field of each, or by their keys where no fields are named."""
        left, right = self.combined
        if not fields:
            return join(left, right, mode, **options)
        if len(fields) != 2:
            raise ConfigError(f"{self.owner}: a join of two streams takes a field of each, not {len(fields)}")
        if options.get("on") is not None:
            raise ConfigError(f"{self.owner}: name the fields or on=, not both")
        models = [getattr(field, "model", None) for field in fields]
        if None not in models and models == [right.topic.value_type, left.topic.value_type] and models[0] != models[1]:
            fields = (fields[1], fields[0])
        return join(left, right, mode, on=fields, **options)


def _by_keys(who: str, left: Stream[Any], right: Stream[Any], on: Any) -> tuple[Stream[Any], Stream[Any]]:
    """Send both sides through a topic, by the keys that `on` names; a side for which it has None stays as it is."""
    keys = on if isinstance(on, tuple) else (on, on)
    if len(keys) != 2:
        raise ConfigError(f"{who}: on= is a field or function for both sides, or a tuple of one for each, not {on!r}")
    if keys == (None, None):
        raise ConfigError(f"{who}: on=(None, None) names no key: leave it out to join by the records' keys")
    sides = []
    for stream, key, which in zip((left, right), keys, ("left", "right"), strict=True):
        if key is None:
            sides.append(stream)
            continue
        ident = getattr(key, "ident", None)
        sides.append(stream.group_by(key, name=ident or f"{which}-key"))
    return sides[0], sides[1]


class Found:
    """A pair as the engine hands it out: rows, and the value of the record that has just been read.

    Attributes:
        fresh: the side whose record it is, with its value; None where the stream time alone brought the pair.
    """

    __slots__ = ("decode", "fresh", "pair", "value")

    def __init__(self, pair: Pair, fresh: int | None, value: Any, decode: Callable[[int, Any], Any]) -> None:
        self.pair = pair
        self.fresh = fresh
        self.value = value
        self.decode = decode


class _PairValues:
    """The first processor of a joined stream: rows become values, and what `joiner` makes of them."""

    def __init__(self, left: Stream[Any], right: Stream[Any], joiner: Joiner | None) -> None:
        self._processors = (left.processors, right.processors)
        self._plain = not left.processors and not right.processors
        self._joiner = joiner or Values

    def __call__(self, found: Found) -> Any:
        if self._plain:
            left, right = found.pair
            return self._joiner(
                found.value if found.fresh == LEFT else None if left is None else found.decode(LEFT, left),
                found.value if found.fresh == RIGHT else None if right is None else found.decode(RIGHT, right),
            )
        return self._processed(found)

    async def _processed(self, found: Found) -> Any:
        values = []
        for side, row in enumerate(found.pair):
            if found.fresh == side:
                value = found.value
            elif row is None:
                value = None
            else:
                value = await run_processors(self._processors[side], found.decode(side, row))
            if value is SKIP:
                return SKIP
            values.append(value)
        result = self._joiner(*values)
        return await result if inspect.isawaitable(result) else result


async def run_processors(processors: tuple[Processor, ...], value: Any) -> Any:
    """Return what a stream's operators make of a value, or `SKIP`."""
    for processor in processors:
        value = processor(value)
        if isinstance(value, Awaitable):
            value = await value
        if value is SKIP:
            return SKIP
    return value


def _one_value(found: Any) -> Any:
    """The processor of streams that stand side by side: it is what tells them from records' own bytes."""
    return found
