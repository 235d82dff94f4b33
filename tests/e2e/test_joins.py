"""Joins while workers are killed: of streams with its open windows, and of tables by a foreign key."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.support import Application, wait_until

PARTITIONS = 2
PER_ROUND = 60
STEPS = ["changelog written", "flushed", "committed"]


def key_of(number: int) -> bytes:
    return f"k{number}".encode()


def feed(app: Application, turn: int) -> None:
    """Write a round of orders, payments of two thirds of them, payments of nothing, and new versions of customers."""
    numbers = range(turn * PER_ROUND, (turn + 1) * PER_ROUND)
    app.produce("orders", [(key_of(n), json.dumps({"n": n, "c": f"c{n % 7}"}).encode()) for n in numbers])
    app.produce("payments", [(key_of(n if n % 3 else -1 - n), str(n).encode()) for n in numbers])
    app.produce("customers", [(f"c{n}".encode(), str(turn).encode()) for n in range(5)])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_joins_lose_nothing_while_workers_are_killed(kafka: str, unique: str, tmp_path: Path, guarantee: str) -> None:
    with Application(
        kafka,
        unique,
        tmp_path,
        "joins",
        APP_STORE="rocksdb://",
        PROCESSING_GUARANTEE=guarantee,
        BROKER_COMMIT_INTERVAL=0.2,
        APP_TRANSACTION_TIMEOUT=5,
        CONSUMER_GROUP_INSTANCE_ID="one",  # a successor takes its place at once
        TOPIC_PARTITIONS=PARTITIONS,
    ) as app:
        for topic in ("orders", "payments", "customers", "pairs", "rows"):
            app.create(topic, PARTITIONS)
        for turn, step in enumerate(STEPS):
            feed(app, turn)
            # Every other one finds an empty disk.
            worker = app.worker(f"disk-{turn // 2}", E2E_CRASH_AT=f"{step}:3")
            wait_until(lambda w=worker: bool(w.numbers()[0][0]) or not w.is_running(), 30, "it works")  # type: ignore[misc]
            while worker.is_running():  # a checkpoint with nothing to write does not come to every step
                app.produce("payments", [(b"extra", b"-1")])
                time.sleep(0.1)
            assert worker.returncode == -9, worker.tail()
        feed(app, len(STEPS))
        app.worker("last")
        numbers = range((len(STEPS) + 1) * PER_ROUND)
        expected = Counter((n, n) if n % 3 else (n, None) for n in numbers) + Counter(
            (None, n) for n in numbers if n % 3 == 0
        )
        customers = {c: len(STEPS) if c < 5 else None for c in range(7)}

        def found() -> Counter[tuple[int | None, int | None]]:
            # The extra payments close the windows: the stream time is moved by records only.
            app.produce("payments", [(b"extra", b"-1"), (b"other", b"-1"), (b"third", b"-1"), (b"x4", b"-1")])
            pairs = [tuple(json.loads(read.value or b"[]")) for read in app.output("pairs")]
            return Counter((left, right) for left, right in pairs if right != -1)

        wait_until(lambda: found().keys() == expected.keys(), 40, "every order and payment, each in its pair or alone")
        if guarantee == "exactly_once":
            assert found() == expected
        rows = {n: [n, customers[n % 7]] for n in numbers}

        def last_rows() -> dict[int, list[int | None]]:
            values = [json.loads(read.value or b"[]") for read in app.output("rows")]
            return {value[0]: value for value in values}

        wait_until(lambda: last_rows() == rows, 30, "each order with its customer as it is now")
