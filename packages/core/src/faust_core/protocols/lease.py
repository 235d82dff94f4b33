"""For how long a worker may still take its partitions for its own."""

from __future__ import annotations

from typing import Protocol

from faust_core.protocols.transport import Membership

__all__ = ["LeasedMembership"]


class LeasedMembership(Membership, Protocol):
    """A membership that knows when its session would end.

    A worker that was paused, or cut off, does not notice at once that others have its partitions: it compares clocks.
    """

    def lease_s(self) -> float:
        """Return for how many seconds from now on the group will wait for this member; 0 or less: it may not.

        Until then nobody else has been given its partitions behind its back.
        """
        ...
