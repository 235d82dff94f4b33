"""What can be measured of a table on one worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PartitionMetrics"]


@dataclass(frozen=True, slots=True)
class PartitionMetrics:
    """One partition of a table, since this worker opened its store.

    Attributes:
        changelog_offset: up to where the store has the changelog; None where it has nothing.
        uncommitted: changes since the last checkpoint, and those in the one under way.
        cached: decoded values in memory.
        reads: calls that read keys from the store: `cached` did not have them.
        keys_read: by those calls.
        scans: begun.
        batches: written, by checkpoints and while the table was restored.
        changes: in those batches.
        read_s: seconds spent reading keys.
        write_s: seconds spent writing batches.
        store: what the store says of itself, such as `bytes` or `keys_estimated`; see the store's own page.
    """

    changelog_offset: int | None
    uncommitted: int
    cached: int
    reads: int
    keys_read: int
    scans: int
    batches: int
    changes: int
    read_s: float
    write_s: float
    store: Mapping[str, float] = field(default_factory=dict)
