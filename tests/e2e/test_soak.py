"""Workers come, go and are killed at random; what comes out is compared with a recomputation."""

import random
import signal
import time
from collections import Counter
from os import environ
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, forwarded, order_of, orders_application
from tests.e2e.support import feeding

PARTITIONS = 6
RATE = 500
#: longer and other runs: `nox -s soak -- --actions 20 --seed 7`
ACTIONS = int(environ.get("E2E_SOAK_ACTIONS", "8"))
SEED = int(environ.get("E2E_SOAK_SEED", "3"))


@pytest.mark.slow
@pytest.mark.timeout(100 + 5 * ACTIONS)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_nothing_is_lost_while_workers_are_killed_stopped_and_started(
    kafka: str, unique: str, tmp_path: Path, guarantee: str
) -> None:
    rng = random.Random(SEED)
    with orders_application(
        kafka,
        unique,
        tmp_path,
        PARTITIONS,
        APP_STORE="rocksdb://",
        PROCESSING_GUARANTEE=guarantee,
    ) as app:
        names = ["a", "b", "c"]
        workers = {name: app.worker(name, E2E_WORKER=name) for name in names}
        with feeding(app, "orders", PARTITIONS, RATE, order_of) as feeder:
            for worker in workers.values():
                worker.wait_until_ready()
            done: Counter[str] = Counter()
            for _ in range(ACTIONS):
                time.sleep(rng.uniform(0.5, 2.5))
                stopped = [name for name in names if not workers[name].is_running()]
                if stopped and (len(stopped) == 2 or rng.random() < 0.5):
                    name = rng.choice(stopped)
                    workers[name] = app.worker(name, E2E_WORKER=name)
                    done["started again"] += 1
                    print(f"start {name}")
                    continue
                name = rng.choice([name for name in names if workers[name].is_running()])
                if rng.random() < 0.6:
                    workers[name].kill()
                    done["killed"] += 1
                    print(f"kill {name}")
                else:
                    code, text = workers[name].terminate(), workers[name].text()
                    # Before it has begun to listen, a signal ends it as it ends any program.
                    assert code == 0 or (code == -signal.SIGTERM and "worker ready" not in text), workers[name].tail()
                    done["stopped"] += 1
                    print(f"stop {name}")
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        times = Counter(number for number, _, _ in forwarded(app))
        twice = {name: sum(app.changelog(name).values()) - sent for name in ("direct", "grouped")}
        actions = ", ".join(f"{n} {what}" for what, n in done.items())
        print(
            f"soak, {guarantee}, seed {SEED}: {ACTIONS} actions ({actions}); "
            f"{sent} orders in, {len(times)} of them out, {sum(times.values()) - len(times)} of these more than once; "
            f"counted more than once: {twice['direct']} in 'direct', {twice['grouped']} in 'grouped'"
        )
        assert_complete(app, sent, exactly=guarantee == "exactly_once")
        for worker in app.running():
            assert worker.terminate() == 0, worker.tail()
        assert not app.open_transactions()
        once = "nothing twice" if guarantee == "exactly_once" else "repeats allowed"
        print(f"verdict: nothing lost, {once}, output and tables equal the recomputation, no transaction open")
