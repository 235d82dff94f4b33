"""Final results of windows while workers are killed: FAULTS row "windowed table, emit on close"."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.support import Application, feeding, wait_until

PARTITIONS = 2
PER_SECOND = 60
T0 = 1_700_000_000
STEPS = ["staging", "changelog written", "flushed", "committed", "applied"]


def event_of(number: int) -> tuple[None, bytes]:
    """Return the record of an event; all of a key are in one partition."""
    return None, json.dumps({"key": f"k{number % 6}", "at": T0 + number / PER_SECOND}).encode()


def second_of(number: int) -> tuple[str, float]:
    return f"k{number % 6}", float(T0 + number // PER_SECOND)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_windows_close_once_and_expire_while_workers_are_killed(
    kafka: str, unique: str, tmp_path: Path, guarantee: str
) -> None:
    with Application(
        kafka,
        unique,
        tmp_path,
        "windows",
        APP_STORE="rocksdb://",
        PROCESSING_GUARANTEE=guarantee,
        BROKER_COMMIT_INTERVAL=0.2,
        APP_TRANSACTION_TIMEOUT=5,
        CONSUMER_GROUP_INSTANCE_ID="one",  # a successor takes its place at once
        TOPIC_PARTITIONS=PARTITIONS,
    ) as app:
        app.create("events", PARTITIONS)
        app.create("out", PARTITIONS)
        with feeding(app, "events", PARTITIONS, 200, event_of) as feed:
            for number, step in enumerate(STEPS):
                # Every other one finds an empty disk.
                worker = app.worker(f"disk-{number // 2}", E2E_CRASH_AT=f"{step}:4")
                wait_until(lambda w=worker: not w.is_running(), 30, f"{step}: it is killed")  # type: ignore[misc]
                assert worker.returncode == -9, worker.tail()
            sent = feed.stop()
        last = sent + 10 * PER_SECOND - sent % PARTITIONS
        app.produce("events", [event_of(last), event_of(last + 1)], partitions=PARTITIONS)
        app.worker("last")
        expected = Counter(second_of(number) for number in range(sent))

        def results() -> list[tuple[str, float, int]]:
            return [tuple(json.loads(read.value or b"[]")) for read in app.output("out")]

        wait_until(lambda: {(k, at) for k, at, _ in results()} == expected.keys(), 40, "all windows are closed")
        wait_until(
            lambda: (
                {key for key in app.changelog("counts") if key[0] is not None}
                == {(key, (at, at + 0.9)) for key, at in map(second_of, (last, last + 1))}
            ),
            20,
            "what has expired is deleted",
        )
        seen = results()
        if guarantee == "exactly_once":
            assert sorted(seen) == sorted((key, at, number) for (key, at), number in expected.items())
        else:
            most: Counter[tuple[str, float]] = Counter()
            for key, at, number in seen:
                most[key, at] = max(most[key, at], number)
            assert most >= expected
