"""What `items()`, `values()` and `on()` of a table return, and a table as text."""

from __future__ import annotations

from collections.abc import ItemsView as AbstractItemsView
from collections.abc import Iterator, MutableMapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from faust_core.errors import NotOwned
from faust_core.table_partition import DELETED, MISSING

if TYPE_CHECKING:
    from faust_core.table_partition import TablePartition
    from faust_core.tables.table import Table

__all__ = ["PartitionView", "TableItems", "TableValues", "as_text"]

K = TypeVar("K")
V = TypeVar("V")


class TableValues(ValuesView[V]):
    """`table.values()`: where several partitions have the same key, the value of each."""

    _mapping: Table[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.iterate_items())

    def __contains__(self, value: object) -> bool:
        return any(value == other for other in self)


class TableItems(AbstractItemsView[K, V]):
    """`table.items()`: iterable any number of times, each time anew."""

    _mapping: Table[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping.iterate_items()

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        value = self._mapping.get(item[0], MISSING)
        return value is not MISSING and bool(value == item[1])


class PartitionView(MutableMapping[K, V], Generic[K, V]):
    """One partition of a table on the worker that owns it, also where no event is in hand: `table.on(3)`.

    A change belongs to the next checkpoint, and is lost where the worker dies before: `await app.commit()` waits for
    one.  It is not lost where a transaction is aborted and its events are repeated.
    """

    def __init__(self, table: Table[K, V], partition: int) -> None:
        self._table = table
        self.partition = partition

    def _part(self) -> TablePartition:
        return self._table.local_partition(self.partition)

    def __getitem__(self, key: K) -> V:
        value = self._part().get(key)
        if value is MISSING:
            if self._table.default is None:
                raise KeyError(key)
            return self._table.default()
        return value  # type: ignore[no-any-return]  # layers hold decoded values of V

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, or `default`; the table's own default is not used."""
        value = self._part().get(key)
        return default if value is MISSING else value

    def setdefault(self, key: K, default: Any = None) -> Any:
        value = self.get(key, MISSING)
        if value is MISSING:
            self[key] = value = default
        return value

    def pop(self, key: K, default: Any = MISSING) -> Any:
        value = self.get(key, MISSING)
        if value is not MISSING:
            del self[key]
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def __contains__(self, key: object) -> bool:
        return self._part().get(key) is not MISSING

    def __setitem__(self, key: K, value: V) -> None:
        self._table.change_on(self.partition, key, value)

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._table.change_on(self.partition, key, DELETED)

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self._part().items())

    def __len__(self) -> int:
        return sum(1 for _ in self._part().items())

    def __repr__(self) -> str:
        return f"<{self._table.name}[{self.partition}]>"


def not_owned(table: Table[Any, Any], partition: int) -> NotOwned:
    here = ", ".join(map(str, sorted(table.local_partitions))) or "none"
    return NotOwned(
        f"partition {partition} of table {table.name!r} is not this worker's (it has: {here}): only its owner changes "
        "it. Send to an agent whose topic has the key"
    )


def as_text(rows: Sequence[tuple[str, str]], title: str) -> str:
    """Return two columns in a frame; the first row has their names."""
    split = [(key.splitlines() or [""], value.splitlines() or [""]) for key, value in rows]
    lines = [[(k[i] if i < len(k) else "", v[i] if i < len(v) else "") for i in range(max(len(k), len(v)))]
             for k, v in split]  # fmt: skip
    widths = [max(len(line[column]) for row in lines for line in row) for column in (0, 1)]
    rule = f"+{'-' * (widths[0] + 2)}+{'-' * (widths[1] + 2)}+"
    top = f"+{title[: len(rule) - 2]:-<{len(rule) - 2}}+"
    drawn = [[f"| {key:<{widths[0]}} | {value:<{widths[1]}} |" for key, value in row] for row in lines]
    return "\n".join([top, *drawn[0], rule, *(line for row in drawn[1:] for line in row), rule])
