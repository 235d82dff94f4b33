"""How far behind its changelog a copy of a table partition is."""

from __future__ import annotations

import asyncio
import logging

from faust_core.engine.restore import Restorer
from faust_core.errors import FaustError
from faust_core.protocols.transport import Admin
from faust_core.records import TopicPartition
from faust_core.table_partition import TablePartition

__all__ = ["Lags"]

log = logging.getLogger(__name__)

#: Ends are asked for once in this time, however many questions come.
ENDS_FOR_S = 1.0
PATIENCE_S = 1.0


class Lags:
    """Compares positions with the ends of changelogs, as the broker tells them."""

    def __init__(self, restorer: Restorer, admin: Admin) -> None:
        self._restorer = restorer
        self._admin = admin
        #: when it was asked for, and the end
        self._ends: dict[TopicPartition, tuple[float, int]] = {}
        self._asking: dict[TopicPartition, asyncio.Lock] = {}

    async def of(self, part: TablePartition, position: int) -> int | None:
        """Return how many offsets lay between `position` and the end of a changelog; None where nobody says."""
        end = await self._end(part.changelog)
        return None if end is None else max(0, end - position)

    def position(self, part: TablePartition) -> int:
        """Return the next offset that a copy reads."""
        return self._restorer.position(part)

    async def _end(self, changelog: TopicPartition) -> int | None:
        async with self._asking.setdefault(changelog, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            asked_at, end = self._ends.get(changelog, (-ENDS_FOR_S, 0))
            if now - asked_at < ENDS_FOR_S:
                return end
            try:
                async with asyncio.timeout(PATIENCE_S):
                    ends = await self._admin.end_offsets([changelog])
            except (TimeoutError, FaustError) as exc:
                log.debug("the end of %s is not known: %r", changelog, exc)
                return None
            self._ends[changelog] = now, ends[changelog]
            return ends[changelog]
