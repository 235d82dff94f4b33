"""Stores that fail, lie or are somebody else's: the tables are right all the same, and a log says what happened."""

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from tests.e2e.orders import PATH, account_of, assert_complete, order_of, orders_application
from tests.e2e.support import Application, feeding, wait_until
from tests.services.redis import RedisServer

PARTITIONS = 2


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_tables_in_redis_are_right_whatever_becomes_of_redis(
    kafka: str, unique: str, tmp_path: Path, own_redis: Callable[..., RedisServer], guarantee: str
) -> None:
    server = own_redis(persistent=True)
    with (
        orders_application(
            kafka,
            unique,
            tmp_path,
            PARTITIONS,
            APP_STORE=f"{server.url}?retry_timeout_s=1",
            PROCESSING_GUARANTEE=guarantee,
            TABLE_CACHE_SIZE=20,
        ) as app,
        redis.Redis.from_url(server.url) as client,
    ):
        app.worker("one").wait_until_ready()
        app.worker("two").wait_until_ready()
        with feeding(app, "orders", PARTITIONS, 300, order_of) as feeder:
            time.sleep(1)
            server.process.kill()
            time.sleep(3)  # longer than a call waits
            server.start()
            time.sleep(2)
            client.config_set("maxmemory", "1")
            client.config_set("maxmemory-policy", "noeviction")
            time.sleep(2)
            client.config_set("maxmemory", "0")
            time.sleep(1)
            with paused(server):
                time.sleep(2)
            time.sleep(1)
            client.flushall()  # it has lost everything, and says nothing of it
            time.sleep(3)
            sent = feeder.stop()
        app.wait_until_processed(PATH, 60)
        app.assert_nobody_exited()
        # Events are repeated on the tables of the last commit.  What they had sent stands, but for exactly once.
        assert_complete(app, sent, exactly=True, sent_again=guarantee == "at_least_once")
        log = "".join(worker.text() for worker in app.workers)
        assert "a store is lost, its partitions are given up and taken anew" in log
        assert server.url.rpartition("@")[2].removesuffix("/0") in log


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


def another_application(app: Application, state: Path, kafka: str, unique: str, tmp_path: Path) -> None:
    """Put the state of another application with the same tables there."""
    folder = tmp_path / "other"
    folder.mkdir()
    with orders_application(kafka, f"{unique}-other", folder, PARTITIONS, APP_STORE="rocksdb://") as other:
        other.produce("orders", map(order_of, range(500)), partitions=PARTITIONS)
        worker = other.worker("only")
        other.wait_until_processed(PATH, 30)
        assert worker.terminate() == 0
        shutil.rmtree(state)
        shutil.copytree(folder / "only-data", state)


def changelog_made_anew(app: Application, *_: object) -> None:
    """Delete the changelog, and fill it with more than there was."""
    app.delete("direct-changelog")
    app.create("direct-changelog", PARTITIONS, {"cleanup.policy": "compact"})
    app.produce("direct-changelog", ((b'"%d"' % n, b"1") for n in range(5_000)), partitions=PARTITIONS)


def changelog_truncated(app: Application, *_: object) -> None:
    """Delete all records of the changelog, also those that the state does not have yet."""
    app.produce("direct-changelog", ((b'"%d"' % n, b"1") for n in range(100)), partitions=PARTITIONS)
    app.delete_records("direct-changelog")
    app.produce("direct-changelog", ((b'"%d"' % n, b"1") for n in range(100)), partitions=PARTITIONS)


def files_damaged(app: Application, state: Path, *_: object) -> None:
    """Overwrite what RocksDB knows of its own files."""
    damaged = list(state.rglob("MANIFEST-*"))
    assert damaged
    for path in damaged:
        path.write_bytes(b"\xff" * path.stat().st_size)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (another_application, "of another application"),
        (changelog_made_anew, "one of the same name that was deleted"),
        (changelog_truncated, "is of another changelog"),
        (files_damaged, "deleting and rebuilding the store"),
    ],
)
def test_local_state_that_is_not_that_of_the_changelog_is_rebuilt_and_a_log_says_why(
    kafka: str, unique: str, tmp_path: Path, harm: Callable[..., None], reason: str
) -> None:
    with orders_application(kafka, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://") as app:
        # So that its records may be deleted.
        app.create("direct-changelog", PARTITIONS, {"cleanup.policy": "compact,delete"})
        app.produce("orders", map(order_of, range(2_000)), partitions=PARTITIONS)
        worker = app.worker("only")
        app.wait_until_processed(PATH, 30)
        assert worker.terminate() == 0, worker.tail()
        harm(app, tmp_path / "only-data", kafka, unique, tmp_path)
        before = app.changelog("direct")
        app.produce("orders", map(order_of, range(2_000, 3_000)), partitions=PARTITIONS)
        again = app.worker("only").wait_until_ready()
        app.wait_until_processed(PATH, 30)
        expected = Counter(before) + Counter(account_of(n) for n in range(2_000, 3_000))
        app.wait_until_tables_are({"direct": expected})
        assert app.changelog("direct") == expected
        assert reason in again.text()


def test_a_second_worker_in_the_same_directory_ends_and_names_it(kafka: str, unique: str, tmp_path: Path) -> None:
    with orders_application(kafka, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://") as app:
        first = app.worker("first").wait_until_ready()
        second = app.worker("second", state="first")
        wait_until(lambda: not second.is_running(), 40, "the second one ends")
        assert second.returncode not in {0, None}
        last = [line for line in second.text().splitlines() if line.strip()][-1]
        assert str(tmp_path / "first-data") in last, second.tail()
        assert first.is_running()
        app.produce("orders", map(order_of, range(500)), partitions=PARTITIONS)
        app.wait_until_processed(PATH, 60)
        assert_complete(app, 500, exactly=True)


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own, which root can make."""
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], check=False, capture_output=True
    )
    if os.geteuid() != 0 or mounted.returncode:
        pytest.skip("only root can make a small disk")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_worker_waits_while_its_disk_is_full_and_says_which(kafka: str, unique: str, tmp_path: Path) -> None:
    keys = 20_000
    with (
        small_disk(tmp_path / "disk", "8m") as disk,
        Application(kafka, unique, tmp_path, "large_table", APP_STORE="rocksdb://", TOPIC_PARTITIONS=1) as app,
    ):
        app.create("events", 1)
        worker = app.worker("only", APP_DATADIR=disk / "data").wait_until_ready()
        app.produce("events", ((f"key{n}".encode(), os.urandom(500).hex().encode()) for n in range(keys)))
        worker.wait_for_log("cannot write to the store", 40)
        assert str(disk / "data") in worker.text()
        assert worker.is_running()
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        app.wait_until_processed(["events"], 60)
        assert worker.is_running()
        assert len(app.tables()["seen"]) == keys
        assert worker.terminate() == 0, worker.tail()


def a_file(place: Path, _stack: ExitStack) -> Path:
    place.write_text("in the way")
    return place


def a_read_only_disk(place: Path, stack: ExitStack) -> Path:
    """Root may write wherever permissions say no, but not here."""
    disk = stack.enter_context(small_disk(place, "1m"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    return disk / "data"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", [a_file, a_read_only_disk])
def test_a_directory_that_cannot_be_used_ends_the_worker_and_is_named(
    kafka: str, unique: str, tmp_path: Path, place: Callable[[Path, ExitStack], Path]
) -> None:
    with (
        ExitStack() as stack,
        orders_application(kafka, unique, tmp_path, PARTITIONS, APP_STORE="rocksdb://") as app,
    ):
        datadir = place(tmp_path / "place", stack)
        worker = app.worker("only", APP_DATADIR=datadir)
        wait_until(lambda: not worker.is_running(), 30, "it ends")
        assert worker.returncode not in {0, None}
        last = [line for line in worker.text().splitlines() if line.strip()][-1]
        assert str(datadir) in last, worker.tail()
