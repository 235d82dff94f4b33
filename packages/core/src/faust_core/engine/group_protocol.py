"""How the members of an application's group agree on a division of the work: the engine's `GroupProtocol`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from faust_core.engine._strangers import strangers
from faust_core.engine._wire import decode_member, decode_plan, encode_hosts, encode_member, encode_plan
from faust_core.engine.assignor import assign
from faust_core.engine.plans import (
    RUNNING,
    MemberInfo,
    MemberPlan,
    MemberState,
    Plan,
    TaskHosts,
    TaskId,
    TaskSpec,
    TopicGroup,
)
from faust_core.errors import RebalanceError
from faust_core.protocols.transport import GroupProtocol
from faust_core.records import TopicPartition
from faust_core.sensors import SensorDelegate

__all__ = ["MemberInfo", "Plan", "TaskGroupProtocol", "TaskHosts", "TopicGroup", "decode_plan"]

#: The plans of all members are one record at the broker, of 1 MiB at most by default; half of it is for the host map.
_MAX_HOSTS_BYTES: Final = 512 * 1024


class TaskGroupProtocol:
    """Divides tasks by what the members report; needs no I/O, so the leader's `assign` cannot fail halfway.

    Members may run different versions of the application, as they do while one is deployed: a group of topics is given
    to the members that know it.
    """

    def __init__(
        self,
        member: Callable[[], MemberInfo],
        *,
        standby_replicas: int = 1,
        max_warmups: int = 2,
        acceptable_lag: int = 10_000,
        probing_interval_s: float = 600.0,
        sensors: SensorDelegate | None = None,
    ) -> None:
        """Take the function that tells this member's state; it is called before each join, on any thread."""
        self._sensors = sensors or SensorDelegate()
        self._member = member
        self._standby_replicas = standby_replicas
        self._max_warmups = max_warmups
        self._acceptable_lag = acceptable_lag
        self._probing_interval_s = probing_interval_s

    @property
    def name(self) -> str:
        return "faust-1"

    def metadata(self) -> bytes:
        """Return this member's `MemberInfo` as bytes."""
        return encode_member(self._member())

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        """Divide the work; a member whose metadata cannot be read gets none of it, and an error that says why."""
        sensors = self._sensors
        state = sensors.begin("on_assignment_start", self)
        try:
            divided = self._assign(members, partition_counts)
        except Exception as exc:
            sensors.end("on_assignment_error", state, (self,), (exc,))
            raise
        sensors.end("on_assignment_completed", state, (self,))
        return divided

    def _assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int]
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        infos: dict[str, MemberInfo] = {}
        plans: dict[str, Plan] = {}
        for member_id, data in members.items():
            try:
                infos[member_id] = decode_member(data)
            except RebalanceError as exc:
                plans[member_id] = Plan(error=f"the leader of the group refused this worker: {exc}")
        for member_id, reason in strangers(infos).items():
            del infos[member_id]
            plans[member_id] = Plan(error=reason)

        topology = _Topology(infos, partition_counts)
        divided = self._divide(topology, infos)
        serial = 1 + max((info.serial for info in infos.values()), default=0)
        fence = _former_owners(infos)
        for member_id, info in infos.items():
            plans[member_id] = self._plan(info, divided[member_id], topology, fence, serial)
        hosts = _host_map(infos, divided, len(members))
        return {
            member_id: (topology.inputs(infos.get(member_id), plan.actives), encode_plan(plan, hosts))
            for member_id, plan in plans.items()
        }

    def _divide(self, topology: _Topology, infos: Mapping[str, MemberInfo]) -> dict[str, MemberPlan]:
        nothing: frozenset[TaskId] = frozenset()
        plans = dict.fromkeys(infos, MemberPlan(nothing, nothing, nothing, nothing, rebalance_again=False))
        ends = _changelog_ends(infos.values())
        states = {
            m: MemberState(m, i.process, i.rack, i.capacity, i.active, i.standby, i.offsets) for m, i in infos.items()
        }
        for eligible, groups in topology.by_members().items():
            tasks = [
                TaskSpec(
                    task := TaskId(group.name, partition), group.stateful, ends.get(task, 0) if group.stateful else 0
                )
                for group in groups
                for partition in range(topology.counts[group.name])
            ]
            part = assign(
                tasks,
                [states[m] for m in eligible],
                standby_replicas=self._standby_replicas,
                max_warmups=self._max_warmups,
                acceptable_lag=self._acceptable_lag,
            )
            for member_id, plan in part.items():
                plans[member_id] = _joined(plans[member_id], plan)
        return plans

    def _plan(
        self,
        info: MemberInfo,
        divided: MemberPlan,
        topology: _Topology,
        former_owners: Mapping[TaskId, tuple[str, ...]],
        serial: int,
    ) -> Plan:
        gained = divided.actives - info.active
        # Whoever has to give a task up asks by itself; asking here too, one that forgets does not block it for ever.
        again = divided.rebalance_again or bool(divided.withheld)
        return Plan(
            divided.actives,
            divided.standbys,
            divided.warmups,
            divided.withheld,
            serial,
            fence={task: former_owners[task] for task in gained if task in former_owners},
            rebalance_again_s=self._probing_interval_s if again else None,
            missing_topics=frozenset(t for g in info.groups for t in g.topics if t in topology.missing),
            error="; ".join(topology.errors[g.name] for g in info.groups if g.name in topology.errors) or None,
        )


@dataclass
class _Topology:
    """The union of what the members read, with the number of tasks of each group that can run."""

    infos: Mapping[str, MemberInfo]
    partition_counts: Mapping[str, int]
    groups: dict[str, TopicGroup] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for info in self.infos.values():
            for group in info.groups:
                known = self.groups.get(group.name, group)
                self.groups[group.name] = TopicGroup(
                    group.name,
                    tuple(dict.fromkeys((*known.topics, *group.topics))),
                    known.stateful or group.stateful,
                    tuple(dict.fromkeys((*known.changelogs, *group.changelogs))),
                )
        for group in self.groups.values():
            self._count(group)

    def _count(self, group: TopicGroup) -> None:
        self.missing.update(t for t in group.topics if t not in self.partition_counts)
        counts = {t: self.partition_counts[t] for t in group.topics if t in self.partition_counts}
        if not counts:
            return
        counts |= {t: self.partition_counts[t] for t in group.changelogs if t in self.partition_counts}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{topic} has {count}" for topic, count in sorted(counts.items()))
            self.errors[group.name] = (
                f"topics that are used together must have the same number of partitions, but {listed}: "
                f"create them anew with equal numbers, or repartition the input with group_by()"
            )
            return
        self.counts[group.name] = next(iter(counts.values()))

    def by_members(self) -> dict[tuple[str, ...], list[TopicGroup]]:
        """Return the groups that can run, by the members that know them: all, unless versions differ."""
        result: dict[tuple[str, ...], list[TopicGroup]] = {}
        knowing: dict[str, list[str]] = {}
        for member_id in sorted(self.infos):
            for name in {g.name for g in self.infos[member_id].groups}:
                knowing.setdefault(name, []).append(member_id)
        for name in sorted(self.counts):
            result.setdefault(tuple(knowing[name]), []).append(self.groups[name])
        return result

    def inputs(self, info: MemberInfo | None, actives: Iterable[TaskId]) -> frozenset[TopicPartition]:
        """Return the partitions of `actives` of those topics that the member reads and that exist."""
        topics = {g.name: [t for t in g.topics if t in self.partition_counts] for g in info.groups} if info else {}
        return frozenset(TopicPartition(topic, task.partition) for task in actives for topic in topics[task.group])


def _changelog_ends(infos: Iterable[MemberInfo]) -> dict[TaskId, int]:
    ends: dict[TaskId, int] = {}
    for info in infos:
        for numbers in (info.ends, info.offsets):
            for task, number in numbers.items():
                if number != RUNNING:
                    ends[task] = max(number, ends.get(task, 0))
    return ends


def _former_owners(infos: Mapping[str, MemberInfo]) -> dict[TaskId, tuple[str, ...]]:
    """Return the transactional ids of owners, by the newest plan that any member knows, that no living member has."""
    living = {info.transactional_id for info in infos.values()}
    newest = max((info.serial for info in infos.values() if info.owners), default=0)
    result: dict[TaskId, tuple[str, ...]] = {}
    for info in infos.values():
        if info.serial == newest:
            for task, owner in info.owners.items():
                if owner not in living and owner not in result.get(task, ()):
                    result[task] = (*result.get(task, ()), owner)
    return result


def _host_map(infos: Mapping[str, MemberInfo], plans: Mapping[str, MemberPlan], members: int) -> bytes:
    """Return where each task is, or nothing where the group is so large that the broker would refuse it."""
    owners = {task: m for m, plan in plans.items() for task in plan.actives}
    withheld = frozenset().union(*(plan.withheld for plan in plans.values()))
    for member_id, info in infos.items():
        owners.update(dict.fromkeys(withheld & info.active, member_id))
    standbys: dict[TaskId, list[str]] = {}
    for member_id, plan in plans.items():
        endpoint = infos[member_id].endpoint
        for task in plan.standbys if endpoint else ():
            standbys.setdefault(task, []).append(endpoint or "")
    ids = {task: i for task, m in owners.items() if (i := infos[m].transactional_id)}
    for with_standbys in (standbys, {}):
        hosts = {t: TaskHosts(infos[m].endpoint, tuple(with_standbys.get(t, ()))) for t, m in owners.items()}
        data = encode_hosts(hosts, ids)
        if len(data) * members <= _MAX_HOSTS_BYTES:
            return data
    return b""


def _joined(left: MemberPlan, right: MemberPlan) -> MemberPlan:
    return MemberPlan(
        left.actives | right.actives,
        left.standbys | right.standbys,
        left.warmups | right.warmups,
        left.withheld | right.withheld,
        left.rebalance_again or right.rebalance_again,
    )


if TYPE_CHECKING:
    _: type[GroupProtocol] = TaskGroupProtocol
