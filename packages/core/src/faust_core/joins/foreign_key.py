"""The join of two tables by a key in the left one's values: orders with their customers.

The left table's partition asks the partition that has the right key (see `foreign_index`), and is answered at once,
and again at each change.  An answer counts only while the row still names that key.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from faust_core.claims import Claim
from faust_core.errors import BufferFull, ConfigError, EncodeError
from faust_core.joins.foreign_index import Answer, Ask, ForeignIndex
from faust_core.joins.results import IN_DOUBT, Result, ResultTable
from faust_core.joins.table_changes import Pairs, TableChanges, check_tables, claim_in_hand, opened
from faust_core.joins.window import LEFT, Mode
from faust_core.stream import SKIP
from faust_core.table_partition import MISSING

if TYPE_CHECKING:
    from faust_core.stream import StreamRuntime
    from faust_core.tables import Table

__all__ = ["ForeignKeyJoin"]

K = TypeVar("K")
V = TypeVar("V")


class ForeignKeyJoin(TableChanges[K, V]):
    """`(key of the left table, pair)`, and `(key, None)` where there is none any more."""

    def __init__(
        self,
        left: Table[Any, Any],
        right: Table[Any, Any],
        mode: Mode,
        on: Any,
        joiner: Callable[[Any, Any], Any] | None,
        name: str | None,
    ) -> None:
        self.who = f"join of tables {left.name!r} and {getattr(right, 'name', right)!r} by a key in the left one"
        check_tables(self.who, left, right)
        if mode.keeps(1 - LEFT):
            raise ConfigError(
                f"{self.who}: a row of the right table may belong to any number of rows of the left one, and none is "
                "no row: use join, inner_join or left_join"
            )
        name = name or f"{left.name}-{right.name}-foreign-join"
        prefix = f"{left.app.conf.id}-{name}"
        self._asks, self._answers = f"{prefix}-asks-repartition", f"{prefix}-answers-repartition"
        super().__init__(name, (left,), self._answers)
        self._right = right
        self._key_of = _key_of(self.who, on)
        self._results = ResultTable(self.app, name)
        self._results.reads = self.topics
        self._pairs = Pairs(self._results, mode, joiner)
        self._index = ForeignIndex(name, self.who, right, self._asks, self._answers)
        self.derived = {self._results.changelog_topic_name: "changelog", **self._index.derived}

    def on_open(self, runtime: StreamRuntime) -> None:
        left = self.tables[0]
        runtime.keep(self._results)
        runtime.together(self.who, [], [left.name, self._results.name])
        runtime.forward(self._index, self.join_name)

    def changed(self, data: bytes | None) -> Any:
        claim = claim_in_hand()
        key = claim.key_bytes
        if key is None:
            return SKIP
        if claim.tp.topic == self._answers:
            answer = Answer.decode(data, claim)
            part = self._pairs.part(claim)
            known = part.known(claim, key)
            if known.foreign != answer.foreign:
                if known.digest == IN_DOUBT:
                    part.expect(claim, key, known)
                return SKIP  # to an earlier wish
            right = MISSING if answer.value is None else self._right.codec.decode_value(answer.value)
            return self._settle(claim, key, answer.foreign, right)
        return self._ask(claim, key, data)

    async def _ask(self, claim: Claim, key: bytes, data: bytes | None) -> Any:
        """A row of the left table has changed: ask for the key that it names now, no more for the former one."""
        left = self.tables[0]
        foreign = None if data is None else self._foreign(left.codec.decode_value(data))
        part = self._pairs.part(claim)
        before = part.known(claim, key)
        if before.foreign is not None and before.foreign != foreign:
            await self._send(claim, before.foreign, Ask(False, claim.tp.partition, key))
        if foreign is not None:
            await self._send(claim, foreign, Ask(True, claim.tp.partition, key))
            part.expect(claim, key, Result(before.digest, foreign))
            return SKIP
        return self._settle(claim, key, None, MISSING)

    def _settle(self, claim: Claim, key: bytes, foreign: bytes | None, right: Any) -> Any:
        left = self.tables[0]
        decoded = left.codec.decode_key(key)
        row = opened(claim, left).get(decoded)
        if (None if row is MISSING else self._foreign(row)) != foreign:
            part = self._pairs.part(claim)
            known = part.known(claim, key)
            if known.digest == IN_DOUBT:
                part.expect(claim, key, known)
            return SKIP  # it names another key by now; that change will be read, too
        return self._pairs.settle(claim, key, decoded, (left, self._right), (row, right), foreign)

    def _foreign(self, value: Any) -> bytes | None:
        """Return the key that a row names, as the right table writes it."""
        key = self._key_of(value)
        if inspect.isawaitable(key):
            raise ConfigError(f"{self.who}: the function of on= cannot be async")
        if key is None:
            return None
        kind = self._right.key_type
        if isinstance(kind, type) and issubclass(kind, (str, int, bytes, float)) and not isinstance(key, kind):
            raise EncodeError(
                f"{self.who}: on= gives {key!r}, and the keys of the right table are {kind.__name__}: it would be "
                "found nowhere"
            )
        return self._right.codec.encode_key(key)

    async def _send(self, claim: Claim, foreign: bytes, ask: Ask) -> None:
        producer = self.app.active_producer
        assert producer is not None, "the application runs"
        partition = self._right.hashed_partition(self._right.codec.decode_key(foreign))
        claim.wrote = claim.index
        while True:
            try:
                producer.send(self._asks, ask.encode(), foreign, partition, claim.timestamp_ms)
            except BufferFull:
                await producer.drain()
            else:
                return


def _key_of(who: str, on: Any) -> Callable[[Any], Any]:
    if isinstance(getattr(on, "field", None), str) and callable(getattr(on, "getattr", None)):
        getter: Callable[[Any], Any] = on.getattr
        return getter
    if not callable(on):
        raise ConfigError(
            f"{who}: on= is a field of the left table's values or a function that gives the right table's key, "
            f"not {on!r}"
        )
    if inspect.iscoroutinefunction(on):
        raise ConfigError(f"{who}: the function of on= cannot be async")
    function: Callable[[Any], Any] = on
    return function
