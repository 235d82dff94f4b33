"""Who owns which task: a pure function from what the members report to what each of them shall do.

A task is one partition number of a group of co-partitioned topics.  The rules, in this order:

1. Each task has exactly one owner.  One that a living member still owns is *withheld* from its next owner until it was
   given up, so that the tasks that stay are never stopped.
2. A stateful task is active only where its tables are caught up, if there is such a place; until its target has caught
   up it stays elsewhere and the target *warms up* (few at a time).
3. The load is even: no member could hand a task to another and both be nearer to their share, which is by capacity.
4. A task moves only where rule 3 needs it.  Standbys follow the same rules, on other processes and, if given, racks.

Calling it again with what the members then report ends after a bounded number of rounds in a division that is stable.
"""

from __future__ import annotations

from collections.abc import Iterable

from faust_core.engine._balance import evenly, fair_shares
from faust_core.engine._division import Division, Task
from faust_core.engine._standbys import place_standbys
from faust_core.engine.plans import RUNNING, MemberPlan, MemberState, TaskId, TaskSpec

__all__ = ["RUNNING", "MemberPlan", "MemberState", "TaskId", "TaskSpec", "assign"]


def assign(
    tasks: Iterable[TaskSpec],
    members: Iterable[MemberState],
    *,
    standby_replicas: int = 1,
    max_warmups: int = 2,
    acceptable_lag: int = 10_000,
) -> dict[str, MemberPlan]:
    """Divide `tasks` among `members`; the result depends on the arguments' content alone, not on their order.

    Args:
        standby_replicas: standbys per stateful task, as far as there are other processes.
        max_warmups: tasks of the whole group that may warm up at the same time; 0 never moves a stateful task to a
            member that has not caught up.
        acceptable_lag: changelog records that a member may be behind and still count as caught up.

    Returns:
        A plan for each member id.
    """
    division = Division(tasks, members, acceptable_lag, max_warmups)
    if division.members:
        _place_actives(division)
        place_standbys(division, standby_replicas)
    return division.plans()


def _place_actives(division: Division) -> None:
    stateful = [t for t in division.tasks if t.spec.stateful]
    stateless = [t for t in division.tasks if not t.spec.stateful]
    load = _set_targets(division, stateful, [0] * len(division.members))
    _set_targets(division, stateless, load)
    waiting = _set_destinations(division)
    _warm_up(division, waiting)
    for task in division.tasks:
        given_up = all(owner == task.destination for owner in task.claimants)
        (division.actives if given_up else division.withheld)[task.destination].append(task.id)


def _set_targets(division: Division, tasks: list[Task], base: list[int]) -> list[int]:
    """Choose who shall own each task in the end, moving as few as possible; return the loads, `base` included."""
    owned = [0] * len(division.members)
    for task in tasks:
        if task.owner is not None:
            owned[task.owner] += 1
    shares = fair_shares(len(tasks), division.capacities, base, owned)
    room = [share - own for share, own in zip(shares, owned, strict=True)]

    # Where a member has state already it comes first: standbys are promoted, warm-ups under way are finished.
    candidates = [
        (task.owner is not None, lag, number, member)
        for number, task in enumerate(tasks)
        if task.owner is None or room[task.owner] < 0
        for member, lag in task.lags.items()
        if room[member] > 0 and member != task.owner
    ]
    for _, _, number, member in sorted(candidates):
        task, owner = tasks[number], tasks[number].owner
        if task.target < 0 and room[member] > 0 and (owner is None or room[owner] < 0):
            task.target = member
            room[member] -= 1
            if owner is not None:
                room[owner] += 1

    movable: dict[int, list[Task]] = {}
    for task in tasks:
        if task.target < 0 and task.owner is not None:
            task.target = task.owner
            if room[task.owner] < 0:
                movable.setdefault(task.owner, []).append(task)
    for owner, own in movable.items():
        for task in _spread(own, -room[owner]):
            task.target = -1
    _deal([t for t in tasks if t.target < 0], room)
    return [b + s for b, s in zip(base, shares, strict=True)]


def _deal(tasks: list[Task], room: list[int]) -> None:
    """Give the tasks out like cards, so that each group of topics is spread over all members."""
    at_table = [i for i, free in enumerate(room) if free > 0]
    turn = 0
    for task in tasks:
        member = at_table[turn % len(at_table)]
        task.target = member
        room[member] -= 1
        if room[member] > 0:
            turn += 1
        else:
            at_table.remove(member)
            turn %= max(1, len(at_table))


def _set_destinations(division: Division) -> list[Task]:
    """Choose who owns each task now; return those that wait for their target to catch up."""
    load = [0] * len(division.members)
    waiting = []
    for task in division.tasks:
        if division.caught_up(task, task.target):
            task.destination = task.target
            load[task.target] += 1
        else:
            waiting.append(task)
    for task in waiting:
        task.destination = _stand_in(division, task, load)
        load[task.destination] += 1
    return [t for t in waiting if t.destination != t.target]


def _stand_in(division: Division, task: Task, load: list[int]) -> int:
    """Return who owns a task whose target has not caught up."""
    if ready := [m for m, lag in task.lags.items() if lag <= division.acceptable_lag]:
        if task.owner in ready:
            return task.owner
        return min(ready, key=lambda m: ((load[m] + 1) / division.capacities[m], task.lags[m], m))
    nearest = min((lag, m != task.target, m) for m, lag in [*task.lags.items(), (task.target, task.lag(task.target))])
    # Two members that both restore must not snatch the task from each other at every rebalance.
    if task.owner is not None and task.lag(task.owner) <= 2 * nearest[0]:
        return task.owner
    return nearest[2]


def _warm_up(division: Division, tasks: list[Task]) -> None:
    """Let the targets catch up, those first that have begun or are nearest."""
    for task in sorted(tasks, key=lambda t: (t.target not in t.lags, t.lag(t.target), t.id)):
        elsewhere = division.members[task.target].process != division.members[task.destination].process
        if task.target in task.replicas and elsewhere:
            division.standbys[task.target].add(task.id)
        elif division.warmups_left > 0:
            division.warmups_left -= 1
            division.warmups[task.target].add(task.id)
        else:
            continue
        division.rebalance_again[task.target] = True


def _spread(tasks: list[Task], count: int) -> list[Task]:
    """Return `count` of `tasks`: first those that need no restore; evenly spaced, to take from each group."""
    cheap = [t for t in tasks if t.ready_anywhere]
    if len(cheap) < count:
        rest = [t for t in tasks if not t.ready_anywhere]
        return cheap + evenly(rest, count - len(cheap))
    return evenly(cheap, count)
