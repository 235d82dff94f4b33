"""This worker as a member of its group: what it reports, and what it reads from a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from faust_core.engine.backends import Backends
from faust_core.engine.declarations import Identity
from faust_core.engine.group_protocol import TaskGroupProtocol, decode_plan
from faust_core.engine.plans import RUNNING, MemberInfo, Plan, TaskId, TopicGroup
from faust_core.engine.rebalance import WorkPlan
from faust_core.engine.restore import Restorer
from faust_core.engine.task import Task, TaskState
from faust_core.engine.topics import Topics
from faust_core.engine.topology import TaskGroup
from faust_core.errors import PartitionsMismatch
from faust_core.protocols.transport import Assignment
from faust_core.sensors import SensorDelegate
from faust_core.settings import Settings
from faust_core.tables import Table

__all__ = ["Member"]


class Member:
    """Translates between the tasks of this worker and the group's protocol."""

    def __init__(
        self,
        conf: Settings,
        identity: Identity,
        topics: Topics,
        backends: Backends,
        tables: Mapping[str, Table[Any, Any]],
        tasks: Callable[[], Mapping[TaskId, Task]],
        restorer: Restorer,
        sensors: SensorDelegate,
    ) -> None:
        self._conf = conf
        self._identity = identity
        self._topics = topics
        self._backends = backends
        self._tables = tables
        self._tasks = tasks
        self._restorer = restorer
        self.plan = Plan()
        #: the URL at which others can ask this worker; None where it serves nothing
        self.endpoint: str | None = None
        self.protocol = TaskGroupProtocol(
            self.info,
            standby_replicas=conf.table_standby_replicas,
            max_warmups=conf.max_warmup_replicas,
            acceptable_lag=conf.acceptable_recovery_lag,
            probing_interval_s=conf.probing_interval,
            sensors=sensors,
        )

    def info(self) -> MemberInfo:
        """Say who we are and what we have.  Any thread may call."""
        tasks = dict(self._tasks())
        stateful = {task_id: task for task_id, task in tasks.items() if task.stateful}
        offsets = {
            task_id: RUNNING if task.state is TaskState.RUNNING else self._restorer.offset(task)
            for task_id, task in stateful.items()
        }
        ends = {
            task_id: self._restorer.end(task)
            for task_id, task in stateful.items()
            if task.state is not TaskState.STANDBY
        }
        return MemberInfo(
            process=self._identity.process,
            groups=tuple(
                TopicGroup(
                    group.name,
                    tuple(sorted(group.topics)),
                    bool(self._resident(group)),
                    tuple(self._topics.changelogs(group)),
                )
                for group in self._topics.groups.values()
            ),
            rack=self._conf.rack,
            active=frozenset(t for t, task in tasks.items() if task.state in {TaskState.RUNNING, TaskState.RESTORING}),
            standby=frozenset(t for t, task in tasks.items() if task.state is TaskState.STANDBY)
            - self.plan.warmups
            - self.plan.withheld,
            offsets={**self._on_disk(stateful), **offsets},
            ends=ends,
            owners=self.plan.owners,
            serial=self.plan.serial,
            transactional_id=self._identity.transactional_id if self._conf.exactly_once else None,
            endpoint=self.endpoint,
            software=version("faust-core"),
        )

    def _on_disk(self, opened: Mapping[TaskId, Task]) -> dict[TaskId, int]:
        """Return the offsets of stores that an earlier life of this worker has left."""
        stored = self._backends.stored(name for group in self._topics.groups.values() for name in self._resident(group))
        found: dict[TaskId, int] = {}
        for group in self._topics.groups.values():
            tables = self._resident(group)
            for partition in range(group.partitions if tables else 0):
                offsets = [stored.get((table, partition)) for table in tables]
                task_id = TaskId(group.name, partition)
                if task_id not in opened and None not in offsets:
                    found[task_id] = sum(offset for offset in offsets if offset is not None)
        return found

    def _resident(self, group: TaskGroup) -> list[str]:
        """Return the tables that make it matter where a group's tasks are.

        A shared store has one writer: a standby would fence the owner, and has nothing to keep warm.  Global tables
        are everywhere.
        """
        return sorted(name for name in group.tables if self._backends.resident(self._tables[name]))

    def work_plan(self, assignment: Assignment) -> WorkPlan:
        """Read what the group gave to this worker.

        Raises:
            PartitionsMismatch: the application cannot run like this.
            RebalanceError: the plan is of another protocol version.
        """
        if assignment.plan is None:
            # A group with a fixed strategy: the partitions are the plan, and there are no standbys.
            tasks = {
                TaskId(group.name, tp.partition)
                for tp in assignment.partitions
                for group in self._topics.groups.values()
                if tp.topic in group.topics
            }
            return WorkPlan(frozenset(tasks), frozenset())
        plan = decode_plan(assignment.plan)
        if plan.error is not None:
            raise PartitionsMismatch(plan.error)
        self.plan = plan
        stateful = {g.name for g in self._topics.groups.values() if self._resident(g)}
        warm = {task for task in (*plan.standbys, *plan.warmups, *plan.withheld) if task.group in stateful}
        return WorkPlan(
            plan.actives,
            frozenset(warm),
            plan.fence,
            plan.rebalance_again_s,
            frozenset(plan.warmups),
            # Left out of plans of very large groups.
            living=frozenset(plan.owners.values()) or None,
        )
