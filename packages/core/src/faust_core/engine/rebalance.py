"""Rebalances: what the group gave to this worker → tasks that start, stop, warm up or stay.

Tasks that stay are not touched.  A task that goes commits first, under the new generation, and only then
asks the group to give it to its next owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from faust_core.engine.assignor import TaskId
from faust_core.engine.task import Task, TaskState
from faust_core.protocols.transport import Assignment, GroupMetadata
from faust_core.records import TopicPartition

__all__ = ["Rebalancer", "TaskHost", "WorkPlan"]

log = logging.getLogger(__name__)

CAUGHT_UP_CHECK_S = 0.5


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """What this worker shall do.

    Attributes:
        fence: transactional ids of workers that died with tasks that are ours now.
        living: transactional ids of the workers that own something now; None where they are not known.
        rebalance_again_s: ask for another division after so many seconds; None for never.
        warmups: those of `standbys` that will be moved here once they have caught up.
    """

    actives: frozenset[TaskId]
    standbys: frozenset[TaskId]
    fence: Mapping[TaskId, Collection[str]] = field(default_factory=dict)
    rebalance_again_s: float | None = None
    warmups: frozenset[TaskId] = frozenset()
    living: frozenset[str] | None = None


class TaskHost(Protocol):
    """What the worker does with a task."""

    def make_task(self, task_id: TaskId, state: TaskState, /) -> Awaitable[Task]: ...

    async def activate(self, task: Task, plan: WorkPlan, /) -> None:
        """Restore the task, which came by `plan`, and start reading its inputs."""
        ...

    async def warm(self, task: Task, /) -> None:
        """Keep the task's tables up to date."""
        ...

    async def commit(self, tasks: Collection[Task] | None, /) -> None: ...

    async def stop_reading(self, task: Task, /) -> None: ...

    async def close_task(self, task: Task, /) -> None: ...

    async def told(self, revoked: Iterable[TopicPartition], assigned: Iterable[TopicPartition], /) -> None: ...

    async def settled(self, recovered: Collection[Task], /) -> None:
        """All tasks that an assignment gave are running."""
        ...

    async def caught_up(self, tasks: Collection[Task], /) -> bool:
        """Whether these standbys are close enough to the ends of their changelogs to take over."""
        ...

    async def dropped(self) -> None:
        """All tasks were lost; what they did since the last commit is void."""
        ...

    def rebalance_began(self) -> None:
        """The group divides the work anew."""
        ...

    def rebalance_returned(self) -> None:
        """This worker has its partitions."""
        ...

    def rebalance_ended(self) -> None:
        """All of them run."""
        ...


class Rebalancer:
    """Owns the tasks of this worker, and is the listener of its membership."""

    def __init__(
        self,
        host: TaskHost,
        plan_of: Callable[[Assignment], WorkPlan],
        *,
        rejoin: Callable[[], None],
        spawn: Callable[[Awaitable[None], str], asyncio.Task[None]],
        fail: Callable[[BaseException], None],
        prepare_timeout_s: float,
    ) -> None:
        self.tasks: dict[TaskId, Task] = {}
        #: set while commits may be made
        self.stable = asyncio.Event()
        self.ready = asyncio.Event()
        self.rebalancing = False
        #: the identity that the present tasks were given to; the membership's own may be a generation further
        self.member: GroupMetadata | None = None
        self._host = host
        self._plan_of = plan_of
        self._rejoin = rejoin
        self._spawn = spawn
        self._fail = fail
        self._prepare_timeout_s = prepare_timeout_s
        self._activations: dict[TaskId, asyncio.Task[None]] = {}
        #: held while tasks are opened, handed over or closed
        self._changing = asyncio.Lock()
        self._closing = False
        self._taking_over = True
        self._again: asyncio.Task[None] | None = None
        self.count = 0

    def running(self) -> list[Task]:
        return [task for task in self.tasks.values() if task.state is TaskState.RUNNING]

    # -- RebalanceListener

    async def on_rebalance_started(self) -> None:
        if self._closing:
            return
        self.rebalancing = True
        self._host.rebalance_began()
        log.info("the group is dividing the work anew")
        # Not cancelled when it takes too long: half a commit is worse than a late one.
        commit = self._spawn(self._host.commit(None), "faust commit before rebalance")
        _, unfinished = await asyncio.wait([commit], timeout=self._prepare_timeout_s)
        if unfinished:
            log.warning("no commit within %.1f s before the rebalance; it follows after", self._prepare_timeout_s)
        self.stable.clear()

    async def on_assigned(self, assignment: Assignment) -> None:
        if self._closing:
            return
        try:
            async with self._changing:
                await self._assigned(assignment)
        except Exception as exc:  # noqa: BLE001  it stops the worker: a membership would only log it
            if not self._closing:
                self._fail(exc)

    async def _assigned(self, assignment: Assignment) -> None:
        plan = self._plan_of(assignment)
        self.member = assignment.metadata
        self.count += 1
        self.stable.set()
        self.rebalancing = False
        lost = [
            task
            for task_id, task in self.tasks.items()
            if task_id not in plan.actives and task.state in {TaskState.RUNNING, TaskState.RESTORING}
        ]
        gained = [
            task_id
            for task_id in sorted(plan.actives)
            if (known := self.tasks.get(task_id)) is None or known.state is TaskState.STANDBY
        ]
        log.info(
            "assigned (generation %d): %s; standby for %s%s",
            assignment.metadata.generation,
            _names(plan.actives) or "nothing",
            _names(plan.standbys) or "nothing",
            f"; giving up {_names(task.id for task in lost)}" if lost else "",
        )
        if lost:
            await self._give_up(lost, plan)
        for task_id in [t for t, task in self.tasks.items() if task.state is TaskState.STANDBY]:
            if task_id not in plan.standbys and task_id not in plan.actives:
                await self._forget(self.tasks[task_id])
        begun = {task_id: await self._take_over(task_id, plan) for task_id in gained}
        activations = {task_id: activation for task_id, activation in begun.items() if activation is not None}
        for task_id in sorted(plan.standbys - self.tasks.keys()):
            task = await self._host.make_task(task_id, TaskState.STANDBY)
            self.tasks[task_id] = task
            await self._host.warm(task)
        await self._host.told(
            [tp for task in lost for tp in task.inputs],
            [tp for task_id in activations for tp in self.tasks[task_id].inputs],
        )
        self._host.rebalance_returned()
        self._spawn(self._settle(activations), "faust settle")
        if lost:
            self._rejoin()
        self._rebalance_again(plan)

    async def on_lost(self, reason: str) -> None:
        if self._closing:
            return
        log.error("this worker was removed from the group, its partitions are with others now: %s", reason)
        self.stable.clear()
        await self.drop_all()

    # -- what the worker asks for

    async def drop_all(self) -> None:
        """Close every task without committing."""
        revoked = self.stop_all()
        await self._host.dropped()
        async with self._changing:
            closed = [task for task in self.tasks.values() if task.state is TaskState.CLOSED]
            for task in closed:
                activation = self._activations.pop(task.id, None)
                if activation is not None:
                    activation.cancel()
                    await asyncio.gather(activation, return_exceptions=True)
                await self._host.stop_reading(task)
                await self._forget(task)
        await self._host.told(revoked, ())

    def stop_all(self) -> list[TopicPartition]:
        """Have no task do anything any more, at once; returns what they read.  `drop_all` follows."""
        tasks = list(self.tasks.values())
        revoked = [tp for task in tasks if task.state is TaskState.RUNNING for tp in task.inputs]
        for task in tasks:
            task.state = TaskState.CLOSED
        return revoked

    def stop_listening(self) -> None:
        """The worker is about to leave: what the group decides no longer matters."""
        self._closing = True

    async def stop_taking_over(self) -> None:
        """The worker is about to take its last checkpoint: no task may begin behind it."""
        self._taking_over = False
        activations = list(self._activations.values())
        for activation in activations:
            activation.cancel()
        await asyncio.gather(*activations, return_exceptions=True)

    # -- inside

    async def _give_up(self, lost: Collection[Task], plan: WorkPlan) -> None:
        for task in lost:
            activation = self._activations.pop(task.id, None)
            if activation is not None:
                activation.cancel()
                await asyncio.gather(activation, return_exceptions=True)
        await self._host.commit([task for task in lost if task.state is TaskState.RUNNING])
        # All at once, before the next checkpoint could let them go on: what they did then would belong to nobody.
        for task in lost:
            standby = task.id in plan.standbys and task.state is not TaskState.CLOSED
            task.state = TaskState.STANDBY if standby else TaskState.CLOSED
        for task in lost:
            await self._host.stop_reading(task)
            if task.state is TaskState.STANDBY:
                await self._host.warm(task)
            else:
                await self._forget(task)

    async def _forget(self, task: Task) -> None:
        task.state = TaskState.CLOSED
        self.tasks.pop(task.id, None)
        await self._host.close_task(task)

    async def _take_over(self, task_id: TaskId, plan: WorkPlan) -> asyncio.Task[None] | None:
        """Begin to restore and run a task; None where the worker is about to stop."""
        task = self.tasks.get(task_id)
        if task is None:
            task = self.tasks[task_id] = await self._host.make_task(task_id, TaskState.RESTORING)
        else:
            task.enter(TaskState.RESTORING)
        if not self._taking_over:
            return None
        activation = self._spawn(self._host.activate(task, plan), f"faust activate {task}")
        self._activations[task_id] = activation
        return activation

    async def _settle(self, activations: Mapping[TaskId, asyncio.Task[None]]) -> None:
        await asyncio.gather(*activations.values(), return_exceptions=True)
        for task_id, activation in activations.items():
            if self._activations.get(task_id) is activation:
                del self._activations[task_id]
        if not any(activation.cancelled() or activation.exception() for activation in activations.values()):
            await self._host.settled([self.tasks[task_id] for task_id in activations if task_id in self.tasks])
            self._host.rebalance_ended()
            self.ready.set()

    def _rebalance_again(self, plan: WorkPlan) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if plan.rebalance_again_s is not None:
            self._again = self._spawn(self._ask_again(plan.rebalance_again_s, plan.warmups), "faust probing rebalance")

    async def _ask_again(self, after_s: float, warmups: Collection[TaskId]) -> None:
        """Ask for another division when what warms up here has caught up, after `after_s` at the latest."""
        try:
            async with asyncio.timeout(after_s):
                if not warmups:
                    await asyncio.Event().wait()
                while not await self._host.caught_up([self.tasks[t] for t in warmups if t in self.tasks]):  # noqa: ASYNC110  the broker moves on, no event tells
                    await asyncio.sleep(CAUGHT_UP_CHECK_S)
        except TimeoutError:
            pass
        self._rejoin()


def _names(tasks: Iterable[TaskId]) -> str:
    return ", ".join(str(task) for task in sorted(tasks))
