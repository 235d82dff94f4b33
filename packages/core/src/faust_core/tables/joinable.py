"""The joins of a table with another one, as methods of `Table`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from faust_core.joins import TableChanges, Values
    from faust_core.tables.table import Table

__all__ = ["JoinableTable"]

K = TypeVar("K")
V = TypeVar("V")
U = TypeVar("U")
J = TypeVar("J")


class JoinableTable(Generic[K, V]):
    """What a table can be joined with."""

    @overload
    def join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: None = None, name: str | None = None
    ) -> TableChanges[K, Values[V, U] | None]: ...

    @overload
    def join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: Callable[[V, U], J], name: str | None = None
    ) -> TableChanges[K, J | None]: ...

    def join(
        self,
        right: Table[Any, Any],
        /,
        *,
        on: Any = None,
        joiner: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> TableChanges[K, Any]:
        """Return the changes of the join with another table, to be read by an agent: `@app.agent(left.join(right))`.

        Yields `(key, (left, right))` whenever a key's pair is another than before, whichever table has changed, and
        `(key, None)` when one of the two was deleted.  A change comes after the checkpoint that wrote it; of
        several changes of a key between two checkpoints the last one counts.

        Args:
            right: a table filled with the same keys from topics with as many partitions; with `on=` any table that
                is filled by key.
            on: gives the key in the right table: a field of this table's values, or a function of a value.  None for
                a value is no key.
            joiner: makes something else of a pair; a function of (left, right), which may be async.
            name: of what is kept, in changelogs and stores; made of both tables' names where None.

        Raises:
            ConfigError: these cannot be joined; says why.
        """
        return self._join("INNER", right, on, joiner, name)

    @overload
    def inner_join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: None = None, name: str | None = None
    ) -> TableChanges[K, Values[V, U] | None]: ...

    @overload
    def inner_join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: Callable[[V, U], J], name: str | None = None
    ) -> TableChanges[K, J | None]: ...

    def inner_join(
        self,
        right: Table[Any, Any],
        /,
        *,
        on: Any = None,
        joiner: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> TableChanges[K, Any]:
        """The same as `join`."""
        return self._join("INNER", right, on, joiner, name)

    @overload
    def left_join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: None = None, name: str | None = None
    ) -> TableChanges[K, Values[V, U | None] | None]: ...

    @overload
    def left_join(
        self, right: Table[Any, U], /, *, on: Any = None, joiner: Callable[[V, U | None], J], name: str | None = None
    ) -> TableChanges[K, J | None]: ...

    def left_join(
        self,
        right: Table[Any, Any],
        /,
        *,
        on: Any = None,
        joiner: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> TableChanges[K, Any]:
        """Like `join`; where the right table has nothing the pair is `(left, None)`."""
        return self._join("LEFT", right, on, joiner, name)

    @overload
    def outer_join(
        self, right: Table[Any, U], /, *, joiner: None = None, name: str | None = None
    ) -> TableChanges[K, Values[V | None, U | None] | None]: ...

    @overload
    def outer_join(
        self, right: Table[Any, U], /, *, joiner: Callable[[V | None, U | None], J], name: str | None = None
    ) -> TableChanges[K, J | None]: ...

    def outer_join(
        self,
        right: Table[Any, Any],
        /,
        *,
        joiner: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> TableChanges[K, Any]:
        """Like `join`; where either table has nothing its place in the pair is None."""
        return self._join("OUTER", right, None, joiner, name)

    def _join(self, mode: str, right: Any, on: Any, joiner: Any, name: str | None) -> TableChanges[Any, Any]:
        from faust_core.joins import join_tables  # noqa: PLC0415  joins stand on tables

        return join_tables(self, right, mode, on=on, joiner=joiner, name=name)
