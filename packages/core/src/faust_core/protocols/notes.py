"""Notes: a short text that stands with a committed offset.  Kafka calls it the offset's metadata.

An ability that a transport need not have; one that has it implements both protocols.  The engine keeps there how far
each stream of a partition is, where several read it.  Without it those that are ahead of the committed offset
repeat events after a crash, under exactly once too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from faust_core.protocols.transport import GroupMetadata
from faust_core.records import TopicPartition

__all__ = ["MAX_NOTE_BYTES", "NotedOffset", "NotingMembership", "NotingProducer"]

#: Notes are never longer, in UTF-8.  A Kafka broker takes 4,096 bytes (`offset.metadata.max.bytes`), and the
#: transactional id, of 500 at most, has to fit in as well.
MAX_NOTE_BYTES = 3_500


class NotedOffset(NamedTuple):
    """A next-to-read offset, and what stands with it; empty for nothing."""

    offset: int
    note: str = ""


@runtime_checkable
class NotingMembership(Protocol):
    """A `Membership` that keeps notes.  Its plain `commit` leaves no note."""

    async def commit_noted(self, offsets: Mapping[TopicPartition, NotedOffset], /) -> None:
        """Commit offsets as `commit` does, each with its note, in one atomic step.

        Raises:
            NoteRefused: the broker keeps no notes of this length; nothing was committed.
            FencedError, RetriableTransportError: as `commit`.
        """
        ...

    async def committed_noted(
        self, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, NotedOffset | None]:
        """Return committed offsets as `committed` does, with the note of whoever committed last."""
        ...


@runtime_checkable
class NotingProducer(Protocol):
    """A `TransactionalProducer` that keeps notes.  Its plain `commit` leaves no note."""

    async def commit_noted(
        self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata | None, /
    ) -> None:
        """Commit as `commit` does; each offset stands with its note and with the transactional id.

        Raises:
            NoteRefused: the broker keeps no notes of this length; nothing will be visible, call `abort`.
            ValueError, FencedError, TransactionAborted, TransactionInDoubt: as `commit`.
        """
        ...
