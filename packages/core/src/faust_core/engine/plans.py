"""What members report and what each of them shall do: the words of the assignor and of the group protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = [
    "RUNNING",
    "MemberInfo",
    "MemberPlan",
    "MemberState",
    "Plan",
    "TaskHosts",
    "TaskId",
    "TaskSpec",
    "TopicGroup",
]

#: In `MemberState.offsets`: the task is active here and its tables are complete.
RUNNING: Final = -2


class TaskId(NamedTuple):
    """One partition number of a co-partitioned group of topics."""

    group: str
    partition: int

    def __str__(self) -> str:
        return f"{self.group}/{self.partition}"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task that needs an owner.

    Attributes:
        changelog_end: the sum of the ends of its changelog partitions, as far as known; 0 for a stateless task.
    """

    id: TaskId
    stateful: bool = False
    changelog_end: int = 0


@dataclass(frozen=True, slots=True)
class MemberState:
    """What a living member reports.

    Attributes:
        process: names the place where its state lies; a standby is never in the process of the active task.
        rack: standbys prefer another one than the active task's; None for no preference.
        capacity: its share of the work relative to the others, at least 1.
        active: tasks that it owns at this moment.
        standby: tasks that it is standby of; what it warms up is not among them.
        offsets: for each stateful task whose tables it has locally the sum of the changelog offsets they are at, or
            `RUNNING`.
    """

    member_id: str
    process: str
    rack: str | None = None
    capacity: int = 1
    active: frozenset[TaskId] = frozenset()
    standby: frozenset[TaskId] = frozenset()
    offsets: Mapping[TaskId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """What a member shall do.  The four sets are disjoint.

    Attributes:
        actives: tasks that it owns from now on; whatever else it owned it gives up and then asks for another division.
        standbys: tasks whose tables it keeps up to date, to take over at once if need be.
        warmups: tasks that it will own, or be standby of, when their tables have caught up.
        withheld: tasks that it will own once their present owner has given them up; it keeps their tables warm.
        rebalance_again: it should ask for another division when what it warms up has caught up, or after a while.
    """

    actives: frozenset[TaskId]
    standbys: frozenset[TaskId]
    warmups: frozenset[TaskId]
    withheld: frozenset[TaskId]
    rebalance_again: bool


class TopicGroup(NamedTuple):
    """Topics that are read together: equal partition numbers always have the same owner.

    Attributes:
        name: stable over the application's versions; names the group's tasks.
        stateful: whether its tasks have tables.
        changelogs: the topics of those tables.
    """

    name: str
    topics: tuple[str, ...]
    stateful: bool = False
    changelogs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """All that a member tells the leader when it joins; see `MemberState` for what is not explained here.

    Attributes:
        groups: what its version of the application reads.
        offsets: as in `MemberState`, stores that it merely found on its disk included.
        ends: the sums of the changelog ends that it knows of, as owner or standby.  Lag is measured against the
            highest that any member reports, so that the leader need not ask the broker.
        owners: transactional ids of the owners in the last plan that it got: `Plan.owners`.
        serial: `Plan.serial` of that plan; 0 before the first.
        transactional_id: None where it does not work in transactions.
        endpoint: the URL at which its tables can be queried.
        software: its version of faust-core, for the log.
    """

    process: str
    groups: tuple[TopicGroup, ...]
    rack: str | None = None
    capacity: int = 1
    active: frozenset[TaskId] = frozenset()
    standby: frozenset[TaskId] = frozenset()
    offsets: Mapping[TaskId, int] = field(default_factory=dict)
    ends: Mapping[TaskId, int] = field(default_factory=dict)
    owners: Mapping[TaskId, str] = field(default_factory=dict)
    serial: int = 0
    transactional_id: str | None = None
    endpoint: str | None = None
    software: str = ""


class TaskHosts(NamedTuple):
    """Where a task's tables can be queried: endpoints of its owner and of its standbys, as far as they have one."""

    owner: str | None
    standbys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the leader tells a member; see `MemberPlan` for the four sets.

    Attributes:
        serial: counts the group's plans; a later one is higher.
        hosts: every task's places; empty in groups so large that it would not fit.  A task that moves is where it was.
        owners: the transactional id of every task's owner, as far as it has one; to be reported at the next join.
        fence: for tasks that this member gains: the transactional ids of former owners that are no longer living.
            End what they left open before reading committed offsets.
        rebalance_again_s: ask for another division after this time, or earlier when what is warmed up has caught up.
        missing_topics: topics that this member reads and that do not exist.
        error: the application cannot run like this: why, and what to do.  None if all is well.
    """

    actives: frozenset[TaskId] = frozenset()
    standbys: frozenset[TaskId] = frozenset()
    warmups: frozenset[TaskId] = frozenset()
    withheld: frozenset[TaskId] = frozenset()
    serial: int = 0
    hosts: Mapping[TaskId, TaskHosts] = field(default_factory=dict)
    owners: Mapping[TaskId, str] = field(default_factory=dict)
    fence: Mapping[TaskId, tuple[str, ...]] = field(default_factory=dict)
    rebalance_again_s: float | None = None
    missing_topics: frozenset[str] = frozenset()
    error: str | None = None
