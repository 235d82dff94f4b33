"""The programs of examples/: how each is run, and what it must print."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples"

__all__ = ["EXAMPLES", "FOLDER", "Example", "counts"]


@dataclass(frozen=True)
class Example:
    """One program.

    Attributes:
        complete: looks at all that was printed so far; False while something is missing, an error if it is wrong.
        worker: it runs until it is stopped, by `python NAME.py worker`; otherwise it ends by itself.
        topics: what it makes, besides what has the application's id in its name.
        embedded: it is only meant to run without a broker.
        registry: it needs a schema registry.
    """

    name: str
    complete: Callable[[str], bool]
    worker: bool = True
    topics: tuple[str, ...] = ()
    embedded: bool = False
    registry: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return FOLDER / f"{self.name}.py"


def counts(pattern: str, output: str) -> dict[str, int]:
    """The last count of each name in lines of `pattern`; each count must be one more than the one before."""
    last: dict[str, int] = {}
    for name, number in re.findall(pattern, output, re.MULTILINE):
        assert int(number) == last.get(name, 0) + 1, f"{name}: {number} after {last.get(name, 0)}"
        last[name] = int(number)
    return last


def _greeted(output: str) -> bool:
    return output.count("Hello from Faust to you\n") >= 2


def _orders_counted(output: str) -> bool:
    counted = counts(r"^(account-\d) has (\d+) orders$", output)
    return len(counted) == 3 and min(counted.values()) >= 2


def _clicks_counted(output: str) -> bool:
    last: dict[str, int] = {}
    for url, number in re.findall(r"^(https://\S+) clicked (\d+) times in this hour$", output, re.MULTILINE):
        assert int(number) in (1, last.get(url, 0) + 1), f"{url}: {number} after {last.get(url, 0)}"
        last[url] = int(number)
    return len(last) == 3 and max(last.values()) >= 3


def _final(output: str) -> bool:
    lines = re.findall(r"^(\d\d:\d\d:\d\d) (\S+) was viewed \d+ times$", output, re.MULTILINE)
    assert len(set(lines)) == len(lines), "a second is reported once"
    return len(lines) >= 3


def _words_counted(output: str) -> bool:
    text = (FOLDER / "wordcount.txt").read_text(encoding="utf-8").lower()
    counted = counts(r"^(\w+): (\d+)$", output)
    assert set(counted) <= set(re.findall(r"\w+", text))
    return all(counted.get(word, 0) >= number for word, number in Counter(re.findall(r"\w+", text)).items())


def _failures_put_aside(output: str) -> bool:
    assert "booked -5.0" not in output
    return all(
        re.search(pattern, output)
        for pattern in (
            r"booked 10\.0 for ada",
            r"booked 20\.0 for eve",
            r"dead letter from payments/\d offset \d+: ValueError: a payment of -5\.0\n  its value was b'\{",
            r"dead letter from payments/\d offset \d+: ValueDecodeError: .*\n  its value was b'this is no JSON'",
        )
    )


def _printed(*lines: str) -> Callable[[str], bool]:
    return lambda output: all(line in output.splitlines() for line in lines)


def _sold(output: str) -> bool:
    return bool(
        re.search(
            r"^customer-0 has spent [1-9]\d*\.00 EUR on present, product-0, product-1, product-2$", output, re.MULTILINE
        )
        and re.search(r"^\+Spent-+\+$", output, re.MULTILINE)
        and re.search(r"^\| customer-1 +\| [\d.]+ +\|$", output, re.MULTILINE)
    )


def _joined(output: str) -> bool:
    return all(
        re.search(pattern, output, re.MULTILINE)
        for pattern in (
            r"^order order-\d+ is paid: 10\.00$",
            r"^order order-\d+ is not paid$",
            r"^Customer-\d has ordered order-\d+$",
            r"^deliver order-\d+ to (Paris|Rome)$",
        )
    )


def _rooms_watched(output: str) -> bool:
    assert "-99" not in output
    return all(
        re.search(pattern, output, re.MULTILINE)
        for pattern in (
            r"^the first reading of partition \d is written$",
            r"^hottest of \d+: attic with 35 °C$",
            r"^room-alarms-attic: 35 °C is more than 30$",
        )
    )


def _migrated(output: str) -> bool:
    return all(
        re.search(pattern, output, re.MULTILINE)
        for pattern in (
            r"^this worker has \d+ partitions$",
            r"^the limit of ada is 30\.0$",
            r"^three withdrawals in fr$",
            r"^(ada|bob) is overdrawn$",
            r"^told (ada|bob)$",
        )
    )


EXAMPLES = (
    Example("hello", _greeted, topics=("hello-topic",)),
    Example("orders", _orders_counted, topics=("orders", "orders.process-orders-Order.account_id-repartition")),
    Example("clicks", _clicks_counted, topics=("clicks",)),
    Example("final_counts", _final, topics=("page-views",)),
    Example("wordcount", _words_counted, topics=("wordcount-lines", "wordcount-words")),
    Example("shop", _sold, topics=("sales", "rates", "bought-setmanager")),
    Example(
        "joins",
        _joined,
        topics=(
            "joins-orders",
            "joins-payments",
            "joins-customers",
            "joins.greet-joins-orders-Order.customer-repartition",
        ),
    ),
    Example(
        "rooms", _rooms_watched, topics=("room-readings", "room-hottest", "room-alarms-cellar", "room-alarms-attic")
    ),
    Example(
        "migrated",
        _migrated,
        topics=(
            "bank-withdrawals",
            "bank-alerts",
            "migrated.add_up-bank-withdrawals-Withdrawal.account-repartition",
        ),
    ),
    Example("dead_letters", _failures_put_aside, topics=("payments",)),
    Example(
        "queries",
        _printed(
            "ada has 5 points",
            "ada and bob: {'ada': 5, 'bob': 2}",
            "names with a: [('ada', 5), ('alan', 1)]",
            "over HTTP: 5",
            "and all of them: ['ada', 'alan', 'bob']",
        ),
        worker=False,
        topics=("points",),
    ),
    Example(
        "pages",
        _printed(
            "{'hello': 'ada', 'loud': True}",
            "{'name': 'ada', 'points': 7}",
            "the report is made",
            "{'ada': 7, 'bob': 2}",
        ),
        worker=False,
        topics=("votes", "pages.count-votes-Vote.name-repartition"),
    ),
    Example(
        "embed_starlette",
        _printed('GET /greet/ada: "welcome back, ada, for the 2nd time"', "GET /faust/table/visits/ada: 2"),
        worker=False,
    ),
    Example(
        "codecs",
        _printed("kitchen: 21.5 °C", "attic: 20.0 °C"),
        topics=("thermometers-sensors", "thermometers-archive"),
    ),
    Example(
        "schemas",
        _printed("ada: 1 orders, 10.00", "ada: 2 orders, 12.50"),
        topics=("order-totals-orders", "schemas.add_up-order-totals-orders-Order.customer-repartition"),
        registry=True,
    ),
    Example("ask", _printed("the squares are [0, 1, 4, 9, 16]"), worker=False),
    Example(
        "answers",
        _printed(
            "the greeter starts",
            "the roots are [1.0, 2.0, 3.0]",
            "an inverse is 0.25",
            "an inverse is 0.2",
            "no inverse: ZeroDivisionError: float division by zero",
            "square_root is waiting",
            "the greeter stops",
        ),
        worker=False,
    ),
    Example(
        "embed_asyncio",
        _printed(*(f"welcome {name}, this is visit number {number}" for name, number in (("ada", 2), ("bob", 1)))),
        worker=False,
    ),
    Example(
        "minimal_core",
        _printed("room-0: at most 24.8 °C", "room-1: at most 24.9 °C"),
        worker=False,
        topics=("readings", "minimal_core.measure-readings-room-repartition"),
    ),
    Example(
        "records",
        _printed(
            "2024 10.90 Size.SMALL",
            "Product.price: must have at most 2 decimal places",
            "<Account: name='ann', password=<Secret: ***>, phone=None>",
            "['ByCard', 'Transfer']",
            '{"temperature":3.5,"at":"2024-01-02T00:00:00Z","__faust":{"ns":"records.Reading"}}',
            "<Shirt: width=40, colour='red'>",
        ),
        worker=False,
        embedded=True,
    ),
    Example(
        "metrics",
        _printed(
            "3 events, 0 behind",
            "the slowest took some time",
            'faust_events_total{app="watched-app",stream="metrics.add_up"} 3',
            'faust_records_sent_total{app="watched-app",topic="watched-payments"} 3',
            'faust_app_counts_total{app="watched-app",name="payments"} 3',
        ),
        worker=False,
        embedded=True,
    ),
    Example(
        "demo",
        _printed("20000 orders in the table, 20000 sent: equal."),
        worker=False,
        embedded=True,
    ),
)
