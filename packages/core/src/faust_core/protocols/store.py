"""Where the partitions of tables are kept: bytes only, one store per table partition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "Change",
    "MeasuredStore",
    "NotedStore",
    "RemoteBackend",
    "Store",
    "StoreBackend",
    "StoreContext",
    "StoreFactory",
]

#: A key and its new value; None deletes the key.
Change = tuple[bytes, bytes | None]


class Store(Protocol):
    """The bytes of one partition of one table.

    One thread calls at a time, not always the same one.  Everything here may be rebuilt from the table's
    changelog, so a store need not survive power loss, but it must never show half of an `apply`.
    """

    @property
    def changelog_offset(self) -> int | None:
        """The next changelog offset to read, as last given to `apply`; None for a new store."""
        ...

    def get(self, key: bytes, /) -> bytes | None:
        """Return the value of `key`, or None where there is none.  Any bytes are a key, empty ones too."""
        ...

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        """Return the values of `keys`, in their order, None for each that is missing."""
        ...

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values with start <= key < end in ascending byte order; `end` None means to the last.

        The view is that of the moment of the call, whatever `apply` does meanwhile.  Memory stays bounded.
        """
        ...

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        """Write `changes` and the offset in one atomic step.

        After a crash either all of them are visible or none.  Later entries win over earlier ones with
        the same key.  Applying the same batch twice is safe.

        Args:
            changes: key and new value; a value of None deletes.  May be empty.
            changelog_offset: next changelog offset to read, never decreasing.

        Raises:
            ValueError: `changelog_offset` is below the store's; nothing was written.
            StoreClosed: after `close()`.
            StoreLocked: another process has taken this store over (shared stores only); nothing was written.
            StoreCorrupt: what was applied before is gone or damaged.  Reading may raise it, too.
            StoreError: nothing was written (disk full, connection lost); the same call may be tried again.
        """
        ...

    def close(self) -> None:
        """Release what is held.  Idempotent.  All other calls raise `StoreClosed` from then on.

        A scan under way raises `StoreClosed` as well, at the latest where it would have ended.
        """
        ...


class MeasuredStore(Store, Protocol):
    """A store that can say something of itself."""

    def metrics(self) -> Mapping[str, float]:
        """Return numbers that cost little to get, by names that end in their unit: `bytes`, `keys_estimated`.

        Raises:
            StoreClosed: after `close()`.
            StoreError: it cannot be reached.
        """
        ...


class NotedStore(Store, Protocol):
    """A store that keeps a word of the engine's beside the data: of which changelog that is.

    For stores that workers share.  Local ones need none: the engine has a note in its data directory.
    """

    @property
    def note(self) -> str | None:
        """What was noted last; None for nothing.  It goes with the data when the store is destroyed."""
        ...

    def set_note(self, note: str, /) -> None:
        """Replace the note.  The data and their changelog offset stay as they are.

        Raises:
            StoreClosed: after `close()`.
            StoreLocked: another process has taken this store over; nothing was written.
            StoreError: it cannot be reached.
        """
        ...


class StoreBackend(Protocol):
    """Opens the stores of one application.  Any thread may call it."""

    @property
    def persistent(self) -> bool:
        """Whether what is applied is still there when the process starts again."""
        ...

    @property
    def shared(self) -> bool:
        """Whether every worker reaches the same stores, so that there is nothing to keep warm on a standby."""
        ...

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> Store:
        """Open, or create, the store of one partition of a table.

        Args:
            options: of this table alone; given only where the application says some.

        Raises:
            ConfigError: an option is unknown or has a wrong value.
            StoreLocked: another process, or a store object that is not closed, has it.
            StoreCorrupt: it cannot be read; `destroy` it and open again.
            StoreError: the place cannot be used (permissions, disk full, no connection); names the place.
        """
        ...

    def destroy(self, table: str, partition: int, /) -> None:
        """Delete the store of one partition.  Nothing there is not an error.

        Raises:
            StoreLocked: it is open.
            StoreError: it cannot be deleted; names the place.
        """
        ...

    def stored(self) -> Mapping[tuple[str, int], int | None]:
        """Return table and partition of every store that exists and is not open, with its changelog offset.

        The offset is None where it cannot be told without opening the store for writing.
        """
        ...

    def close(self) -> None:
        """Release connections, and close every store that is still open.  Idempotent."""
        ...


class RemoteBackend(StoreBackend, Protocol):
    """A backend whose stores are a round trip away: reading many keys at once costs hardly more than one."""

    @property
    def remote(self) -> bool:
        """Whether the engine should read the keys of a batch of records before they are processed."""
        ...


@dataclass(frozen=True, slots=True)
class StoreContext:
    """What a backend may know about the application.

    Attributes:
        app_id: the application's id with its version, as its consumer group has it.
        directory: where persistent stores may keep files, not yet created; None where no data directory is set.
        options: the application's or table's own store options, passed through.
    """

    app_id: str
    directory: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class StoreFactory(Protocol):
    """What an entry point in the group `faust.stores` names; the entry point's name is the URL scheme."""

    def __call__(self, url: str, context: StoreContext, /) -> StoreBackend:
        """Make the backend for `url`, such as `rocksdb://` or `redis://localhost/0`.

        Raises:
            ConfigError: the URL or an option is wrong.
        """
        ...
