"""What is measured: the events, the workloads, the cases, and what correct outputs are."""

import functools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

SEED = 7
KEYS = 10_000
MANY_KEYS = 1_000_000
RESTORE_KEYS = 100_000
RESTORED_THEN = 1_000  # new events after a restore; their counts must go on from the restored ones
LATENCY_RATE = 5_000  # events per second
LATENCY_SECONDS = 20
HOUR_MS = 3_600_000
STEP_MS = 100  # between the timestamps of two events: half a million cover 14 hours
# Yesterday, so that no broker finds a record too old to keep, and the same for the whole run.
FIRST_MS = (int(time.time()) // 86_400 - 1) * 86_400_000
PRICE_ABOVE = 100


@dataclass(frozen=True)
class Case:
    """Who does the work."""

    name: str
    worker: str  # a module of bench.workers
    store: str = "memory://"
    guarantee: str = "at_least_once"


CASES = {
    case.name: case
    for case in (
        Case("raw", "raw"),
        Case("raw-rocks", "raw", "rocksdb://"),
        Case("ours", "app"),
        Case("ours-rocks", "app", "rocksdb://"),
        Case("ours-eo", "app", guarantee="exactly_once"),
        Case("ours-eo-rocks", "app", "rocksdb://", guarantee="exactly_once"),
    )
}


@dataclass(frozen=True)
class Suite:
    """A workload on a number of partitions, with the cases that it is run with unless others are asked for."""

    name: str
    workload: str
    partitions: int
    cases: tuple[str, ...]
    keys: int = KEYS
    events: int | None = None  # where it needs another number than --events
    baseline: str = "raw"

    def baseline_of(self, case: str) -> str:
        """The case that `case` is compared with, in the same round."""
        return "raw-rocks" if self.workload == "D" and case == "ours-rocks" else self.baseline


DESCRIPTIONS = {
    "A": "decode, filter price > 100, produce the rest as JSON",
    "B": "count per account, 10k keys, with a changelog",
    "C": "decode and count",
    "D": "restore a table of 100k keys from its changelog (two records per event asked for)",
    "J": "decode and join with a table of the 10k accounts",
    "G": "group by account through a topic, then count: two hops in one worker",
    "M": "as B with 1M uniform keys",
    "W": "count per account and hour",
    "L": "latency from produce to output at 5,000 events/s, default settings",
    "R": "resident memory, decode and count, a backlog of ten times the events asked for",
    "X": "exactly once against at least once, on A and B",
}
_CASES = {
    "A": ("raw", "ours"),
    "B": ("raw", "ours", "ours-rocks"),
    "C": ("raw", "ours"),
    "D": ("raw", "ours", "raw-rocks", "ours-rocks"),
    "G": ("raw", "ours", "ours-rocks"),
    "J": ("raw", "ours", "ours-rocks"),
    "M": ("raw", "ours", "ours-rocks"),
    "W": ("raw", "ours", "ours-rocks"),
    "L": ("raw", "ours"),
    "R": ("raw", "ours"),
}


def suites(name: str, events: int) -> list[Suite]:
    """The suites that a name on the command line stands for: a workload's letter and a number of partitions.

    Raises:
        ValueError: there is no such workload.
    """
    matched = re.fullmatch(r"([A-Z])(\d*)", name)
    if matched is None or matched[1] not in DESCRIPTIONS:
        raise ValueError(f"{name!r} is no suite: one of {', '.join(DESCRIPTIONS)}, and a number of partitions")
    workload, partitions = matched[1], int(matched[2] or 1)
    if workload == "X":
        both = ("ours", "ours-eo")
        return [Suite(f"X-{w}{partitions}", w, partitions, both, baseline="ours") for w in "AB"]
    if workload == "M":
        return [Suite(f"M{partitions}", "B", partitions, _CASES["M"], keys=MANY_KEYS)]
    if workload == "R":
        return [Suite(f"R{partitions}", "C", partitions, _CASES["R"], events=10 * events)]
    if workload == "D":
        return [Suite("D", "D", 1, _CASES["D"], keys=RESTORE_KEYS, events=2 * events)]
    if workload == "L":
        return [Suite(f"L{partitions}", "L", partitions, _CASES["L"], events=LATENCY_RATE * LATENCY_SECONDS)]
    return [Suite(name if matched[2] else f"{name}1", workload, partitions, _CASES[workload])]


@dataclass(frozen=True, slots=True)
class Input:
    """One event: its key's number, account, time, price, and the value's bytes."""

    key: int
    account: str
    timestamp_ms: int
    price: float
    value: bytes


def account(key: int) -> str:
    """The account with that number."""
    return f"acct-{key:08}"


def inputs(count: int, keys: int = KEYS) -> Iterator[Input]:
    """The same events each time, about 120 bytes each; from half a million on they repeat, times included."""
    distinct = list(_distinct(min(count, 500_000), keys))
    for start in range(0, count, len(distinct)):
        yield from distinct[: count - start]


def _distinct(count: int, keys: int) -> Iterator[Input]:
    rng = random.Random(SEED)
    for number in range(count):
        key = rng.randrange(keys)
        price = round(rng.uniform(1, 200), 2)
        fields = {
            "account_id": account(key),
            "product_id": f"prod-{rng.randrange(1000):05}",
            "amount": rng.randrange(1, 100),
            "price": price,
            "ts": 1_700_000_000 + number / 1000,
        }
        yield Input(key, account(key), FIRST_MS + number * STEP_MS, price, json.dumps(fields).encode())


@functools.lru_cache(8)
def expected(workload: str, count: int, keys: int) -> Counter[str]:
    """What a workload must come to: outputs per account, or counts by table key."""
    found: Counter[str] = Counter()
    for event in inputs(count, keys):
        if workload == "W":
            found[f"{event.account}@{event.timestamp_ms // HOUR_MS}"] += 1
        elif workload != "A" or event.price > PRICE_ABOVE:
            found[event.account] += 1
    return found
