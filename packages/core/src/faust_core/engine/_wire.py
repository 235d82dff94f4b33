"""What members and leader send each other, as bytes: compact JSON, compressed where that pays.

A plan has two segments: the member's own part, and the host map, which is the same for all and so encoded once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from faust_core.engine.plans import MemberInfo, Plan, TaskHosts, TaskId, TopicGroup
from faust_core.errors import RebalanceError

__all__ = ["VERSION", "decode_member", "decode_plan", "encode_hosts", "encode_member", "encode_plan"]

#: Raised when older members could not understand the bytes.  A new key needs no new version: unknown ones are ignored.
VERSION: Final = 1

#: Brokers keep the metadata and plans of all members in one record, of 1 MiB at most by default.
_MAX_MEMBER_BYTES: Final = 16 * 1024
#: A member's bytes may not make another one run out of memory.
_MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
_COMPRESS_FROM_BYTES: Final = 256

_T = TypeVar("_T")


def encode_member(info: MemberInfo) -> bytes:
    """Return what a member tells the leader; it forgets what others owned where that would make it too large."""
    own = info.active | info.standby
    for owners in (info.owners, {t: i for t, i in info.owners.items() if t in own}):
        data = _pack(_member_json(info, owners))
        if len(data) <= _MAX_MEMBER_BYTES:
            return data
    return _pack(_member_json(info, {}))


def _member_json(info: MemberInfo, owners: Mapping[TaskId, str]) -> dict[str, Any]:
    by_owner: dict[str, list[TaskId]] = {}
    for task, owner in owners.items():
        by_owner.setdefault(owner, []).append(task)
    return {
        "v": VERSION,
        "software": info.software,
        "process": info.process,
        "rack": info.rack,
        "capacity": info.capacity,
        "endpoint": info.endpoint,
        "txid": info.transactional_id,
        "serial": info.serial,
        "groups": [[g.name, list(g.topics), g.stateful, list(g.changelogs)] for g in info.groups],
        "active": _tasks_json(info.active),
        "standby": _tasks_json(info.standby),
        "offsets": _numbers_json(info.offsets),
        "ends": _numbers_json(info.ends),
        "owners": {owner: _tasks_json(tasks) for owner, tasks in sorted(by_owner.items())},
    }


def decode_member(data: bytes) -> MemberInfo:
    """Undo `encode_member`.

    Raises:
        RebalanceError: the bytes are not that, or of a version that is not known here.
    """

    def read(raw: Any) -> MemberInfo:
        return MemberInfo(
            process=raw["process"],
            groups=tuple(TopicGroup(name, tuple(t), bool(s), tuple(c)) for name, t, s, c in raw["groups"]),
            rack=raw.get("rack"),
            capacity=int(raw.get("capacity", 1)),
            active=frozenset(_tasks(raw["active"])),
            standby=frozenset(_tasks(raw["standby"])),
            offsets=_numbers(raw["offsets"]),
            ends=_numbers(raw["ends"]),
            owners={task: owner for owner, tasks in raw.get("owners", {}).items() for task in _tasks(tasks)},
            serial=int(raw.get("serial", 0)),
            transactional_id=raw.get("txid"),
            endpoint=raw.get("endpoint"),
            software=raw.get("software", ""),
        )

    return _decode("a member's metadata", read, data)


def encode_hosts(hosts: Mapping[TaskId, TaskHosts], transactional_ids: Mapping[TaskId, str]) -> bytes:
    """Return the part of a plan that is the same for all members."""
    names: dict[str, int] = {}

    def number(name: str | None) -> int:
        return -1 if name is None else names.setdefault(name, len(names))

    by_group: dict[str, list[list[int]]] = {}
    for task, entry in sorted(hosts.items()):
        place = [task.partition, number(transactional_ids.get(task)), number(entry.owner), *map(number, entry.standbys)]
        by_group.setdefault(task.group, []).append(place)
    return _pack({"names": list(names), "tasks": by_group})


def encode_plan(plan: Plan, hosts: bytes) -> bytes:
    """Return the bytes of a plan; its host map comes from `encode_hosts`."""
    by_id: dict[str, list[TaskId]] = {}
    for task, ids in plan.fence.items():
        for transactional_id in ids:
            by_id.setdefault(transactional_id, []).append(task)
    own = _pack(
        {
            "v": VERSION,
            "serial": plan.serial,
            "actives": _tasks_json(plan.actives),
            "standbys": _tasks_json(plan.standbys),
            "warmups": _tasks_json(plan.warmups),
            "withheld": _tasks_json(plan.withheld),
            "fence": {i: _tasks_json(tasks) for i, tasks in sorted(by_id.items())},
            "again": plan.rebalance_again_s,
            "missing": sorted(plan.missing_topics),
            "error": plan.error,
        }
    )
    return len(own).to_bytes(4, "big") + own + hosts


def decode_plan(data: bytes) -> Plan:
    """Undo `encode_plan`.

    Raises:
        RebalanceError: the bytes are not that, or of a version that is not known here.
    """
    size = int.from_bytes(data[:4], "big")
    own, shared = data[4 : 4 + size], data[4 + size :]

    def read_hosts(raw: Any) -> tuple[dict[TaskId, TaskHosts], dict[TaskId, str]]:
        names = [*raw["names"], None]  # -1 is nobody
        hosts, ids = {}, {}
        for group, places in raw["tasks"].items():
            for partition, transactional_id, owner, *standbys in places:
                task = TaskId(group, int(partition))
                hosts[task] = TaskHosts(names[owner], tuple(names[s] for s in standbys))
                if transactional_id >= 0:
                    ids[task] = names[transactional_id]
        return hosts, ids

    def read(raw: Any) -> Plan:
        hosts, ids = _decode("a plan's host map", read_hosts, shared, versioned=False) if shared else ({}, {})
        fence: dict[TaskId, tuple[str, ...]] = {}
        for transactional_id, tasks in raw["fence"].items():
            for task in _tasks(tasks):
                fence[task] = (*fence.get(task, ()), transactional_id)
        return Plan(
            actives=frozenset(_tasks(raw["actives"])),
            standbys=frozenset(_tasks(raw["standbys"])),
            warmups=frozenset(_tasks(raw["warmups"])),
            withheld=frozenset(_tasks(raw["withheld"])),
            serial=int(raw["serial"]),
            hosts=hosts,
            owners=ids,
            fence=fence,
            rebalance_again_s=raw["again"],
            missing_topics=frozenset(raw["missing"]),
            error=raw["error"],
        )

    return _decode("a plan", read, own)


def _tasks_json(tasks: Iterable[TaskId]) -> dict[str, list[int]]:
    by_group: dict[str, list[int]] = {}
    for task in sorted(tasks):
        by_group.setdefault(task.group, []).append(task.partition)
    return by_group


def _tasks(raw: Mapping[str, list[int]]) -> Iterable[TaskId]:
    return (TaskId(group, int(partition)) for group, partitions in raw.items() for partition in partitions)


def _numbers_json(numbers: Mapping[TaskId, int]) -> dict[str, list[list[int]]]:
    by_group: dict[str, list[list[int]]] = {}
    for task, number in sorted(numbers.items()):
        by_group.setdefault(task.group, []).append([task.partition, number])
    return by_group


def _numbers(raw: Mapping[str, list[list[int]]]) -> dict[TaskId, int]:
    return {TaskId(group, int(p)): int(number) for group, pairs in raw.items() for p, number in pairs}


def _pack(content: Any) -> bytes:
    data = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return zlib.compress(data) if len(data) >= _COMPRESS_FROM_BYTES else data


def _decode(what: str, read: Callable[[Any], _T], data: bytes, *, versioned: bool = True) -> _T:
    try:
        if not data.startswith(b"{"):
            inflate = zlib.decompressobj()
            data = inflate.decompress(data, _MAX_DECODED_BYTES)
            if not inflate.eof:
                raise ValueError("cut off or too large")
        content = json.loads(data)
        version = content["v"] if versioned else VERSION
        if version == VERSION:
            return read(content)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, zlib.error) as exc:
        raise RebalanceError(f"{what} cannot be read: {type(exc).__name__}: {exc}") from exc
    raise RebalanceError(
        f"{what} is of version {version!r}, but this worker knows version {VERSION} only: "
        f"workers of one group must run compatible versions of faust-core"
    )
