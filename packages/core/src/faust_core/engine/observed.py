"""The present state of a running worker, as its monitor reads it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from faust_core.engine.subscription import Subscription
from faust_core.engine.task import Task, TaskState
from faust_core.errors import FaustError
from faust_core.records import TopicPartition
from faust_core.sensors.readings import Offsets, Readings

if TYPE_CHECKING:
    from faust_core.engine.worker import Worker

__all__ = ["Observed"]

log = logging.getLogger(__name__)

#: The broker's answer is waited for so long; then the ends stay as they were.
PATIENCE_S = 5.0
#: Who asks more often gets the same ends again.
ENDS_FOR_S = 1.0


class Observed:
    """Reads the engine's own book-keeping: nothing is kept for it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._ends: dict[TopicPartition, int] = {}
        self._standby_lag: int | None = None
        self._refreshed_at = -ENDS_FOR_S
        self._refreshing = asyncio.Lock()

    def _tasks(self, state: TaskState | None = None) -> list[Task]:
        tasks = list(self._worker.rebalancer.tasks.values())
        return tasks if state is None else [task for task in tasks if task.state is state]

    def _subscriptions(self) -> list[Subscription]:
        return [subscription for subscription in self._worker.streams.single_subscriptions() if not subscription.closed]

    def records_active(self) -> Mapping[str, int]:
        most: dict[TopicPartition, int] = {}
        for subscription in self._subscriptions():
            for queue in list(subscription.queues()):
                in_hand = sum(claim.stop - (claim.start if claim.held else claim.index) for claim in list(queue.claims))
                most[queue.tp] = max(most.get(queue.tp, 0), queue.queued + in_hand)
        by_topic: Counter[str] = Counter()
        for tp, count in most.items():
            by_topic[tp.topic] += count
        return by_topic

    def events_active(self) -> int:
        found = 0
        for subscription in self._subscriptions():
            waiting = set(subscription.waiters)
            for claim in list(subscription.claims()):
                if claim.buffered or claim.index >= claim.stop or claim.actor in waiting:
                    continue
                found += len(claim.taken) if claim.held else 1
        return found

    def read_offsets(self) -> Offsets:
        return {
            queue.tp: queue.position - 1
            for subscription in self._subscriptions()
            for queue in list(subscription.queues())
            if queue.position > 0
        }

    def done_offsets(self) -> Offsets:
        done: dict[TopicPartition, int] = {}
        for task in self._tasks(TaskState.RUNNING):
            done.update(self._worker.fetcher.done(task))
        return done

    def committed_offsets(self) -> Offsets:
        return {tp: offset for task in self._tasks(TaskState.RUNNING) for tp, offset in list(task.committed.items())}

    def end_offsets(self) -> Offsets:
        return self._ends

    def tasks(self) -> Mapping[str, int]:
        states = Counter(task.state.name.lower() for task in self._tasks())
        return {state: states[state] for state in ("running", "restoring", "standby")}

    def restore_remaining(self) -> int:
        return self._worker.restorer.remaining

    def standby_lag(self) -> int | None:
        return self._standby_lag

    def uncommitted_keys(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for task in self._tasks(TaskState.RUNNING):
            for name, part in list(task.tables.items()):
                found[name] += len(part.dirty) + len(part.staged)
        return found

    def keys_retrieved(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        seen: set[int] = set()
        for task in self._tasks():
            for name, part in list(task.tables.items()):
                if id(part.store) not in seen:
                    seen.add(id(part.store))
                    found[name] += getattr(part.store, "keys_read_open", 0)
        return found

    def event_ages(self) -> Mapping[str, float]:
        watchdog = self._worker.watchdog
        return {} if watchdog is None else watchdog.ages()

    def checkpoint_age(self) -> float:
        return self._worker.checkpointer.age

    def rebalancing(self) -> bool:
        return self._worker.rebalancer.rebalancing

    def leading(self) -> bool:
        return self._worker.is_leader()

    async def refresh(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._refreshing:
            if loop.time() - self._refreshed_at < ENDS_FOR_S:
                return
            worker = self._worker
            inputs = {tp for task in self._tasks(TaskState.RUNNING) for tp in task.inputs}
            copies = [part for task in self._tasks(TaskState.STANDBY) for part in list(task.tables.values())]
            wanted = sorted(inputs | {part.changelog for part in copies})
            try:
                async with asyncio.timeout(PATIENCE_S):
                    ends = await worker.admin.end_offsets(wanted) if wanted else {}
            except (TimeoutError, FaustError) as exc:
                log.debug("the ends of what is read are not known: %r", exc)
            else:
                self._ends = {tp: end for tp, end in ends.items() if tp in inputs}
                lags = (max(0, ends[part.changelog] - worker.restorer.position(part)) for part in copies)
                self._standby_lag = max(lags, default=None)
            self._refreshed_at = loop.time()


if TYPE_CHECKING:
    _: type[Readings] = Observed
