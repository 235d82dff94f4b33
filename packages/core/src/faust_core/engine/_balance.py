"""Even loads: fair shares, and the least loaded member outside of some processes and racks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import TypeVar

__all__ = ["LeastLoaded", "evenly", "fair_shares"]

_T = TypeVar("_T")

_Entry = tuple[float, int]


def fair_shares(units: int, capacities: Sequence[int], base: Sequence[int], owned: Sequence[int]) -> list[int]:
    """Divide `units` so that the loads, `base` included, are in proportion to the capacities.

    For any two members i, j where i has a share: load i / capacity i <= (load j + 1) / capacity j; with equal
    capacities and an even base the loads differ by one at most.  Where members are equal, those that own more units
    now keep them.
    """
    shares = [0] * len(capacities)
    heap = [((base[i] + 1) / c, owned[i] <= 0, i) for i, c in enumerate(capacities)]
    heapify(heap)
    for _ in range(units if heap else 0):
        i = heap[0][2]
        shares[i] += 1
        heapreplace(heap, ((base[i] + shares[i] + 1) / capacities[i], owned[i] <= shares[i], i))
    return shares


def evenly(items: Sequence[_T], count: int) -> list[_T]:
    """Return `count` of `items`, evenly spaced."""
    return [items[i * len(items) // count] for i in range(count)]


class LeastLoaded:
    """Members by load, one heap per rack.

    Entries are not removed when a load changes but recognised as outdated when they come to the top.
    """

    def __init__(self, racks: Sequence[str | None], processes: Sequence[str], capacities: Sequence[int]) -> None:
        self.load = [0] * len(racks)
        self._racks = racks
        self._processes = processes
        self._capacities = capacities
        self._by_rack: dict[str | None, list[_Entry]] = {}
        for member, rack in enumerate(racks):
            self._by_rack.setdefault(rack, []).append((self.key(member), member))
        for heap in self._by_rack.values():
            heapify(heap)
        self._tops = [(heap[0], rack) for rack, heap in self._by_rack.items()]
        self._tops.sort(key=lambda top: top[0])

    def key(self, member: int) -> float:
        """Return the load that the member would have with one task more, relative to its capacity."""
        return (self.load[member] + 1) / self._capacities[member]

    def add_load(self, member: int, count: int) -> None:
        self.load[member] += count
        rack = self._racks[member]
        heap = self._by_rack[rack]
        heappush(heap, (self.key(member), member))
        self._trim(heap)
        heappush(self._tops, (heap[0], rack))

    def has_rack_besides(self, racks: Collection[str | None]) -> bool:
        """Tell whether any member is in none of `racks`."""
        return bool(self._by_rack.keys() - set(racks))

    def find(self, processes: Collection[str], racks: Collection[str | None]) -> int | None:
        """Return the least loaded member outside of `processes` and `racks`, None where there is none."""
        passed = []
        found = None
        while self._tops and found is None:
            top, rack = heappop(self._tops)
            if self._by_rack[rack][0] != top:
                continue
            passed.append((top, rack))
            if rack not in racks:
                found = self._first_outside(self._by_rack[rack], processes)
        for entry in passed:
            heappush(self._tops, entry)
        return found

    def _first_outside(self, heap: list[_Entry], processes: Collection[str]) -> int | None:
        passed = []
        found = None
        while heap and found is None:
            entry = heappop(heap)
            if entry[0] != self.key(entry[1]):
                continue
            passed.append(entry)
            if self._processes[entry[1]] not in processes:
                found = entry[1]
        for entry in passed:
            heappush(heap, entry)
        return found

    def _trim(self, heap: list[_Entry]) -> None:
        while heap[0][0] != self.key(heap[0][1]):
            heappop(heap)
