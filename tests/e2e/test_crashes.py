"""SIGKILL at each step of a checkpoint, and what is restored after good and bad ends."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.orders import PATH, assert_complete, order_of, orders_application
from tests.e2e.support import Application, feeding, wait_until

STEPS = ["staging", "changelog written", "flushed", "committed", "applied"]
PARTITIONS = 4
COMMITS_BEFORE = 4


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("keeps_state", [True, False], ids=["same disk", "empty disk"])
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_a_worker_killed_at_any_step_of_a_checkpoint_is_restored_to_what_was_committed(
    kafka: str, unique: str, tmp_path: Path, guarantee: str, keeps_state: bool
) -> None:
    steps = [*STEPS, *(["offsets sent"] if guarantee == "exactly_once" else [])]
    with ExitStack() as stack:
        apps: dict[str, Application] = {}
        for step in steps:  # all at the same time, as most of it is waiting
            directory = tmp_path / step
            directory.mkdir()
            apps[step] = stack.enter_context(
                orders_application(
                    kafka,
                    f"{unique}-{step.replace(' ', '-')}",
                    directory,
                    PARTITIONS,
                    APP_STORE="rocksdb://",
                    PROCESSING_GUARANTEE=guarantee,
                    BROKER_COMMIT_INTERVAL=0.3,
                )
            )
        sent: dict[str, int] = {}
        with ExitStack() as feeders:
            feeds = {s: feeders.enter_context(feeding(a, "orders", PARTITIONS, 300, order_of)) for s, a in apps.items()}
            first = {s: app.worker("first", E2E_CRASH_AT=f"{s}:{COMMITS_BEFORE}") for s, app in apps.items()}
            for step, worker in first.items():
                wait_until(lambda w=worker: not w.is_running(), 30, f"{step}: it is killed")  # type: ignore[misc]
                assert worker.returncode == -9, worker.tail()
            sent = {step: feed.stop() for step, feed in feeds.items()}
        for app in apps.values():
            app.worker("second", state="first" if keeps_state else "second")
        for step, app in apps.items():
            # Nobody who knows the killed worker is left: its transaction must not be waited for, which takes a minute.
            app.wait_until_processed(PATH, 40)
            excess = sum(app.changelog("direct").values()) - sent[step]
            uncommitted = first[step].uncommitted()[0]
            if guarantee == "exactly_once" or step in {"staging", "committed", "applied"}:
                assert excess == 0, f"killed at {step!r}: {excess} counted twice"
            else:  # the one window in which state is ahead of the offsets
                assert 0 <= excess <= uncommitted, f"killed at {step!r}: {excess} counted twice"
            assert_complete(app, sent[step], exactly=guarantee == "exactly_once")
            restored = sum(app.workers[-1].restored())
            assert (restored > 0) or keeps_state, "an empty disk needs the whole changelog"


@pytest.mark.timeout(90)
def test_what_an_event_did_before_it_raised_is_undone_with_its_transaction(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with orders_application(
        kafka,
        unique,
        tmp_path,
        PARTITIONS,
        APP_STORE="rocksdb://",
        PROCESSING_GUARANTEE="exactly_once",
        APP_ON_ERROR="crash",
        E2E_RAISE_AT=1_000,
        E2E_RAISED=tmp_path / "raised",
    ) as app:
        workers = [app.worker(name) for name in ("a", "b")]
        for worker in workers:
            worker.wait_until_ready()
        with feeding(app, "orders", PARTITIONS, 400, order_of) as feeder:
            wait_until(lambda: len(app.running()) == 1, 30, "one fails on the order")
            [failed] = [worker for worker in workers if not worker.is_running()]
            sent = feeder.stop()
        assert failed.returncode == 1
        assert "RuntimeError: as told" in failed.text()
        app.wait_until_processed(PATH, 40)
        assert_complete(app, sent, exactly=True)
        assert "only in the aborted transaction" not in app.changelog("direct")
        assert "only in the aborted transaction" not in app.tables()["direct"]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_a_restart_after_a_clean_shutdown_restores_nothing(
    kafka: str, unique: str, tmp_path: Path, guarantee: str
) -> None:
    with orders_application(
        kafka, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://", PROCESSING_GUARANTEE=guarantee
    ) as app:
        app.produce("orders", map(order_of, range(20_000)), partitions=PARTITIONS)
        worker = app.worker("only")
        app.wait_until_processed(PATH, 40)
        assert worker.terminate() == 0, worker.tail()
        again = app.worker("only").wait_until_ready()
        assert len(again.restored()) == PARTITIONS
        assert sum(again.restored()) == 0
        assert "deleted and rebuilt" not in again.text()
        assert_complete(app, 20_000, exactly=True)


@pytest.mark.timeout(90)
def test_a_restore_that_was_killed_goes_on_where_the_store_got_to(kafka: str, unique: str, tmp_path: Path) -> None:
    keys, killed_after = 200_000, 80_000
    with Application(kafka, unique, tmp_path, "large_table", APP_STORE="rocksdb://", TOPIC_PARTITIONS=2) as app:
        app.create("events", 2)
        app.produce("events", ((f"key{n}".encode(), b"value" * 10) for n in range(keys)))
        worker = app.worker("first")
        app.wait_until_processed(["events"], 40)
        assert worker.terminate() == 0, worker.tail()
        killed = app.worker("second", E2E_KILL_AFTER_RESTORED=killed_after)
        wait_until(lambda: not killed.is_running(), 30, "it is killed")
        assert killed.returncode == -9, killed.tail()
        again = app.worker("second").wait_until_ready()
        rest = sum(again.restored())
        assert 0 < rest <= keys - killed_after, f"{rest} of {keys} records restored anew"
        assert len(app.tables()["seen"]) == keys
        print(f"killed after {killed_after} of {keys}, then {rest} restored")
