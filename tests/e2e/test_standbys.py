"""A large table on two workers: it warms up, it is taken over in place, there and back."""

import time
from pathlib import Path

import pytest

from tests.e2e.orders import longest_gaps
from tests.e2e.sizes import sized
from tests.e2e.support import SESSION_TIMEOUT_S, Application, Worker, feeding, wait_until
from tests.services.patience import PATIENCE

KEYS = sized(200_000, 1_000_000)
TICKS = 400
PARTITIONS = 4
#: Changelog records that a standby may be behind when it is called warm.
TAIL = 1_000


def tick(number: int) -> tuple[bytes, bytes]:
    return f"tick{number % TICKS}".encode(), b"tick %d" % number


def works_on_all(worker: Worker) -> bool:
    """Whether the last assignment gave everything to this worker, and it is restored."""
    share = worker.text().rpartition("assigned (generation")[2]
    return "standby for nothing" in share and share.count("restored ") >= PARTITIONS / 2


def follows(worker: Worker, app: Application) -> bool:
    """Whether this worker's standbys, one for each partition of the other one, have what there is."""
    standbys = worker.standbys()
    ends = app.ends({topic for topic, _ in standbys})
    return len(standbys) == PARTITIONS / 2 and all(ends[tp] - offset < TAIL for tp, offset in standbys.items())


@pytest.mark.slow
@pytest.mark.timeout(sized(400, 1_200))
def test_a_large_table_is_warmed_up_then_taken_over_in_place_there_and_back(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with Application(
        kafka,
        unique,
        tmp_path,
        "large_table",
        APP_STORE="rocksdb://",
        TOPIC_PARTITIONS=PARTITIONS,
        ACCEPTABLE_RECOVERY_LAG=TAIL,
    ) as app:
        app.create("events", PARTITIONS)
        app.create("out", PARTITIONS)
        app.produce("events", ((f"key{n}".encode(), b"value" * 20) for n in range(KEYS)))
        first = app.worker("first")
        app.wait_until_processed(["events"], sized(90, 300))
        with feeding(app, "events", PARTITIONS, 400, tick) as feeder:
            time.sleep(1)
            joined_at = time.time()
            second = app.worker("second").wait_until_ready()
            wait_until(
                lambda: len(second.restored()) >= PARTITIONS / 2, sized(90, 300), "half of the table is the second's"
            )
            moved = second.restored()
            wait_until(lambda: follows(second, app), 60, "the standbys are warm")

            killed_at = time.time()
            first.kill()
            wait_until(lambda: works_on_all(second), SESSION_TIMEOUT_S + 60, "the standbys are promoted")
            promoted = second.restored()[len(moved) :]
            time.sleep(1)

            back_at = time.time()
            again = app.worker("first").wait_until_ready()
            wait_until(lambda: len(again.restored()) >= PARTITIONS / 2, sized(90, 300), "half of the table went back")
            wait_until(lambda: follows(again, app), 60, "the standbys are warm")
            killed_again_at = time.time()
            second.kill()
            wait_until(lambda: works_on_all(again), SESSION_TIMEOUT_S + 60, "the standbys are promoted")
            time.sleep(2)
            sent = feeder.stop()
        app.wait_until_processed(["events"], 60)
        out = app.output("out")
        pauses = {
            "second worker added": longest_gaps(out, since_s=joined_at, until_s=killed_at),
            "first killed": longest_gaps(out, since_s=killed_at - 2, until_s=back_at),
            "first came back": longest_gaps(out, since_s=back_at, until_s=killed_again_at),
            "second killed": longest_gaps(out, since_s=killed_again_at - 2),
        }
        print(f"records restored: moved {moved}, promoted {promoted}, there and back {again.restored()} of {KEYS}")
        for what, gaps in pauses.items():
            print(f"{what}: longest time without processing {max(gaps.values()):.2f} s")
        assert {r.value for r in out} == {b'"tick %d"' % n for n in range(sent)}
        assert len(app.tables()["seen"]) == KEYS + TICKS
        for tail in (moved, promoted, again.restored()):
            assert sum(tail) < KEYS / 20
        for what, gaps in pauses.items():
            assert len(gaps) == PARTITIONS
            assert max(gaps.values()) <= (SESSION_TIMEOUT_S + 2 * PATIENCE if "killed" in what else 3 * PATIENCE), what
