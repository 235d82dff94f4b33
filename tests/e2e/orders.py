"""The program `orders`: its input, and what must come out."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from tests.e2e.support import Application, Read

ACCOUNTS = 60  # a multiple of every number of partitions that is used: one account's orders are in one partition
#: the topics in the order in which orders go through them
PATH = ["orders", "*-account-repartition"]


def order_of(number: int) -> tuple[None, bytes]:
    """Return the record of an order."""
    return None, json.dumps({"number": number, "account": account_of(number)}).encode()


def account_of(number: int) -> str:
    return f"account-{number % ACCOUNTS}"


def orders_application(bootstrap: str, name: str, directory: Path, partitions: int, **settings: object) -> Application:
    """Make the application with its topics."""
    app = Application(bootstrap, name, directory, "orders", TOPIC_PARTITIONS=partitions, **settings)
    app.create("orders", partitions)
    app.create("out", partitions)
    return app


def forwarded(app: Application) -> list[tuple[int, str, Read]]:
    """Return (number, worker, record) of what was sent on."""
    return [
        (value["number"], value["worker"], read)
        for read in app.output("out")
        for value in [json.loads(read.value or b"{}")]
    ]


def assert_complete(app: Application, sent: int, *, exactly: bool, sent_again: bool = False) -> None:
    """Nothing is missing in the output and the tables; where `exactly`, nothing is there twice.

    Args:
        sent_again: what agents send may come twice, and what is counted after a hop with it.
    """
    expected = Counter(account_of(number) for number in range(sent))
    numbers = Counter(number for number, _, _ in forwarded(app))
    lost = set(range(sent)) - numbers.keys()
    assert not lost, f"{len(lost)} of {sent} orders were not sent on, such as {min(lost)}"
    tables = {name: app.changelog(name) for name in ("direct", "grouped")}
    for name, counts in tables.items():
        missing = {a: n - counts.get(a, 0) for a, n in expected.items() if counts.get(a, 0) < n}
        assert not missing, f"orders not counted in {name!r}: {missing}"
        if exactly and not (sent_again and name == "grouped"):
            more = {a: n - expected[a] for a, n in counts.items() if n > expected[a]}
            assert not more, f"orders counted twice in {name!r}: {more}"
    app.wait_until_tables_are(tables)
    if exactly and not sent_again:
        assert max(numbers.values()) == 1, f"sent on twice: {[n for n, times in numbers.items() if times > 1][:5]}"


def longest_gaps(reads: list[Read], *, since_s: float = 0, until_s: float = float("inf")) -> dict[int, float]:
    """Return for each partition the longest time between two records (by their time stamps)."""
    times: dict[int, list[float]] = {}
    for read in reads:
        if since_s <= read.timestamp_s <= until_s:
            times.setdefault(read.partition, []).append(read.timestamp_s)
    return {
        partition: max((b - a for a, b in pairwise(sorted(stamps))), default=0.0) for partition, stamps in times.items()
    }
