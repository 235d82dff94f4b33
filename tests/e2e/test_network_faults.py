"""Workers that are frozen, or cut off from the broker, for shorter and longer than their session."""

import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, order_of, orders_application
from tests.e2e.sizes import sized
from tests.e2e.support import SESSION_TIMEOUT_S, Worker, feeding, wait_until
from tests.services.factories import MakeKafka, MakeProxy

PARTITIONS = 4


def has_counted(worker: Worker, enough: int) -> bool:
    return worker.numbers()[0][0] >= enough


def wait_until_it_goes_on(worker: Worker, timeout_s: float = 45) -> float:
    return wait_until(partial(has_counted, worker, worker.numbers()[0][0] + 50), timeout_s, f"{worker.name} goes on")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_a_worker_frozen_for_longer_than_its_session_comes_back_without_harm(
    kafka: str, unique: str, tmp_path: Path, guarantee: str
) -> None:
    with orders_application(
        kafka, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://", PROCESSING_GUARANTEE=guarantee
    ) as app:
        with feeding(app, "orders", PARTITIONS, 400, order_of) as feeder:
            frozen = app.worker("frozen", E2E_WORKER="frozen").wait_until_ready()
            other = app.worker("other", E2E_WORKER="other").wait_until_ready()
            wait_until_it_goes_on(other)
            wait_until_it_goes_on(frozen)
            frozen.pause()  # in the middle of a transaction, most probably
            time.sleep(SESSION_TIMEOUT_S + 4)
            wait_until_it_goes_on(other)
            frozen.resume()
            took = wait_until_it_goes_on(frozen)
            print(f"works again {took:.1f} s after it was woken")
            time.sleep(2)
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        assert_complete(app, sent, exactly=guarantee == "exactly_once")
        app.assert_nobody_exited()
        assert "Traceback" not in frozen.text()


@pytest.mark.slow
@pytest.mark.timeout(sized(240, 600))
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_workers_cut_off_from_the_broker_go_on_when_it_is_back(
    own_kafka: MakeKafka, tcp_proxy: MakeProxy, unique: str, tmp_path: Path, guarantee: str
) -> None:
    proxy = tcp_proxy()
    broker = own_kafka(proxies=[proxy])
    with orders_application(
        broker.bootstrap, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://", PROCESSING_GUARANTEE=guarantee
    ) as app:
        with feeding(app, "orders", PARTITIONS, 300, order_of) as feeder:
            behind = app.worker("behind", BROKER_URL=f"kafka://{proxy.address}").wait_until_ready()
            near = app.worker("near").wait_until_ready()
            wait_until_it_goes_on(near)
            for what, fault, seconds in (
                ("refused for a moment", proxy.cut, 2),
                ("silent for longer than the session", proxy.black_hole, SESSION_TIMEOUT_S + 4),
                ("refused for longer than the session", proxy.cut, SESSION_TIMEOUT_S + 2),
                ("slow", partial(proxy.delay, 0.2), 3),
                *sized(
                    [], [("silent for two minutes", proxy.black_hole, 120), ("refused for two minutes", proxy.cut, 120)]
                ),
            ):
                fault()
                time.sleep(seconds)
                if what == "slow":
                    wait_until_it_goes_on(behind)
                wait_until_it_goes_on(near)
                proxy.heal()
                took = wait_until_it_goes_on(behind)
                print(f"{what}: works again {took:.1f} s after the network is back")
                time.sleep(2)
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        assert_complete(app, sent, exactly=guarantee == "exactly_once")
        app.assert_nobody_exited()


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_an_exactly_once_worker_goes_on_after_the_broker_was_killed(
    own_kafka: MakeKafka, unique: str, tmp_path: Path
) -> None:
    broker = own_kafka()
    with orders_application(broker.bootstrap, unique, tmp_path, PARTITIONS, PROCESSING_GUARANTEE="exactly_once") as app:
        with feeding(app, "orders", PARTITIONS, 300, order_of) as feeder:
            worker = app.worker("only").wait_until_ready()
            wait_until_it_goes_on(worker)
            for _ in range(2):  # librdkafka's calls hang most of the times, not always
                broker.kill()
                time.sleep(2)
                broker.start()
                took = wait_until_it_goes_on(worker)
                print(f"goes on {took:.1f} s after the broker is back")
                time.sleep(1)
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        assert_complete(app, sent, exactly=True)
