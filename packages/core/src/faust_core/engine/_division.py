"""A division of the work while it is being made; members are numbers in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable

from faust_core.engine.plans import RUNNING, MemberPlan, MemberState, TaskId, TaskSpec

__all__ = ["Division", "Task"]


class Task:
    """A task while it is being placed; members are numbers."""

    __slots__ = ("claimants", "destination", "id", "lags", "ready_anywhere", "replicas", "spec", "target")

    def __init__(self, spec: TaskSpec, acceptable_lag: int) -> None:
        self.spec = spec
        self.id = spec.id
        self.claimants: list[int] = []  # living members that own it now: one, if all is well
        self.replicas: list[int] = []  # members that were told to keep it warm
        self.lags: dict[int, int] = {}  # of members that have any of its state
        self.ready_anywhere = not spec.stateful or spec.changelog_end <= acceptable_lag
        self.target = -1  # who shall own it in the end
        self.destination = -1  # who owns it as soon as possible

    @property
    def owner(self) -> int | None:
        return self.claimants[0] if self.claimants else None

    def lag(self, member: int) -> int:
        return self.lags.get(member, self.spec.changelog_end)


class Division:
    """What the members reported, by task, and what was decided so far."""

    def __init__(
        self, tasks: Iterable[TaskSpec], members: Iterable[MemberState], acceptable_lag: int, max_warmups: int
    ) -> None:
        self.members = sorted(members, key=lambda m: m.member_id)
        self.capacities = [max(1, m.capacity) for m in self.members]
        self.acceptable_lag = acceptable_lag
        self.warmups_left = max_warmups
        self.tasks = [Task(spec, acceptable_lag) for spec in sorted(tasks, key=lambda t: t.id)]
        self._take_reports()
        self.actives: list[list[TaskId]] = [[] for _ in self.members]
        self.standbys: list[set[TaskId]] = [set() for _ in self.members]
        self.warmups: list[set[TaskId]] = [set() for _ in self.members]
        self.withheld: list[list[TaskId]] = [[] for _ in self.members]
        self.rebalance_again = [False] * len(self.members)

    def _take_reports(self) -> None:
        by_id = {t.id: t for t in self.tasks}
        for i, member in enumerate(self.members):
            for task_id in member.active:
                if task := by_id.get(task_id):
                    task.claimants.append(i)
            for task_id in member.standby:
                if (task := by_id.get(task_id)) and task.spec.stateful:
                    task.replicas.append(i)
            for task_id, offset in member.offsets.items():
                if (task := by_id.get(task_id)) and task.spec.stateful:
                    task.lags[i] = 0 if offset == RUNNING else max(0, task.spec.changelog_end - offset)
            for task_id in member.active | member.standby:
                if (task := by_id.get(task_id)) and task.spec.stateful:
                    task.lags.setdefault(i, task.spec.changelog_end)
        for task in self.tasks:
            if len(task.claimants) > 1:  # cannot be, unless a member missed that it was expelled
                task.claimants.sort(key=task.lag)

    def caught_up(self, task: Task, member: int) -> bool:
        """Tell whether `member` could work on `task` at once."""
        return task.ready_anywhere or task.lags.get(member, self.acceptable_lag + 1) <= self.acceptable_lag

    def plans(self) -> dict[str, MemberPlan]:
        return {
            member.member_id: MemberPlan(
                actives=frozenset(self.actives[i]),
                standbys=frozenset(self.standbys[i]),
                warmups=frozenset(self.warmups[i]),
                withheld=frozenset(self.withheld[i]),
                rebalance_again=self.rebalance_again[i],
            )
            for i, member in enumerate(self.members)
        }
