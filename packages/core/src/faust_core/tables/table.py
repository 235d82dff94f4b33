"""`app.Table`: a sharded dict."""

from __future__ import annotations

import asyncio
import datetime as dt
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from faust_core._context import current_claim
from faust_core.errors import ConfigError, FencedError, NoCurrentEvent, PartitionsMismatch, QueryError, StoreClosed
from faust_core.partitioner import partition_for
from faust_core.records import TopicPartition
from faust_core.table_codec import WindowedCodec
from faust_core.table_metrics import PartitionMetrics
from faust_core.table_partition import DELETED, MISSING, TablePartition
from faust_core.tables.declared import DeclaredTable
from faust_core.tables.joinable import JoinableTable
from faust_core.tables.queries import Queried
from faust_core.tables.selection import Rows, rows_with_windows, select
from faust_core.tables.views import PartitionView, TableItems, TableValues, as_text, not_owned

if TYPE_CHECKING:
    from faust_core.windows import LateEvent, Window, WindowedTable

    OnLate = Callable[[LateEvent], Any]

__all__ = ["KeyPartitionedTable", "Table"]

K = TypeVar("K")
V = TypeVar("V")


class Table(DeclaredTable[K, V], JoinableTable[K, V], Queried[K, V], MutableMapping[K, V]):
    """A dict that survives: sharded over the workers like its topic, durable by its changelog.

    In a stream's body it is the event's partition.  Elsewhere it can be read, and shows the partitions of this
    worker; `on(partition)` changes it there.  A value changed in place is not noticed: assign it again.
    """

    # -- partitions

    def current_partition(self, *, change: bool = False) -> TablePartition:
        """Return the partition of the event in hand."""
        claim = current_claim.get()
        if claim is None:
            raise NoCurrentEvent(
                f"table {self.name!r} was changed outside of a stream: only inside `async for … in stream` is it known "
                "which partition a key belongs to. Send to an agent that makes the change, or say which one of this "
                "worker's: table.on(partition)[key] = value"
            )
        if claim.task.closed:
            raise FencedError(
                f"table {self.name!r}: {claim.tp} was taken away from this worker; the event is repeated elsewhere"
            )
        part: TablePartition | None = claim.task.open_tables.get(self.name)
        if part is None:
            raise PartitionsMismatch(claim.task.describe_missing_table(self.name))
        if change:
            claim.wrote = claim.index
        return part

    @property
    def local_partitions(self) -> frozenset[int]:
        """The partitions that this worker owns."""
        return frozenset(partition for partition, owner in self._owners.items() if not owner.closed)

    def local_partition(self, partition: int) -> TablePartition:
        """Raises:
        NotOwned: it is another worker's.
        """
        if partition not in self.local_partitions:
            raise not_owned(self, partition)
        return self._parts[partition]

    def on(self, partition: int) -> PartitionView[K, V]:
        """Return one partition as a dict, to be read and changed on its owner, with or without an event in hand.

        Its methods raise `NotOwned` where this worker is not the owner.
        """
        return PartitionView(self, partition)

    def change_on(self, partition: int, key: Any, value: Any) -> None:
        """Change a key of a partition of this worker.

        Raises:
            NotOwned: it is another worker's.
            EncodeError: the key or the value cannot be written.
        """
        part = self.local_partition(partition)
        claim = current_claim.get()
        if claim is None:
            part.change_outside(key, value)
            return
        if claim.task.closed:
            self.current_partition()
        claim.wrote = claim.index
        part.dirty[key] = value

    def partition_for_key(self, key: K) -> int:
        """Return the partition that a key belongs to.

        Inside a stream that of the event in hand.  Elsewhere, and with `use_partitioner`, the one that the key's
        hash says: with `use_partitioner` that of the key as it stands in the changelog; without, that of the key as
        records have it by default (text as UTF-8, bytes as they are).

        Raises:
            NoCurrentEvent: the application does not run, so that the number of partitions is not known.
        """
        claim = current_claim.get()
        if claim is not None and not self.use_partitioner:
            return claim.tp.partition
        if self.partition_count is None:
            raise NoCurrentEvent(f"how many partitions table {self.name!r} has is known while the application runs")
        return self.hashed_partition(key)

    def hashed_partition(self, key: K) -> int:
        """Return the partition that a key's hash says, whatever event is in hand; while the application runs."""
        assert self.partition_count is not None, "known once the application runs"
        if not self.use_partitioner and isinstance(key, str | bytes):
            return partition_for(key.encode() if isinstance(key, str) else key, self.partition_count)
        return partition_for(self.codec.encode_key(key), self.partition_count)

    def persisted_offset(self, tp: TopicPartition) -> int | None:
        """Return the offset of the last changelog record that this worker's store has; None where it has none."""
        part = self._parts.get(tp.partition)
        if part is None or tp.topic != self.changelog_topic_name:
            return None
        offset = part.store.changelog_offset
        return None if not offset else offset - 1

    def reset_state(self) -> None:
        """Delete this worker's local state of the table; the next start restores it from the changelog.

        Raises:
            ConfigError: the table is in use.
            StoreLocked: another process has it open.
        """
        if self._parts:
            raise ConfigError(f"table {self.name!r} is in use: stop the application before its state is deleted")
        backend = self.app.make_store_backend(self.store)
        try:
            for name, partition in backend.stored():
                if name == self.name:
                    backend.destroy(name, partition)
        finally:
            backend.close()

    # -- a dict

    def __getitem__(self, key: K) -> V:
        claim = current_claim.get()
        if claim is None:
            value = self._find(key)
        else:
            part = claim.task.open_tables.get(self.name) or self.current_partition()
            value = part.dirty.get(key, MISSING)
            if value is MISSING:
                value = part.settled(key)
        if value is MISSING or value is DELETED:
            if self.default is None:
                raise KeyError(key)
            return self.default()
        return value  # type: ignore[no-any-return]  # layers hold decoded values of V

    def _or_default(self, key: K, value: Any) -> V:
        if value is not MISSING:
            return value  # type: ignore[no-any-return]  # as above
        if self.default is None:
            raise KeyError(key)
        return self.default()

    def __setitem__(self, key: K, value: V) -> None:
        claim = current_claim.get()
        part = claim.task.open_tables.get(self.name) if claim is not None else None
        if claim is None or part is None:
            part = self.current_partition(change=True)
        else:
            claim.wrote = claim.index
        if value.__class__ not in self._known:
            self._try(key, value)
        part.dirty[key] = value

    def _try(self, key: K, value: V) -> None:
        """Encode the first value of a type, so that its event fails rather than the checkpoint.

        Raises:
            EncodeError: the key or the value cannot be written.
        """
        self.codec.encode_key(key)
        self.codec.encode_value(value)
        self._known.add(type(value))

    def _find(self, key: Any) -> Any:
        """Return the value of `key` in any of the partitions to be seen, or `MISSING`."""
        for part in self.visible():
            value = part.get(key)
            if value is not MISSING:
                return value
        return MISSING

    def visible(self) -> Iterable[TablePartition]:
        """Return what is to be seen of the table here: the event's partition, or all of this worker."""
        return [self.current_partition()] if current_claim.get() is not None else list(self._parts.values())

    def _check_changeable(self) -> None:
        self.current_partition()

    def _delete(self, key: K) -> None:
        self.current_partition(change=True).dirty[key] = DELETED

    def __delitem__(self, key: K) -> None:
        self._check_changeable()
        if self._find(key) is MISSING:
            raise KeyError(key)
        self._delete(key)

    def __contains__(self, key: object) -> bool:
        return self._find(key) is not MISSING

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.iterate_items())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> TableItems[K, V]:
        """Return keys and values of this worker's partitions (of the event's partition inside a stream)."""
        return TableItems(self)

    def values(self) -> TableValues[V]:
        """Return the values that `items()` has."""
        return TableValues(self)

    def iterate_items(self) -> Iterator[tuple[K, V]]:
        for part in self.visible():
            yield from part.items()

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, or `default`; the table's own default is not used."""
        value = self._find(key)
        return default if value is MISSING else value

    def pop(self, key: K, default: Any = MISSING) -> Any:
        self._check_changeable()
        value = self._find(key)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(key)
            return default
        self._delete(key)
        return value

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`; where it has none, set it to `default`, not to the table's own."""
        value = self._find(key)
        if value is MISSING:
            self[key] = value = default
        return value

    def clear(self) -> None:
        """Delete all keys of the event's partition."""
        part = self.current_partition(change=True)
        for key, _ in list(part.items()):
            part.dirty[key] = DELETED

    def copy(self) -> dict[K, V]:
        """Return what `items()` has as a plain dict."""
        return dict(self.iterate_items())

    def __or__(self, other: Any) -> dict[K, V]:
        return {**self.copy(), **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> dict[K, V]:
        return {**other, **self.copy()} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    # -- without holding the event loop up

    async def fetch(self, key: K) -> V:
        """Return `table[key]`, read on a thread: for stores that are a round trip away."""
        await self._read_ahead([key])
        return self[key]

    async def fetch_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Return the values of those `keys` that have one, read all at once on a thread.

        Reading or changing one of them right afterwards takes no round trip, whether it was there or not.
        """
        wanted = list(dict.fromkeys(keys))
        await self._read_ahead(wanted)
        found = ((key, self._find(key)) for key in wanted)
        return {key: value for key, value in found if value is not MISSING}

    async def metrics(self) -> dict[int, PartitionMetrics]:
        """Return what can be measured of each partition that this worker has, standbys left out.

        Raises:
            StoreError: a store cannot be reached.
        """
        found = {}
        for partition, part in sorted(self._parts.items()):
            with suppress(StoreClosed):  # taken away meanwhile
                found[partition] = await asyncio.to_thread(part.metrics)
        return found

    async def _read_ahead(self, keys: Iterable[K]) -> None:
        wanted = list(keys)
        for part in self.visible():
            await part.read_ahead(wanted, asyncio.to_thread)

    def as_ansitable(
        self, *, title: str = "", key: str = "Key", value: str = "Value", sort: bool = False, sortkey: Any = None
    ) -> str:
        """Return the keys and values to be seen here as a table of text.

        Args:
            title, key, value: headings.
            sort: by key; by `sortkey` of (key, value) where that is given.
        """
        rows: list[tuple[K, V]] = list(self.iterate_items())
        if sort:
            rows.sort(key=sortkey or (lambda row: row[0]))
        return as_text([(key, value), *((str(k), str(v)) for k, v in rows)], title or self.name)

    # -- for those who ask from elsewhere

    def rows_of(self, criteria: Mapping[str, bytes]) -> Rows:
        """Return which rows of a partition a scan wants.

        Raises:
            QueryError: a criterion that is none.
            DecodeError: one that is no key of this table.
        """
        if self.window is not None:
            if criteria and criteria.keys() != {"of"}:
                raise QueryError(f"table {self.name!r} is windowed: ask it by key and time", code="windowed")
            return rows_with_windows(criteria.get("of"))
        return select(self.codec, self._codec_spec[0][0], criteria)

    def uncommitted(self, part: TablePartition, criteria: Mapping[str, bytes]) -> dict[Any, Any]:
        """Return a copy of the changes that are not in the store yet, those that `criteria` select at least."""
        changes = {**part.staged, **part.dirty}
        if isinstance(self.codec, WindowedCodec) and "of" in criteria:
            inner = self.codec.decode_inner_key(criteria["of"])
            return {key: value for key, value in changes.items() if key[0] == inner}
        return changes

    # -- windows

    def tumbling(
        self,
        size: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into windows of `size` that follow each other.

        Args:
            size: seconds, or a timedelta.
            expires: how long a window is kept after its end, in stream time; for ever where None, or until it is
                closed where somebody waits for that.
            grace: how long after its end a window still takes late events, in stream time.
            on_late: called with a `LateEvent` for each change that came later than that.
        """
        from faust_core.windows import TumblingWindow  # noqa: PLC0415  windows stand on tables

        return self.using_window(TumblingWindow(size, expires, grace), key_index=key_index, on_late=on_late)

    def hopping(
        self,
        size: float | dt.timedelta,
        step: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into windows of `size` that begin every `step`; they overlap."""
        from faust_core.windows import HoppingWindow  # noqa: PLC0415

        return self.using_window(HoppingWindow(size, step, expires, grace), key_index=key_index, on_late=on_late)

    def sliding(
        self,
        before: float | dt.timedelta,
        after: float | dt.timedelta,
        expires: float | dt.timedelta,
        key_index: bool = False,
        *,
        merge: Callable[[V, V], V] = operator.add,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table with, at each time, what happened from `before` until `after` it, merged by `merge`."""
        from faust_core.windows import SlidingWindow  # noqa: PLC0415

        window = SlidingWindow(before, after, expires, merge=merge)
        return self.using_window(window, key_index=key_index, on_late=on_late)

    def session(
        self,
        gap: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        merge: Callable[[V, V], V] = operator.add,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into sessions: events of a key, none more than `gap` after the one before.

        Args:
            merge: makes one value of those of two sessions, the earlier one first, when an event joins them.
        """
        from faust_core.windows import SessionWindow  # noqa: PLC0415

        window = SessionWindow(gap, expires, grace, merge=merge)
        return self.using_window(window, key_index=key_index, on_late=on_late)

    def using_window(
        self, window: Window, *, key_index: bool = False, on_late: OnLate | None = None
    ) -> WindowedTable[K, V]:
        """Return this table split by `window`.

        Args:
            key_index: `items()` shows the keys and values of one window, not all windows.

        Raises:
            ConfigError: it is split by another window already, is in use, or has keys that are not written as JSON.
        """
        from faust_core.windows import split  # noqa: PLC0415

        self._split_by(window)
        return split(self, window, key_index=key_index, on_late=on_late)

    __hash__ = DeclaredTable.__hash__
    __eq__ = DeclaredTable.__eq__


class KeyPartitionedTable(Table[K, V]):
    """A table with `use_partitioner`: a key is in the partition that its hash says, whatever event is in hand.

    It can be changed outside of events as well, by the worker that has the key's partition.
    """

    def _split_by(self, window: Window) -> None:
        raise ConfigError(f"table {self.name!r}: use_partitioner and {window} do not go together")

    def visible(self) -> Iterable[TablePartition]:
        return list(self._parts.values())

    def _find(self, key: Any) -> Any:
        part = self._parts.get(self.partition_for_key(key)) if self._parts else None
        return MISSING if part is None else part.get(key)

    def __getitem__(self, key: K) -> V:
        return self._or_default(key, self._find(key))

    def __setitem__(self, key: K, value: V) -> None:
        if value.__class__ not in self._known:
            self._try(key, value)
        self.change_on(self.partition_for_key(key), key, value)

    def _check_changeable(self) -> None:
        pass

    def _delete(self, key: K) -> None:
        self.change_on(self.partition_for_key(key), key, DELETED)

    def clear(self) -> None:
        """Delete all keys of this worker's partitions."""
        for partition in self.local_partitions:
            self.on(partition).clear()
