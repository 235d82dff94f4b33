"""`app.SetTable` and `app.SetGlobalTable`: a set for each key, logged and stored element by element."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSet
from collections.abc import Set as AbstractSet
from typing import Any, Generic, NoReturn, Self, TypeVar

from faust_core.errors import ConfigError, QueryError
from faust_core.table_codec import TableCodec
from faust_core.table_overlay import DELETED, MISSING
from faust_core.table_partition import TablePartition
from faust_core.tables.replicated import GlobalTable
from faust_core.tables.selection import Rows
from faust_core.tables.set_codec import ELEMENTS, OLD_RECORDS, RawKey, SetCodec, SetOverlay
from faust_core.tables.set_manager import SetManager
from faust_core.tables.set_queries import QueriedSets
from faust_core.tables.table import Table

__all__ = ["SetGlobalTable", "SetTable", "SetView"]

K = TypeVar("K")
E = TypeVar("E")
S = TypeVar("S")

SUFFIX = "-setmanager"


class SetView(MutableSet[E], Generic[E]):
    """The set of one key, as `set_table[key]`: reads and changes go to the table.

    Adding or discarding an element costs the same however large the set is; the length and iterating take time in
    proportion to it.
    """

    __slots__ = ("_table", "key")

    def __init__(self, table: SetTable[Any, E], key: Any) -> None:
        self._table = table
        self.key = key

    def is_of(self, table: Any, key: Any) -> bool:
        """Whether this is the set of `key` in `table`."""
        return self._table is table and bool(self.key == key)

    @classmethod
    def _from_iterable(cls, elements: Iterable[S]) -> set[S]:
        return set(elements)

    # -- reading

    def __contains__(self, element: object) -> bool:
        at = (self.key, element)
        return any(part.get(at) is not MISSING for part in self._table.visible())

    def __iter__(self) -> Iterator[E]:
        for part in self._table.visible():
            yield from self._table.elements(part, self.key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), MISSING) is not MISSING

    def copy(self) -> set[E]:
        return set(self)

    def union(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).union(*others)

    def intersection(self, *others: Iterable[Any]) -> set[E]:
        return set(self).intersection(*others)

    def difference(self, *others: Iterable[Any]) -> set[E]:
        return set(self).difference(*others)

    def symmetric_difference(self, other: Iterable[Any]) -> set[Any]:
        return set(self).symmetric_difference(other)

    def issubset(self, other: Iterable[Any]) -> bool:
        return set(self).issubset(other)

    def issuperset(self, other: Iterable[Any]) -> bool:
        return set(self).issuperset(other)

    # -- changing

    def _part(self) -> TablePartition:
        return self._table.current_partition(change=True)

    def _here(self) -> set[E]:
        """Return the elements that can be changed: those of the event's partition."""
        return set(self._table.elements(self._table.current_partition(), self.key))

    def add(self, value: E) -> None:
        self._part().dirty[self.key, value] = True

    def discard(self, value: E) -> None:
        self._part().dirty[self.key, value] = DELETED

    def remove(self, value: E) -> None:
        part = self._part()
        if part.get((self.key, value)) is MISSING:
            raise KeyError(value)
        part.dirty[self.key, value] = DELETED

    def pop(self) -> E:
        part = self._part()
        for element in self._table.elements(part, self.key):
            part.dirty[self.key, element] = DELETED
            return element  # type: ignore[no-any-return]  # codecs return what value_type says
        raise KeyError(f"{self._table.name}[{self.key!r}] is empty")

    def clear(self) -> None:
        self.difference_update(self._here())

    def update(self, *others: Iterable[E]) -> None:
        dirty = self._part().dirty
        for other in others:
            for element in other:
                dirty[self.key, element] = True

    def difference_update(self, *others: Iterable[Any]) -> None:
        dirty = self._part().dirty
        for other in others:
            for element in list(other):
                dirty[self.key, element] = DELETED

    def intersection_update(self, *others: Iterable[Any]) -> None:
        mine = self._here()
        self.difference_update(mine - mine.intersection(*others))

    def symmetric_difference_update(self, other: Iterable[E]) -> None:
        mine, theirs = self._here(), set(other)
        self.difference_update(mine & theirs)
        self.update(theirs - mine)

    def __ior__(self, other: AbstractSet[Any]) -> Self:  # type: ignore[misc]  # wider than the abstract one
        self.update(other)
        return self

    def __isub__(self, other: AbstractSet[Any]) -> Self:
        self.difference_update(other)
        return self

    def __iand__(self, other: AbstractSet[Any]) -> Self:
        self.intersection_update(other)
        return self

    def __ixor__(self, other: AbstractSet[Any]) -> Self:  # type: ignore[misc]  # as above
        self.symmetric_difference_update(other)
        return self

    def __repr__(self) -> str:
        return repr(set(self))


class SetTable(QueriedSets[K, E], Table[K, SetView[E]]):  # type: ignore[misc]  # it answers with plain sets
    """A set for each key: `table[key].add(element)`.  `value_type` is the type of an element.

    A key is in the table while its set has an element.  In a stream's body it is the event's partition that is read
    and changed; from elsewhere `manager` sends the change to the worker that owns the key.
    """

    overlay_type = SetOverlay

    def __init__(
        self,
        *args: Any,
        start_manager: bool = False,
        manager_topic_name: str | None = None,
        manager_topic_suffix: str | None = None,
        **options: Any,
    ) -> None:
        """Take what `Table` takes, but no window and no default.

        Args:
            start_manager: have this application carry out what `manager` sends.
            manager_topic_name, manager_topic_suffix: of the topic for that, by default `{table}-setmanager`.

        Raises:
            ConfigError: an option has a value that it cannot have.
        """
        super().__init__(*args, **options)
        if self.default is not None:
            raise ConfigError(f"table {self.name!r} has sets: a missing one is empty, leave default= out")
        if self.use_partitioner:
            raise ConfigError(f"table {self.name!r} has sets: use_partitioner is not for them, table.manager is")
        self.strict = True
        self.start_manager = start_manager
        self.manager_topic_name = manager_topic_name or f"{self.name}{manager_topic_suffix or SUFFIX}"
        self._manager: SetManager[K, E] | None = None

    @property
    def manager(self) -> SetManager[K, E]:
        """What changes sets from anywhere, by way of a topic; some worker must have `start_manager=True`."""
        if self._manager is None:
            self._manager = SetManager(self, self.manager_topic_name)
        return self._manager

    def info(self) -> dict[str, Any]:
        managed = {"start_manager": self.start_manager, "manager_topic_name": self.manager_topic_name}
        return {**super().info(), **managed}

    def _make_codec(self) -> TableCodec:
        return SetCodec(self.name, *self._codec_spec)

    @property
    def sets(self) -> SetCodec:
        assert isinstance(self.codec, SetCodec)
        return self.codec

    def _split_by(self, window: Any) -> None:
        raise ConfigError(f"table {self.name!r} has sets, which are not split by {window}: use a Table")

    def taken_over(self, part: TablePartition) -> None:
        """Write the sets that the original logged anew, and delete its records: compaction would not keep them all."""
        old = [RawKey(key) for bounds in OLD_RECORDS for key, _ in part.store.scan(*bounds)]
        keys = {part.codec.decode_key(key)[1] for key in old}
        for key in keys:
            for element in list(self.elements(part, key)):
                part.change_outside((key, element), True)
        for raw in old:
            part.change_outside(raw, DELETED)

    def elements(self, part: TablePartition, key: Any) -> Iterator[Any]:
        """Yield the elements of a key in a partition, uncommitted changes included."""
        changed = self._changed(part, key)
        for row, _ in part.store.scan(*self.sets.range(key)):
            _, element = self.sets.decode_key(row)
            if element not in changed:
                yield element
        yield from (element for element, value in changed.items() if value is not DELETED)

    def _changed(self, part: TablePartition, key: Any) -> dict[Any, Any]:
        return {
            element: layer[key, element]
            for layer in (part.staged, part.dirty)
            if isinstance(layer, SetOverlay)
            for element in layer.by_key.get(key, ())
        }

    def rows_of(self, criteria: Mapping[str, bytes]) -> Rows:
        if criteria.keys() != {"of"}:
            raise QueryError(f"table {self.name!r} has sets: ask it by key", code="sets")
        return Rows(*self.sets.rows_of(criteria["of"]))

    def uncommitted(self, part: TablePartition, criteria: Mapping[str, bytes]) -> dict[Any, Any]:
        key = self.sets.decode_inner_key(criteria["of"])
        return {(key, element): value for element, value in self._changed(part, key).items()}

    # -- a dict of sets

    def __getitem__(self, key: K) -> SetView[E]:
        hash(key)
        return SetView(self, key)

    def __setitem__(self, key: K, value: SetView[E]) -> None:
        owner: Any = value
        if not isinstance(owner, SetView) or not owner.is_of(self, key):
            raise TypeError(f"{self.name}[{key!r}] is a set and cannot be assigned: use its update() or clear()")
        # Else it is `table[key] |= other`, which has changed the set already.

    def __delitem__(self, key: K) -> None:
        raise TypeError(f"{self.name}[{key!r}] is a set and cannot be deleted: use its clear()")

    def pop(self, key: K, default: Any = MISSING) -> Any:  # noqa: ARG002  there is no such thing
        raise TypeError(f"{self.name}: sets cannot be taken out: use {self.name}[{key!r}].copy() and clear()")

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the set of `key`; where it is empty add what `default` has."""
        found = self[key]
        if default is not None and not found:
            found.update(default)
        return found

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Add to the set of each key what the mapping (or the pairs) has for it."""
        for key, elements in [*(other.items() if isinstance(other, Mapping) else other), *more.items()]:
            self[key].update(elements)

    def clear(self) -> None:
        """Empty all sets of the event's partition."""
        part = self.current_partition(change=True)
        for key in list(self._keys(part)):
            for element in list(self.elements(part, key)):
                part.dirty[key, element] = DELETED

    def copy(self) -> dict[K, Any]:
        return {key: found.copy() for key, found in self.iterate_items()}

    def _find(self, key: Any) -> Any:
        found = self[key]
        return found if found else MISSING

    def iterate_items(self) -> Iterator[tuple[K, SetView[E]]]:
        for key in dict.fromkeys(key for part in self.visible() for key in self._keys(part)):
            yield key, self[key]

    def _keys(self, part: TablePartition) -> Iterator[K]:
        """Yield each key that has an element, once."""
        changed = {key for layer in (part.staged, part.dirty) if isinstance(layer, SetOverlay) for key in layer.by_key}
        last: Any = MISSING
        for row, _ in part.store.scan(*ELEMENTS):
            key, _ = self.sets.decode_key(row)
            if key != last and key not in changed:
                yield key
            last = key
        for key in changed:
            if next(self.elements(part, key), MISSING) is not MISSING:
                yield key

    async def fetch(self, key: K) -> SetView[E]:
        return self[key]

    async def fetch_many(self, keys: Iterable[K]) -> dict[K, SetView[E]]:
        return {key: self[key] for key in keys if self[key]}

    def on(self, partition: int) -> NoReturn:  # noqa: ARG002  there is no such thing
        raise TypeError(f"{self.name} has sets: change them outside of a stream by `await table.manager.add(…)`")


class SetGlobalTable(SetTable[K, E], GlobalTable[K, SetView[E]]):  # type: ignore[misc]  # as above
    """A `SetTable` of which each worker keeps all partitions, for reading."""
