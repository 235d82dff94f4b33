"""One partition of a table: its layers over a store.

`dirty` has what changed since the last checkpoint, `staged` what is in the checkpoint that is under way; below them
are a bounded cache of decoded values, then the bytes in the store.
A key that changes fifty times between two checkpoints is encoded, logged and stored once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

from faust_core.claims import TaskView
from faust_core.errors import DecodeError, EncodeError
from faust_core.protocols.store import Change, Store
from faust_core.records import TopicPartition
from faust_core.table_codec import TableCodec, WindowedCodec, deleted_keys, hashable
from faust_core.table_metrics import PartitionMetrics
from faust_core.table_overlay import DELETED, MISSING, Overlay
from faust_core.table_watch import TableWatch, watched

__all__ = [
    "DELETED",
    "MISSING",
    "PartitionedTable",
    "TableCodec",
    "TablePartition",
    "UnwritableChange",
    "WindowedCodec",
    "hashable",
]

log = logging.getLogger(__name__)

Values = list[bytes | None]

COUNTED = ("reads", "keys_read", "scans", "batches", "changes", "read_s", "write_s")


class UnwritableChange(EncodeError):
    """A checkpoint came upon a change that cannot be encoded; whose event made it is no longer known.

    Attributes:
        table: whose change it is.
    """

    def __init__(self, reason: str, table: PartitionedTable) -> None:
        super().__init__(reason)
        self.table = table


class PartitionedTable(Protocol):
    """What a partition knows of its table.

    Attributes:
        strict: each change is encoded when it is made, as one of an earlier checkpoint could not be.
        overlay_type: what holds uncommitted changes; None for a plain dict.
        observer: told of each change.
        on_changelog_event: told of each changelog record that is read.
        watch: told of each look and change where a sensor wants to know; None where none does.
        batch_size: how many changelog records are applied to the store at once; None for as many as are read at once.
    """

    name: str
    strict: bool
    overlay_type: type[Overlay] | None
    observer: Callable[[Any, Any, Any], Any] | None
    on_changelog_event: Callable[[Any], Any] | None
    watch: TableWatch | None

    def batch_size(self, *, standby: bool) -> int | None: ...

    def attach(self, partition: int, part: TablePartition, owner: TaskView | None = None, /) -> None: ...

    def detach(self, partition: int, /) -> None: ...

    def taken_over(self, part: TablePartition, /) -> None: ...

    def be_strict(self) -> None:
        """Encode each change when it is made, from the next checkpoint or rewind on."""
        ...


class TablePartition:
    """One partition of a table on a worker.  The event loop's thread alone calls it.

    A windowed table's partitions are `faust_core.windows.partition.WindowedPartition`s.

    Attributes:
        resident: whether its task should be where its data is: not where every worker reaches the store, or has all
            partitions.
        remote: whether reading from the store is a round trip.
        caught_up: where the store follows the changelog all the time, waits until it is at an offset; else None, and
            a checkpoint's changes are applied by the checkpoint.
    """

    #: Its changes may be durable only once everything that was sent before the checkpoint is.
    after_outputs = False

    __slots__ = (
        "_cache_size",
        "_closed",
        "_encoded",
        "_fetched",
        "_old",
        "_outside",
        "_outside_staged",
        "_young",
        "caught_up",
        "changelog",
        "closing",
        "codec",
        "dirty",
        "fetched_used",
        "on_change",
        "remote",
        "resident",
        "staged",
        "store",
        "table",
        "version",
    )

    def __init__(
        self,
        table: PartitionedTable,
        store: Store,
        codec: TableCodec,
        changelog: TopicPartition,
        cache_size: int,
        *,
        resident: bool = True,
        remote: bool = False,
    ) -> None:
        self.table = table
        self.store = store
        self.codec = codec
        self.changelog = changelog
        self.resident = resident
        self.remote = remote
        self.caught_up: Callable[[int], Awaitable[None]] | None = None
        self.on_change = table.observer
        #: in strict mode, the bytes of what is in `dirty` and `staged`
        self._encoded: dict[Any, Change] = {}
        #: changes made outside of events, which no rewind repeats: uncommitted, and in the checkpoint under way
        self._outside: dict[Any, Any] = {}
        self._outside_staged: dict[Any, Any] = {}
        #: who hands out the windows that are over; None where nobody waits for them
        self.closing: Any = None
        # Two generations: when the young one is full it becomes the old one.  Bounded, and no bookkeeping per read.
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._cache_size = max(1, cache_size // 2)
        #: read ahead of use: the bytes in the store, None where it has none
        self._fetched: dict[Any, bytes | None] = {}
        self.fetched_used = 0
        #: grows whenever the store is written to
        self.version = 0
        self._closed = False
        self.dirty: dict[Any, Any] = self._overlay({})
        self.staged: dict[Any, Any] = {}

    @property
    def strict(self) -> bool:
        return self.table.strict

    def _overlay(self, changes: dict[Any, Any]) -> dict[Any, Any]:
        """Return a place for uncommitted changes, with these in it."""
        kind = self.table.overlay_type or (Overlay if self.strict or self.on_change is not None else None)
        if self.table.watch is not None:
            kind = watched(kind or Overlay)
        return changes if kind is None else kind(self, changes)

    def keep_encoded(self, key: Any, value: Any) -> None:
        self._encoded[key] = self._encode(key, value)

    def _encode(self, key: Any, value: Any) -> Change:
        return self.codec.encode_key(key), None if value is DELETED else self.codec.encode_value(value)

    def change_outside(self, key: Any, value: Any) -> None:
        """Change a key where no event is in hand.  It belongs to the next checkpoint; a rewind keeps it.

        Raises:
            EncodeError: the key or the value cannot be written.
        """
        self._encode(key, value)
        self.dirty[key] = value
        self._outside[key] = value

    # -- reading

    def get(self, key: Any) -> Any:
        """Return the value of `key`, or `MISSING`."""
        value = self.dirty.get(key, MISSING)
        if value is MISSING:
            value = self.settled(key)
        return MISSING if value is DELETED else value

    def settled(self, key: Any) -> Any:
        """Look below the uncommitted changes."""
        # Layer by layer, as a loop over them costs more than what it does.
        if self.staged:
            value = self.staged.get(key, MISSING)
            if value is not MISSING:
                return value
        value = self._young.get(key, MISSING)
        if value is not MISSING:
            return value
        value = self._old.get(key, MISSING)
        if value is MISSING:
            if self._fetched and key in self._fetched:
                data = self._fetched[key]
                self.fetched_used += 1
                if data is not None:
                    del self._fetched[key]
            else:
                data = self.store.get(self.codec.encode_key(key))
            if data is None:
                return MISSING
            value = self.codec.decode_value(data)
        self._remember(key, value)
        return value

    def _remember(self, key: Any, value: Any) -> None:
        self._young[key] = value
        if len(self._young) >= self._cache_size:
            self._old = self._young
            self._young = {}

    def unread(self, keys: Iterable[Any]) -> list[Any]:
        """Return those of `keys`, each once, that only the store can tell."""
        layers = (self.dirty, self.staged, self._young, self._old, self._fetched)
        return [key for key in dict.fromkeys(keys) if not any(key in layer for layer in layers)]

    async def read_ahead(
        self,
        keys: Iterable[Any],
        in_thread: Callable[[Callable[[], Values]], Awaitable[Values]],
    ) -> int:
        """Read `keys` from the store on a thread, so that `get` finds them here.  Returns how many were read.

        Nothing is kept where the store was written to meanwhile.

        Raises:
            EncodeError: a key cannot be written.
            StoreError: the store cannot be read.
        """
        wanted = self.unread(keys)
        if not wanted:
            return 0
        encoded = [self.codec.encode_key(key) for key in wanted]
        version, store = self.version, self.store
        values = await in_thread(lambda: store.get_many(encoded))
        if version == self.version and not self._closed:
            if len(self._fetched) + len(wanted) > 2 * self._cache_size:
                self._fetched = {}
            self._fetched.update(zip(wanted, values, strict=True))
        return len(wanted)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Yield decoded keys and values, uncommitted changes included, in no particular order."""
        over = {**self.staged, **self.dirty}
        for key_bytes, value_bytes in self.rows():
            key = self.codec.decode_key(key_bytes)
            if key not in over:
                yield key, self.codec.decode_value(value_bytes)
        for key, value in over.items():
            if value is not DELETED:
                yield key, value

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and values in the store, as bytes."""
        return self.store.scan()

    def metrics(self) -> PartitionMetrics:
        """Measure.  May be called on any thread, as a store may be a round trip away.

        Raises:
            StoreError: the store cannot be reached, or was closed.
        """
        store = self.store
        measure = getattr(store, "metrics", None)
        counted = {name: getattr(store, name, 0) for name in COUNTED}
        return PartitionMetrics(
            changelog_offset=store.changelog_offset,
            uncommitted=len(self.dirty) + len(self.staged),
            cached=len(self._young) + len(self._old),
            store={} if measure is None else measure(),
            **counted,
        )

    # -- the checkpoint's side

    @property
    def changed(self) -> bool:
        """Whether there is something for a checkpoint to write."""
        return bool(self.dirty or self.staged)

    @property
    def pressing(self) -> bool:
        """Whether work waits for the next checkpoint."""
        return False

    def indexed(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Return the changes of the changelog as the local store takes them."""
        return changes

    def stage(self) -> list[Change]:
        """Move the uncommitted changes into the checkpoint, and return them as bytes.

        Raises:
            UnwritableChange: one of them cannot be encoded.
        """
        if self.dirty:
            self.staged = self._overlay({**self.staged, **self.dirty}) if self.staged else self.dirty
            self.dirty = self._overlay({})
        if self._outside:
            self._outside_staged |= self._outside
            self._outside = {}
        try:
            if self._encoded:
                return [self._encoded.get(key) or self._encode(key, value) for key, value in self.staged.items()]
            return self.codec.encode_changes(self.staged)
        except EncodeError as exc:
            raise UnwritableChange(str(exc), self.table) from exc

    def start_closing(self, task: TaskView, subscriptions: Collection[Any]) -> None:
        """Hand the windows that are over to `subscriptions`, from the first one on that is not closed."""

    def stop_closing(self) -> None:
        """Hand out no more."""

    def unstage(self) -> None:
        """The checkpoint did not come about: its changes are uncommitted again."""
        if self.staged:
            self.dirty = self._overlay({**self.staged, **self.dirty})
            self.staged = {}
        self._outside = self._outside_staged | self._outside
        self._outside_staged = {}

    def settle(self) -> None:
        """The checkpoint's changes are in the store."""
        staged, self.staged = self.staged, {}
        self._outside_staged = {}
        self.version += 1
        self._fetched = {key: data for key, data in self._fetched.items() if key not in staged} if self._fetched else {}
        if self._encoded:
            self._encoded = {key: change for key, change in self._encoded.items() if key in self.dirty}
        if len(staged) > self._cache_size:
            self._young, self._old = {}, {}
            return
        # What is in the young generation hides what the old one has of the same keys.
        self._young.update(staged)
        for key in deleted_keys(staged):
            del self._young[key]
            self._old.pop(key, None)
        if len(self._young) >= self._cache_size:
            self._old, self._young = self._young, {}

    def rewind(self, *, committed: bool = False) -> None:
        """Forget what events have changed since the last commit: they are repeated.  Other changes are kept.

        Args:
            committed: what was staged is in the changelog, and comes to the store from there.
        """
        outside = self._outside if committed else self._outside_staged | self._outside
        self.discard()
        self._outside = outside
        self.dirty = self._overlay(dict(outside))

    def discard(self) -> None:
        """Forget what is not committed."""
        self._encoded = {}
        self._outside = {}
        self._outside_staged = {}
        self.dirty = self._overlay({})
        self.staged = {}
        self.version += 1

    def forget_cache(self, keys: Sequence[bytes] | None = None) -> None:
        """The store was changed by others than the checkpoint: in `keys`, or anywhere."""
        self._fetched = {}
        self.version += 1
        if not self._young and not self._old:
            return
        try:
            changed = None if keys is None else [self.codec.decode_key(key) for key in keys]
        except DecodeError:
            changed = None
        if changed is None:
            self._young, self._old = {}, {}
            return
        for key in changed:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def close(self) -> None:
        self.discard()
        self.forget_cache()
        if not self._closed:
            self._closed = True
            self.store.close()
