"""What a worker tells of itself over HTTP: plain numbers and names, cheap enough to be asked for every second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from faust_core.agents import Agent
from faust_core.engine.served import not_ready_because
from faust_core.engine.task import Task, TaskState

if TYPE_CHECKING:
    from faust_core.engine.worker import Worker

__all__ = ["assignment_of", "stats_of"]


def stats_of(app_id: str, worker: Worker | None, agents: Mapping[str, Agent[Any]]) -> dict[str, Any]:
    """Return how a worker is, what it has, and how many actors each agent has."""
    if worker is None:
        return {"app": app_id, "started": False}
    tasks = list(worker.rebalancer.tasks.values())
    states = Counter(task.state for task in tasks)
    reason = not_ready_because(worker)
    return {
        "app": app_id,
        "started": worker.started,
        "ready": not reason,
        **({"reason": reason} if reason else {}),
        "leader": worker.is_leader(),
        "url": worker.member.endpoint,
        "tasks": {state.value: states[state] for state in TaskState if state is not TaskState.CLOSED},
        "agents": {name: {"actors": len(worker.streams.actors_of(agent))} for name, agent in agents.items()},
        "assignment": assignment_of(worker),
    }


def assignment_of(worker: Worker | None) -> dict[str, dict[str, list[int]]]:
    """Return the partitions of topics that a worker processes, and those of changelogs that it keeps copies of."""
    tasks = [] if worker is None else list(worker.rebalancer.tasks.values())
    running = [task for task in tasks if task.state in {TaskState.RUNNING, TaskState.RESTORING}]
    standby = [task for task in tasks if task.state is TaskState.STANDBY]
    actives = ((tp.topic, tp.partition) for task in running for tp in task.inputs)
    return {"actives": _grouped(actives), "standbys": _grouped(_changelogs(worker, standby))}


def _changelogs(worker: Worker | None, tasks: Iterable[Task]) -> Iterable[tuple[str, int]]:
    for task in tasks:
        for topic in [] if worker is None else worker.topics.changelogs(worker.topics.group(task.id)):
            yield topic, task.partition


def _grouped(partitions: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        grouped.setdefault(topic, []).append(partition)
    return grouped
