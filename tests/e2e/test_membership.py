"""Workers that come, go, idle, and shut down: who owns what, and that nothing stops for long."""

import signal
import time
from itertools import groupby
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, forwarded, longest_gaps, order_of, orders_application
from tests.e2e.support import SESSION_TIMEOUT_S, Application, feeding, wait_until
from tests.services.patience import PATIENCE

RATE = 400


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_adding_and_removing_workers_never_leaves_a_partition_alone_or_with_two_owners(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    partitions = 4
    with orders_application(kafka, unique, tmp_path, partitions, APP_STORE="rocksdb://") as app:
        with feeding(app, "orders", partitions, RATE, order_of) as feeder:
            workers = {name: app.worker(name, E2E_WORKER=name) for name in ("a", "b", "c")}
            for worker in workers.values():
                worker.wait_until_ready()
            time.sleep(6)
            steady_since = time.time()
            workers["d"] = app.worker("d", E2E_WORKER="d").wait_until_ready()
            time.sleep(3)
            assert workers["a"].terminate() == 0, workers["a"].tail()
            time.sleep(2)
            for name in ("e", "f"):  # the second comes while the first still restores
                workers[name] = app.worker(name, E2E_WORKER=name)
                time.sleep(0.3)
            workers["f"].wait_until_ready()
            assert workers["b"].terminate() == 0, workers["b"].tail()
            time.sleep(4)
            steady_until = time.time()
            sent = feeder.stop()
        app.wait_until_processed(PATH, 40)
        assert_complete(app, sent, exactly=True)  # nobody was killed
        rows = forwarded(app)
        gaps = longest_gaps([r for _, _, r in rows], since_s=steady_since, until_s=steady_until)
        print("longest pauses:", gaps)
        owners = {
            partition: [worker for worker, _ in groupby(w for _, w, r in rows if r.partition == partition)]
            for partition in range(partitions)
        }
        print("owners:", owners)
        for partition, names in owners.items():
            assert len(names) <= 8, f"partition {partition} changed hands too often, or had two owners: {names}"
        assert max(gaps.values()) < 5.0 * PATIENCE, f"a partition was without owner: {gaps}"
        steady = [r for r in rows if steady_since <= r[2].timestamp_s <= steady_until]
        for partition in range(partitions):
            if len({worker for _, worker, r in steady if r.partition == partition}) == 1:
                assert gaps[partition] < 1.0 * PATIENCE, (
                    f"partition {partition} stayed where it was, and stopped: {gaps}"
                )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_idle_workers_idle_and_take_over_when_they_are_needed(kafka: str, unique: str, tmp_path: Path) -> None:
    partitions = 2
    with orders_application(kafka, unique, tmp_path, partitions, APP_STORE="rocksdb://") as app:
        with feeding(app, "orders", partitions, RATE, order_of) as feeder:
            workers = [app.worker(name, E2E_WORKER=name).wait_until_ready() for name in ("a", "b", "c", "d")]
            time.sleep(7)
            before = {w.name: w.numbers()[0][0] for w in workers}
            time.sleep(1)
            busy = [w for w in workers if w.numbers()[0][0] > before[w.name]]
            idle = [w for w in workers if w not in busy]
            assert len(busy) == len(idle) == 2
            for worker in busy:
                worker.kill()
            before = {w.name: w.numbers()[0][0] for w in idle}
            took = wait_until(
                lambda: all(w.numbers()[0][0] > before[w.name] for w in idle), SESSION_TIMEOUT_S + 10, "both took over"
            )
            print(f"idle workers took over after {took:.1f} s")
            sent = feeder.stop()
        app.wait_until_processed(PATH, 40)
        assert_complete(app, sent, exactly=False)
        for worker in idle:
            assert worker.terminate() == 0, worker.tail()


@pytest.mark.timeout(90)
def test_sigterm_under_load_drains_commits_and_hands_over_in_seconds(kafka: str, unique: str, tmp_path: Path) -> None:
    partitions = 4
    with orders_application(kafka, unique, tmp_path, partitions) as app:
        with feeding(app, "orders", partitions, RATE * 5, order_of) as feeder:
            first = app.worker("first", E2E_WORKER="first").wait_until_ready()
            second = app.worker("second", E2E_WORKER="second").wait_until_ready()
            wait_until(lambda: second.numbers()[0][0], 20, "both work")
            time.sleep(2)
            began, stopped_at = time.monotonic(), time.time()
            assert first.terminate() == 0, first.tail()
            took = time.monotonic() - began
            time.sleep(4)
            sent = feeder.stop()
        app.wait_until_processed(PATH, 30)
        assert_complete(app, sent, exactly=True)
        gaps = longest_gaps(app.output("out"), since_s=stopped_at - 1, until_s=stopped_at + 5)
        print(f"stopped in {took:.1f} s; longest pauses: {gaps}")
        assert took < 5 * PATIENCE
        assert max(gaps.values()) < 3 * PATIENCE, gaps


@pytest.mark.timeout(60)
def test_sigterm_in_the_middle_of_a_rebalance_leaves_the_group_too(kafka: str, unique: str, tmp_path: Path) -> None:
    with orders_application(kafka, unique, tmp_path, 2) as app:
        first = app.worker("first").wait_until_ready()
        dead = app.worker("dead").wait_until_ready()
        wait_until(lambda: "giving up" in first.text(), 20, "the second has its share")
        time.sleep(2.5)  # that rebalance is over
        dead.kill()
        before = first.text().count("dividing the work anew")
        third = app.worker("third")  # the group now waits for the dead one until its session ends
        wait_until(lambda: first.text().count("dividing the work anew") > before, 20, "the rebalance has begun")
        time.sleep(0.5)
        killed_at = time.monotonic()
        assert first.terminate() == 0, first.tail()
        assert time.monotonic() - killed_at < 5 * PATIENCE
        third.wait_until_ready(SESSION_TIMEOUT_S + 3)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_worker_at_once(
    kafka: str, unique: str, tmp_path: Path, number: signal.Signals
) -> None:
    with Application(kafka, unique, tmp_path, "naps", APP_SHUTDOWN_TIMEOUT=30) as app:
        app.create("naps", 1)
        app.produce("naps", [(None, b"await 60")])
        worker = app.worker("only").wait_until_ready()
        wait_until(lambda: worker.numbers()[0][2], 10, "the event is in hand")
        worker.send_signal(number)
        worker.wait_for_log(f"{number.name}: finishing what is in flight", 5)
        with pytest.raises(TimeoutError):
            worker.wait(1.5)
        began = time.monotonic()
        worker.send_signal(number)
        assert worker.wait(5) == 128 + number
        assert time.monotonic() - began < 1 * PATIENCE
