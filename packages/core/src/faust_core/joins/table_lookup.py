"""The join of a stream with a table: each record with what the table has for its key at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from faust_core._context import current_claim
from faust_core.claims import Claim, ClaimSource
from faust_core.errors import ConfigError
from faust_core.joins.sides import Values
from faust_core.joins.window import Mode
from faust_core.stream import SKIP, Origin, Stream, StreamRuntime
from faust_core.table_partition import DELETED, MISSING
from faust_core.windows import WindowedTable

if TYPE_CHECKING:
    from faust_core.tables import Table

__all__ = ["BesideTable", "join_table"]


class BesideTable:
    """The origin of a stream that looks into a table: the same source, and a demand on the topics."""

    def __init__(self, origin: Origin, table: Table[Any, Any], who: str) -> None:
        self._origin = origin
        self._table = table
        self._who = who
        self.topic = origin.topic
        self.parent: Stream[Any] | None = None

    @property
    def source(self) -> ClaimSource | None:
        return getattr(self._origin, "source", None)

    async def open(self, runtime: StreamRuntime, owner: str) -> ClaimSource:
        source = await self._origin.open(runtime, owner)
        runtime.together(self._who, [self.topic.topics], [self._table.name])
        return source

    def close(self) -> None:
        self._origin.close()


def join_table(
    stream: Stream[Any], table: Any, mode: Mode, *, on: Any = None, joiner: Callable[[Any, Any], Any] | None = None
) -> Stream[Any]:
    """Return a stream of (value, what the table has for its key).

    Raises:
        ConfigError: the mode or the keys do not fit.
    """
    who = f"{stream.owner}: join of {stream.topic} and table {getattr(table, 'name', table)!r}"
    if mode in {Mode.RIGHT, Mode.OUTER}:
        raise ConfigError(
            f"{who}: a table's rows that no record asks for are no events: a stream is joined with a table by join, "
            "left_join or inner_join"
        )
    if isinstance(table, WindowedTable):
        raise ConfigError(f"{who}: a windowed table has many values for a key: look into it in the loop")
    if stream.topic.app is not table.app:
        raise ConfigError(f"{who}: they belong to different applications")
    is_global = getattr(table, "is_global", False)
    if on is not None and not is_global:
        # Equal keys must be in one task, so the records go where their new key belongs.
        stream = stream.group_by(on, name=getattr(on, "ident", None) or f"{table.name}-key")
        on = None
    _check_key_types(who, stream, table)
    look_up = _lookup(table, on, inner=mode is Mode.INNER, joiner=joiner)
    return Stream(
        stream.origin if is_global else BesideTable(stream.origin, table, who),
        stream.runtime,
        owner=stream.owner,
        shared=stream.shared,
        manual=stream.manual,
        concurrency_index=stream.concurrency_index,
        processors=(*stream.processors, look_up),
    )


def _check_key_types(who: str, stream: Stream[Any], table: Table[Any, Any]) -> None:
    keys = (stream.topic.key_type, table.key_type)
    if None not in keys and keys[0] is not keys[1]:
        names = [getattr(key, "__name__", repr(key)) for key in keys]
        raise ConfigError(
            f"{who}: the records' keys are {names[0]}, the table's are {names[1]}: no key would be found. Declare the "
            "same key_type=, or name the key with on="
        )


def _lookup(
    table: Table[Any, Any], on: Any, *, inner: bool, joiner: Callable[[Any, Any], Any] | None
) -> Callable[[Any], Any]:
    """Return the processor that looks a record's key up."""
    name = table.name
    text = table.key_type is not bytes
    get_claim = current_claim.get
    make = tuple.__new__
    last: Claim | None = None
    task: Any = None
    part: Any = None
    settled: Any = None
    first = 0
    keys: Sequence[Any] = ()

    def look_up(value: Any) -> Any:
        nonlocal last, task, part, settled, first, keys
        claim = get_claim()
        assert claim is not None, "processors run inside an iteration"
        if claim is not last:
            # Once per claim: what is the same for all of it, and the keys, which costs half of one by one.
            task = claim.task
            if on is None:
                part = task.open_tables.get(name) or table.current_partition()
                settled = part.settled
                first, keys = claim.index, _keys(claim, text)
            last = claim
        if task.closed:
            table.current_partition()  # says so
        if on is not None:
            found = table.get(on(value), MISSING)
        else:
            key = keys[claim.index - first]
            if key.__class__ is Undecoded:
                key = key.decode(claim)
            dirty = part.dirty
            found = dirty.get(key, MISSING) if dirty else MISSING
            if found is MISSING and key is not None:
                found = settled(key)
        if found is MISSING or found is DELETED:
            if inner:
                return SKIP
            found = None
        # Without the detour through the constructor, which costs as much as the look-up.
        return make(Values, (value, found)) if joiner is None else joiner(value, found)

    return look_up


class Undecoded:
    """A key in a claim of which one at least cannot be decoded, or is none."""

    __slots__ = ("_data", "_text")

    def __init__(self, data: bytes | None, *, text: bool) -> None:
        self._data = data
        self._text = text

    def decode(self, claim: Any) -> Any:
        """Raises:
        KeyDecodeError: the key in hand is not what the topic says.
        """
        key = None if self._data is None else claim.topic.decode_key(self._data, claim)
        return _as_text(key) if self._text and type(key) is bytes else key


def _keys(claim: Claim, text: bool) -> Sequence[Any]:
    """Return the keys of a claim, from its index on, as the table has them."""
    data = claim.batch.keys[claim.index : claim.stop]
    topic = claim.topic
    if None not in data:
        try:
            if text and topic.raw_key_decode is bytes:
                return list(map(bytes.decode, cast("Sequence[bytes]", data)))
            found = list(map(topic.raw_key_decode, cast("Sequence[bytes]", data)))
        except topic.key_errors:
            pass
        except UnicodeDecodeError:
            pass
        else:
            return [_as_text(key) if type(key) is bytes else key for key in found] if text else found
    return [Undecoded(key, text=text) for key in data]


def _as_text(key: bytes) -> Any:
    """A key of a topic without key_type is bytes; tables are filled with text, as JSON has it."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return key
