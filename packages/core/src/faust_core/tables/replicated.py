"""`app.GlobalTable`: a dict that every worker has all of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from faust_core._context import current_claim
from faust_core.errors import ConfigError, NotOwned
from faust_core.table_partition import DELETED, MISSING, TablePartition
from faust_core.tables.table import Table

__all__ = ["GlobalTable"]

K = TypeVar("K")
V = TypeVar("V")


class GlobalTable(Table[K, V]):
    """A table of which each worker keeps all partitions, for reading; it follows the changelog.

    It is changed like a `Table`, in the stream of a topic with as many partitions: the event's partition changes, and
    the worker that has it sees that at once.  The others see it after the next checkpoint.
    """

    is_global = True

    def __init__(self, *args: Any, synchronize_all_active_partitions: bool = False, **options: Any) -> None:
        """Take what `Table` takes.

        Args:
            synchronize_all_active_partitions: accepted; all partitions are always kept up to date.

        Raises:
            ConfigError: an option has a value that it cannot have.
        """
        super().__init__(*args, **options)
        self.synchronize_all_active_partitions = synchronize_all_active_partitions
        if self.use_partitioner:
            raise ConfigError(
                f"table {self.name!r}: a global table is changed in the partition of the event; leave use_partitioner "
                "out and send to an agent by key"
            )

    def visible(self) -> Iterable[TablePartition]:
        """Return all partitions, that of the event in hand first."""
        claim = current_claim.get()
        own = claim.task.open_tables.get(self.name) if claim is not None else None
        parts = [part for _, part in sorted(self._parts.items())]
        return parts if own is None else [own, *(part for part in parts if part is not own)]

    def detach(self, partition: int) -> None:
        """Another worker owns the partition; it can be read here all the same."""
        self._owners.pop(partition, None)

    def detach_all(self) -> None:
        self._parts.clear()
        self._owners.clear()

    def __getitem__(self, key: K) -> V:
        return self._or_default(key, self._find(key))

    def _delete(self, key: K) -> None:
        part = self.current_partition(change=True)
        if part.get(key) is MISSING:
            raise NotOwned(
                f"table {self.name!r} has {key!r} in another partition than {part.changelog}, that of the event"
            )
        part.dirty[key] = DELETED
