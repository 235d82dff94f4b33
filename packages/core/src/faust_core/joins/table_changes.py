"""The join of two tables: a stream of what changes of it, whichever table has changed.

A table's changes are read where they are durable, from its changelog; so they come after the checkpoint that wrote
them, several changes of one key between two checkpoints as one.  What is handed out is what both tables have for the
key at that moment.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.errors import ConfigError
from faust_core.joins.results import Result, ResultPartition, ResultTable, digest
from faust_core.joins.sides import Values
from faust_core.joins.window import LEFT, RIGHT, Mode
from faust_core.stream import SKIP, Stream
from faust_core.table_partition import MISSING, TablePartition
from faust_core.tables import GlobalTable, SetTable, Table
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.stream import StreamRuntime

__all__ = ["JoinOfTables", "TableChanges", "check_tables"]

K = TypeVar("K")
V = TypeVar("V")


class TableChanges(Topic[K, tuple[K, V]], Generic[K, V]):
    """Changelogs of tables, read as a topic by an agent: `@app.agent(orders.join(customers))`.

    Yields `(key, value)` for each change.  One agent reads it, with concurrency=1.
    """

    single_actor = True

    def __init__(self, name: str, tables: Sequence[Table[Any, Any]], *others: str) -> None:
        """Args:
        others: topics besides the changelogs; with as many partitions as the first table.
        """
        app = tables[0].app
        super().__init__(
            app,
            *(table.changelog_topic_name for table in tables),
            *others,
            key_serializer="raw",
            value_serializer="raw",
            internal=True,
            allow_empty=True,
        )
        self.join_name = name
        self.tables = tables
        self.sized_like: Mapping[str, Table[Any, Any]] = {
            **dict.fromkeys(others, tables[0]),
            **{table.changelog_topic_name: table for table in tables},
        }
        self.processors = (self.changed,)

    def __str__(self) -> str:
        return self.join_name

    def changed(self, data: bytes | None) -> Any:
        """Return what a record brings, or `SKIP`."""
        raise NotImplementedError

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any:  # noqa: ARG002
        return None if data is None else self.tables[0].codec.decode_key(data)

    async def send(self, **_options: Any) -> NoReturn:
        raise ConfigError(f"{self.join_name}: the changes of tables can be read only; change the tables")

    def derive(self, **_options: Any) -> NoReturn:
        raise ConfigError(
            f"{self.join_name}: a join of tables goes through a topic by hand: send what it yields to a topic with the "
            "key that you want, `async for key, value in changes: await topic.send(key=…, value=value)`"
        )

    def __aiter__(self) -> AsyncIterator[tuple[K, V]]:
        raise ConfigError(
            f"{self.join_name}: read the join of tables in an agent, which is there when the worker restores its "
            "tables: @app.agent(left.join(right))"
        )


class JoinOfTables(TableChanges[K, V]):
    """The join of tables with equal keys: `(key, pair)`, and `(key, None)` where there is none any more."""

    def __init__(
        self,
        left: Table[Any, Any],
        right: Table[Any, Any],
        mode: Mode,
        joiner: Callable[[Any, Any], Any] | None,
        name: str | None,
    ) -> None:
        self.who = f"join of tables {left.name!r} and {getattr(right, 'name', right)!r}"
        check_tables(self.who, left, right)
        if left is right:
            raise ConfigError(f"{self.who}: both are the same table")
        check_table_keys(self.who, left, right)
        super().__init__(name or f"{left.name}-{right.name}-join", (left, right))
        self._results = ResultTable(self.app, self.join_name)
        self._results.reads = self.topics
        self._pairs = Pairs(self._results, mode, joiner)
        self.derived = {self._results.changelog_topic_name: "changelog"}

    def on_open(self, runtime: StreamRuntime) -> None:
        left, right = self.tables
        runtime.keep(self._results)
        runtime.together(self.who, [], [left.name, right.name, self._results.name])

    def changed(self, data: bytes | None) -> Any:  # noqa: ARG002  the tables have it, or something newer
        claim = claim_in_hand()
        left, right = self.tables
        data_key = claim.key_bytes
        if data_key is None:
            return SKIP
        key = left.codec.decode_key(data_key)
        values = (opened(claim, left).get(key), opened(claim, right).get(key))
        return self._pairs.settle(claim, data_key, key, (left, right), values)


class Pairs:
    """Tells what is new of the pair of a key, and remembers it."""

    def __init__(self, results: ResultTable, mode: Mode, joiner: Callable[[Any, Any], Any] | None) -> None:
        self._results = results
        self._mode = mode
        self._joiner = joiner or Values

    def part(self, claim: Claim) -> ResultPartition:
        """Return what the task in hand has handed out."""
        part = opened(claim, self._results)
        assert isinstance(part, ResultPartition)
        return part

    def settle(
        self,
        claim: Claim,
        key_bytes: bytes,
        key: Any,
        tables: tuple[Table[Any, Any], Table[Any, Any]],
        values: tuple[Any, Any],
        foreign: bytes | None = None,
    ) -> Any:
        """Return (key, pair) where the pair is another than before, (key, None) where it is gone, else `SKIP`.

        Args:
            values: `MISSING` for what a table does not have.
            foreign: to be remembered, too.
        """
        part = self.part(claim)
        before = part.known(claim, key_bytes)
        there = [value is not MISSING for value in values]
        # What is missing is made up for where the side that *is* there may be alone.
        exists = all(there) or (there[LEFT] and self._mode.keeps(LEFT)) or (there[RIGHT] and self._mode.keeps(RIGHT))
        now, pair = b"", None
        if exists:
            now = digest(
                *(table.codec.encode_value(v) if v is not MISSING else None for table, v in zip(tables, values))  # noqa: B905
            )
        result = Result(now, foreign)
        if result != before:
            part.expect(claim, key_bytes, result)
        if now == before.digest:
            return SKIP
        if exists:
            pair = self._joiner(*(None if value is MISSING else value for value in values))
            if inspect.isawaitable(pair):
                return _awaited(key, pair)
        return key, pair


async def _awaited(key: Any, pair: Awaitable[Any]) -> tuple[Any, Any]:
    return key, await pair


def claim_in_hand() -> Claim:
    claim = current_claim.get()
    assert claim is not None, "processors run inside an iteration"
    return claim


def opened(claim: Claim, table: Table[Any, Any]) -> TablePartition:
    """Return the task's partition of a table.

    Raises:
        FencedError: it was taken away.
        PartitionsMismatch: the table is not partitioned like the topic in hand.
    """
    part: TablePartition = claim.task.open_tables.get(table.name) or table.current_partition()
    return part


def check_tables(who: str, left: Any, right: Any) -> None:
    """Raises:
    ConfigError: one of them is no table that can be joined; says what to do.
    """
    if isinstance(right, Stream):
        raise ConfigError(f"{who}: a table is joined with a table; with a stream it is stream.join(table)")
    for table in (left, right):
        if not isinstance(table, Table):
            raise ConfigError(f"{who}: {table!r} is no table of app.Table")
        if table.window is not None:
            raise ConfigError(f"{who}: {table.name!r} has windows: a key of it has many values at once")
        if isinstance(table, SetTable):
            raise ConfigError(f"{who}: {table.name!r} is a table of sets, whose changes are single elements")
        if isinstance(table, GlobalTable):
            raise ConfigError(
                f"{who}: {table.name!r} is a global table: join a stream with it, which looks it up, "
                "or declare it with app.Table"
            )
    if left.app is not right.app:
        raise ConfigError(f"{who}: they belong to different applications")


def check_table_keys(who: str, left: Table[Any, Any], right: Table[Any, Any]) -> None:
    """Raises:
    ConfigError: no key of one would be equal to one of the other.
    """
    formats = [table.info()["key_serializer"] for table in (left, right)]
    if formats[0] != formats[1]:
        raise ConfigError(
            f"{who}: keys of the one are written as {formats[0]!r}, of the other as {formats[1]!r}: no two would be "
            "equal. Declare both with the same key_serializer="
        )
    types = [table.key_type for table in (left, right)]
    if None not in types and types[0] is not types[1]:
        names = [getattr(kind, "__name__", repr(kind)) for kind in types]
        raise ConfigError(
            f"{who}: keys of the one are {names[0]}, of the other {names[1]}: no two would be equal. Declare the same "
            "key_type=, or say with on= which key of the right table a value of the left one names"
        )
