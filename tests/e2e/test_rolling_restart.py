"""Workers with instance ids that are restarted one after the other: nothing moves, nobody else notices."""

import re
import time
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, forwarded, longest_gaps, order_of, orders_application
from tests.e2e.support import Application, Worker, feeding, wait_until
from tests.services.patience import PATIENCE

RATE = 300
LONGEST_PAUSE_S = 1.0 * PATIENCE


def assigned(worker: Worker) -> list[str]:
    """What the group gave to a worker, time after time, by its log."""
    return re.findall(r"assigned \(generation \d+\): ([^;]*);", worker.text())


def wait_until_settled(app: Application, quiet_s: float = 7.0) -> None:
    """Wait until no division of the work has followed the last one for a while: standbys have warmed up by then."""
    seen, since = 0, time.monotonic()

    def settled() -> bool:
        nonlocal seen, since
        count = sum(len(assigned(worker)) for worker in app.workers)
        if count != seen:
            seen, since = count, time.monotonic()
        return time.monotonic() - since > quiet_s

    wait_until(settled, 60, "the group has settled")


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_rolling_restart_of_static_members_moves_nothing_and_stops_no_other_partition(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    partitions = 3
    settings = {"APP_STORE": "rocksdb://", "BROKER_SESSION_TIMEOUT": 25}
    with orders_application(kafka, unique, tmp_path, partitions, **settings) as app:
        env = {name: {"E2E_WORKER": name, "CONSUMER_GROUP_INSTANCE_ID": name} for name in ("a", "b", "c")}
        workers = {name: app.worker(name, **variables) for name, variables in env.items()}
        for worker in workers.values():
            worker.wait_until_ready()
        with feeding(app, "orders", partitions, RATE, order_of) as feeder:
            wait_until_settled(app)
            before = {name: assigned(worker) for name, worker in workers.items()}
            times: list[tuple[str, float, float]] = []
            for name, variables in env.items():
                began = time.time()
                assert workers[name].terminate() == 0, workers[name].tail()
                others = {other: worker for other, worker in workers.items() if other != name}
                workers[name] = app.worker(name, **variables).wait_until_ready()
                time.sleep(1.5)
                times.append((name, began, time.time()))
                for other, worker in others.items():
                    known = before[other] if worker.name == other else before[other][-1:]
                    assert assigned(worker) == known, f"{other} was given something else: {assigned(worker)}"
                assert assigned(workers[name]) == before[name][-1:], "the restarted worker has what it had"
            sent = feeder.stop()
        app.wait_until_processed(PATH, 40)
        assert_complete(app, sent, exactly=True)
        rows = forwarded(app)
        began, ended = times[0][1], times[-1][2]
        during = [row for row in rows if began <= row[2].timestamp_s <= ended]
        owners = {p: {worker for _, worker, read in during if read.partition == p} for p in range(partitions)}
        assert all(len(names) == 1 for names in owners.values()), f"partitions changed hands: {owners}"
        pauses: dict[str, float] = {}
        for name, since, until in times:
            gaps = longest_gaps([read for _, worker, read in rows if worker != name], since_s=since, until_s=until)
            pauses[name] = max(gaps.values())
        print("longest pause of the others while each was restarted:", pauses)
        assert max(pauses.values()) <= LONGEST_PAUSE_S
