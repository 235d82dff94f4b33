"""Where standbys go: one step of the assignor, after each task has its destination."""

from __future__ import annotations

from collections.abc import Iterable

from faust_core.engine._balance import LeastLoaded, fair_shares
from faust_core.engine._division import Division, Task

__all__ = ["place_standbys"]


def place_standbys(division: Division, replicas: int) -> None:
    """Give each stateful task its standbys: keep those there are, add what is missing, even the load out.

    A standby moves only where that makes the loads strictly more even, so that repeating it comes to an end; and the
    old one stays until the new one has caught up.
    """
    replicas = min(replicas, len({m.process for m in division.members}) - 1)
    if replicas > 0:
        _Standbys(division, replicas).place()


class _Standbys:
    def __init__(self, division: Division, replicas: int) -> None:
        self.division = division
        self.members = division.members
        self.replicas = replicas
        self.tasks = [t for t in division.tasks if t.spec.stateful]
        self.chosen: list[list[int]] = []  # by task
        self.pool = LeastLoaded([m.rack for m in self.members], [m.process for m in self.members], division.capacities)

    def place(self) -> None:
        for task in self.tasks:
            self.chosen.append(self._keep(task))
        for task, chosen in zip(self.tasks, self.chosen, strict=True):
            self._add_missing(task, chosen)
        self._even_out()
        for task, chosen in zip(self.tasks, self.chosen, strict=True):
            self._write_down(task, chosen)

    def _places(self, task: Task, standbys: Iterable[int]) -> tuple[set[str], set[str | None]]:
        """Return the processes that hold the task already, and the racks to avoid: none if there is no other."""
        holders = [task.destination, *standbys]
        processes = {self.members[m].process for m in holders}
        if task.id in self.division.warmups[task.target]:
            processes.add(self.members[task.target].process)
        racks = {self.members[m].rack for m in holders} - {None}
        return processes, racks if self.pool.has_rack_besides(racks) else set()

    def _is_outside(self, member: int, processes: set[str], racks: set[str | None]) -> bool:
        return self.members[member].process not in processes and self.members[member].rack not in racks

    def _choose(self, chosen: list[int], member: int) -> None:
        chosen.append(member)
        self.pool.add_load(member, 1)

    def _keep(self, task: Task) -> list[int]:
        chosen: list[int] = []
        for member in task.replicas:
            if task.id in self.division.standbys[member]:  # it will own the task when it has caught up
                self._choose(chosen, member)
        for member in sorted(task.replicas, key=lambda m: (task.lag(m), m)):
            if len(chosen) < self.replicas and self._is_outside(member, *self._places(task, chosen)):
                self._choose(chosen, member)
        return chosen

    def _add_missing(self, task: Task, chosen: list[int]) -> None:
        while len(chosen) < self.replicas:
            processes, racks = self._places(task, chosen)
            member = self._find(task, processes, racks)
            if member is None and racks:
                member = self._find(task, processes, set())
            if member is None:
                return
            self._choose(chosen, member)

    def _find(self, task: Task, processes: set[str], racks: set[str | None]) -> int | None:
        """Return a member that was standby before, else one with state that is not loaded more than any, else any."""
        with_state = [m for m in task.lags if self._is_outside(m, processes, racks)]
        if incumbents := [m for m in with_state if m in task.replicas]:
            return min(incumbents, key=lambda m: (task.lags[m], m))
        found = self.pool.find(processes, racks)
        if found is not None:
            even = [m for m in with_state if self.pool.key(m) <= self.pool.key(found)]
            return min(even, key=lambda m: (task.lags[m], m), default=found)
        return None

    def _even_out(self) -> None:
        """Let members that have more than their share hand standbys over."""
        pool, capacities = self.pool, self.division.capacities
        total = sum(pool.load)
        shares = fair_shares(total, capacities, [0] * len(capacities), pool.load)
        takers = {m for m, load in enumerate(pool.load) if load < shares[m]}

        def has_state_elsewhere(number: int) -> bool:
            task, chosen = self.tasks[number], self.chosen[number]
            return any(m in takers and m not in chosen and m != task.destination for m in task.lags)

        # What someone began to warm up is handed over first, or each round would begin with other tasks.
        for number in sorted(range(len(self.tasks)), key=lambda n: not has_state_elsewhere(n)):
            task, chosen = self.tasks[number], self.chosen[number]
            for place, member in enumerate(chosen):
                if pool.load[member] <= shares[member] or task.id in self.division.standbys[member]:
                    continue
                processes, racks = self._places(task, [m for m in chosen if m != member])
                now = pool.load[member] / capacities[member]
                better = [m for m in task.lags if self._is_outside(m, processes, racks) and pool.key(m) < now]
                found = min(better, key=lambda m: (task.lags[m], m), default=pool.find(processes, racks))
                if found is not None and pool.key(found) < now:
                    chosen[place] = found
                    pool.add_load(member, -1)
                    pool.add_load(found, 1)

    def _write_down(self, task: Task, chosen: list[int]) -> None:
        """Put the standbys into the plan; where one has to catch up, whoever has caught up stays in its place."""
        division = self.division
        processes, _ = self._places(task, chosen)
        leaving = [
            m
            for m in [*task.replicas, *task.claimants]
            if m not in chosen and m != task.destination and division.caught_up(task, m)
        ]
        for member in chosen:
            if member in task.replicas or division.caught_up(task, member):
                division.standbys[member].add(task.id)
                continue
            others = processes - {self.members[member].process}
            stays = next((m for m in leaving if self.members[m].process not in others), None)
            if stays is None:
                division.standbys[member].add(task.id)
                continue
            leaving.remove(stays)
            processes = others | {self.members[stays].process}
            division.standbys[stays].add(task.id)
            if division.warmups_left > 0:
                division.warmups_left -= 1
                division.warmups[member].add(task.id)
                division.rebalance_again[member] = True
