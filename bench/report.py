"""The tables: what the measurements come to, per suite and case."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.measure import Measurement
from bench.workloads import DESCRIPTIONS, Suite


def load(path: Path) -> list[Measurement]:
    """Measurements from a file of JSON lines."""
    return [Measurement(**json.loads(line)) for line in path.read_text().splitlines()]


def report(suites: Iterable[Suite], measurements: Sequence[Measurement]) -> str:
    """Markdown: one table per suite, then whatever failed."""
    tables = [_table(suite, [m for m in measurements if m.suite == suite.name]) for suite in suites]
    failed = [f"- {m.suite} {m.case}, round {m.round}: {m.failure}" for m in measurements if m.failure]
    return "\n\n".join([*tables, *(["Failed, and left out:", "\n".join(failed)] if failed else [])])


def _table(suite: Suite, measurements: list[Measurement]) -> str:
    title = f"**{suite.name}**: {DESCRIPTIONS[suite.name[0]]}"
    ran = dict.fromkeys(m.case for m in measurements)
    good = [m for m in measurements if not m.failure]
    if not good:
        return f"{title}\n\nNothing was measured."
    events = max(m.events for m in good)
    head = ["case", "events/s min / median / max", "CPU-s per 1M", "× CPU of", "RSS MB", "outputs verified"]
    if suite.workload == "L":
        head[1] = "p50 / p99 / p99.9 / max ms"
    rows = [_row(suite, case, [m for m in measurements if m.case == case], good) for case in ran]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return f"{title}; {events:,} events, {suite.partitions} partition(s)\n\n" + "\n".join(lines)


def _row(suite: Suite, case: str, mine: list[Measurement], good: list[Measurement]) -> list[str]:
    verified = [m for m in mine if not m.failure]
    count = f"{len(verified)} of {len(mine)} runs"
    if not verified:
        return [case, "", "", "", "", count]
    baseline = suite.baseline_of(case)
    ratios = [
        _cpu_per_million(m) / _cpu_per_million(other)
        for m in verified
        for other in good
        if other.case == baseline and other.round == m.round and case != baseline
    ]
    return [
        case,
        _latency(verified) if suite.workload == "L" else _rate(verified),
        f"{median(map(_cpu_per_million, verified)):.2f}",
        f"{median(ratios):.2f} {baseline}" if ratios else "",
        f"{median(m.rss_mb for m in verified):.0f}",
        count,
    ]


def _cpu_per_million(measured: Measurement) -> float:
    return max(measured.cpu_s, 0.001) / measured.events * 1e6


def _rate(measured: list[Measurement]) -> str:
    rates = sorted(m.events / max(m.seconds, 0.001) for m in measured)
    return f"{rates[0]:,.0f} / {median(rates):,.0f} / {rates[-1]:,.0f}"


def _latency(measured: list[Measurement]) -> str:
    return " / ".join(f"{median(m.latency_ms[name] for m in measured):.1f}" for name in ("p50", "p99", "p999", "max"))
