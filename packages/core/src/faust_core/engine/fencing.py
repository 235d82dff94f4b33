"""Ending what dead workers have left open, before their partitions are read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial

from faust_core.engine.patience import patiently
from faust_core.engine.plans import TaskId
from faust_core.engine.rebalance import WorkPlan
from faust_core.protocols.transport import Admin
from faust_core.records import TopicPartition

__all__ = ["Fencing"]

log = logging.getLogger(__name__)


class Fencing:
    """Ends the open transactions of former owners, so that readers need not wait for their time-out.

    A former owner is known by the group's plan where a worker outlived it; where all died together, by the
    transactional id that stands with the committed offsets.
    """

    def __init__(
        self,
        admin: Admin,
        group_id: str,
        transactional_id: str,
        inputs: Callable[[TaskId], Collection[TopicPartition]],
    ) -> None:
        self._admin = admin
        self._group_id = group_id
        self._mine = transactional_id
        self._inputs = inputs
        #: one after the other: two that took the same id over would get into each other's way
        self._lock = asyncio.Lock()
        #: found with the offsets, and fenced: they stay there while a partition is idle
        self._fenced: set[str] = set()
        self._plan: WorkPlan | None = None

    async def fence(self, plan: WorkPlan) -> None:
        """Fence the former owners of the tasks that came here by `plan`, but not living ones; once for each plan.

        Waits as long as the broker is away.
        """
        async with self._lock:
            if plan is not self._plan:
                await patiently(partial(self._fence, plan))
                self._plan = plan

    async def _fence(self, plan: WorkPlan) -> None:
        former = {each for ids in plan.fence.values() for each in ids}
        if plan.living is not None:
            inputs = {tp for task_id in plan.actives for tp in self._inputs(task_id)}
            writers = await self._admin.committed_by(self._group_id, inputs)
            former |= set(writers.values()) - plan.living - self._fenced
        former.discard(self._mine)
        if former:
            log.info("ending what former owners may have left open: %s", ", ".join(sorted(former)))
            await self._admin.fence(former)
            self._fenced |= former
