"""What a monitor reads of a running worker when it is asked, instead of being told of each change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from faust_core.records import TopicPartition

__all__ = ["Readings"]

Offsets = Mapping[TopicPartition, int]


class Readings(Protocol):
    """A running worker's present state.  Any thread may call, but for `refresh`; what it reads may just be changing."""

    def records_active(self) -> Mapping[str, int]:
        """Return, by topic, how many records were fetched and are not done by all streams."""
        ...

    def events_active(self) -> int:
        """Return how many events are in actors' hands."""
        ...

    def read_offsets(self) -> Offsets:
        """Return the last offsets that were fetched."""
        ...

    def done_offsets(self) -> Offsets:
        """Return the offsets of the next records that are not done."""
        ...

    def committed_offsets(self) -> Offsets:
        """Return the offsets of the next records as they are committed."""
        ...

    def end_offsets(self) -> Offsets:
        """Return the offsets of the next records to be written, as of the last `refresh`."""
        ...

    def tasks(self) -> Mapping[str, int]:
        """Return how many tasks there are in each state."""
        ...

    def restore_remaining(self) -> int:
        """Return how many changelog records have to be read before all active tables are complete."""
        ...

    def standby_lag(self) -> int | None:
        """Return how many changelog records the standby that is furthest behind lacks, as of the last `refresh`."""
        ...

    def uncommitted_keys(self) -> Mapping[str, int]:
        """Return how many keys of each table have changed since the last checkpoint."""
        ...

    def keys_retrieved(self) -> Mapping[str, int]:
        """Return how many keys were read from the stores that are open now, by table."""
        ...

    def event_ages(self) -> Mapping[str, float]:
        """Return for how many seconds the event has been in hand that each agent has had longest."""
        ...

    def checkpoint_age(self) -> float:
        """Return seconds since the last checkpoint that came about, or the start."""
        ...

    def rebalancing(self) -> bool: ...

    def leading(self) -> bool: ...

    async def refresh(self) -> None:
        """Ask the broker for the ends of what is read.  Keeps the old ones where it does not answer."""
        ...
