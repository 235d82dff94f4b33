"""What must hold after each run, worked out from the input alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faust_core.memory import Broker
from faust_core.records import TopicPartition
from tests.simulation.disk import Disk
from tests.simulation.scenario import APP, Scenario

__all__ = ["judge"]

TABLES = ("counts", "seen", "last", "grouped")


class Expected:
    """The same work, done once and in order."""

    def __init__(self, scenario: Scenario) -> None:
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.last: dict[str, int] = {}
        self.grouped: Counter[str] = Counter()
        self.out: list[tuple[str, int, int]] = []
        self.regrouped: list[int] = []
        for n in range(scenario.records):
            self.grouped[scenario.group(n)] |= 1 << n
            self.regrouped.append(n)
            if n in scenario.poison:
                continue
            key = scenario.key(n)
            self.counts[key] += 1
            self.seen[key] |= 1 << n
            if n % 4 == 3:
                self.last.pop(key, None)
            else:
                self.last[key] = n
            self.out.append((key, n, self.counts[key]))


def judge(scenario: Scenario, broker: Broker, disks: Mapping[str, Disk], *, calm: bool) -> Iterator[str]:
    """Yield what is wrong.

    Args:
        calm: nothing happened that may have an event repeated; a rebalance may, where one is in flight.
    """
    expected = Expected(scenario)
    exact = scenario.exactly_once or (calm and scenario.nodes == 1)
    tables = {name: _changelog(broker, name) for name in TABLES}
    yield from _differences("seen", tables["seen"], expected.seen)
    yield from _differences("grouped", tables["grouped"], expected.grouped)
    if scenario.concurrency == 1:
        yield from _differences("last", tables["last"], expected.last)
    if exact:
        yield from _differences("counts", tables["counts"], expected.counts)
    else:
        yield from (
            f"counts[{key}] is {tables['counts'].get(key)}, of {count} events"
            for key, count in expected.counts.items()
            if tables["counts"].get(key, 0) < count
        )
    out = [tuple(value) for value in _values(broker, "out")]
    letters = [n for _, n in _values(broker, f"{APP}-dead-letter")]
    if exact:
        if scenario.concurrency == 1:
            yield from _multiset("out", out, expected.out)
            yield from _in_order(out)
        yield from _multiset("out", [n for _, n, _ in out], [n for _, n, _ in expected.out])
        yield from _multiset("regrouped", _values(broker, "regrouped"), expected.regrouped)
        yield from _multiset("dead letters", letters, scenario.poison)
    else:
        yield from _missing("out", [n for _, n, _ in out], [n for _, n, _ in expected.out])
        yield from _missing("regrouped", _values(broker, "regrouped"), expected.regrouped)
        yield from _missing("dead letters", letters, scenario.poison)
    yield from _stores(broker, disks)


def _values(broker: Broker, topic: str) -> list[Any]:
    records = broker.records(topic) if topic in broker.topics else []
    return [json.loads(record.value or b"null") for record in records]


def _changelog(broker: Broker, table: str) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for record in broker.records(f"{APP}-{table}-changelog"):
        key = json.loads(record.key or b"")
        if record.value is None:
            state.pop(key, None)
        else:
            state[key] = json.loads(record.value)
    return state


def _differences(what: str, found: Mapping[str, int], expected: Mapping[str, int]) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            yield f"{what}[{key}] is {found.get(key)}, not {expected.get(key)}"


def _multiset(what: str, found: Iterable[Any], expected: Iterable[Any]) -> Iterator[str]:
    have, want = Counter(found), Counter(expected)
    if want - have:
        yield f"{what} lacks {sorted((want - have).elements())}"
    if have - want:
        yield f"{what} has too much: {sorted((have - want).elements())}"


def _missing(what: str, found: Iterable[Any], expected: Iterable[Any]) -> Iterator[str]:
    if lost := set(expected) - set(found):
        yield f"{what} lacks {sorted(lost)}"


def _in_order(out: Iterable[tuple[str, int, int]]) -> Iterator[str]:
    latest: dict[str, int] = {}
    for key, n, _ in out:
        if n < latest.get(key, -1):
            yield f"out has {n} of {key} behind {latest[key]}"
        latest[key] = n


def _stores(broker: Broker, disks: Mapping[str, Disk]) -> Iterator[str]:
    """What is on a disk is the changelog up to the offset that stands beside it: never ahead, never dirty."""
    for name, disk in disks.items():
        for (table, partition), file in disk.files.items():
            log = broker.log(TopicPartition(f"{APP}-{table}-changelog", partition))
            assert log is not None
            offset = file.changelog_offset
            stored = dict(file.scan())
            logged: dict[bytes, bytes] = {}
            for at, key, value in zip(log.offsets, log.keys, log.values, strict=True):
                if offset is None or at >= offset:
                    break
                if value is None:
                    logged.pop(key or b"", None)
                else:
                    logged[key or b""] = value
            if stored != logged:
                yield f"{table}/{partition} on the disk of {name}, at {offset}, has {stored}, the changelog {logged}"
