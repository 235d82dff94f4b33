"""The broker stops, is killed, is cut off: workers wait and go on."""

import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, order_of, orders_application
from tests.e2e.sizes import sized
from tests.e2e.support import Worker, feeding, wait_until
from tests.services.factories import MakeKafka

PARTITIONS = 4
STOPPED_S = sized(20, 60)


def nothing_else() -> None:
    """It is stopped already."""


def counted(workers: list[Worker]) -> int:
    return sum(worker.numbers()[0][0] for worker in workers)


def has_counted(workers: list[Worker], enough: int) -> bool:
    return counted(workers) >= enough


@pytest.mark.slow
@pytest.mark.timeout(sized(180, 300))
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_workers_wait_for_a_broker_that_is_stopped_or_killed_and_go_on(
    own_kafka: MakeKafka, unique: str, tmp_path: Path, guarantee: str
) -> None:
    broker = own_kafka()
    with orders_application(
        broker.bootstrap, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://", PROCESSING_GUARANTEE=guarantee
    ) as app:
        workers = [app.worker(name, E2E_WORKER=name) for name in ("a", "b")]
        with feeding(app, "orders", PARTITIONS, 300, order_of) as feeder:
            for worker in workers:
                worker.wait_until_ready()
            wait_until(lambda: all(w.numbers()[0][0] for w in workers), 30, "both work")
            broker.stop()
            time.sleep(STOPPED_S)
            app.assert_nobody_exited()
            for fault in (nothing_else, broker.kill, broker.restart):
                fault()
                time.sleep(1)
                broker.start()
                enough = counted(workers) + 100
                took = wait_until(partial(has_counted, workers, enough), 40, "processing goes on")
                print(f"goes on {took:.1f} s after the broker is back")
                time.sleep(3)
                app.assert_nobody_exited()
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        app.assert_nobody_exited()
        assert_complete(app, sent, exactly=guarantee == "exactly_once")
        for worker in workers:
            assert worker.terminate() == 0, worker.tail()
