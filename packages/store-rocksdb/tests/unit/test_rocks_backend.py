"""Where RocksDB's stores lie, what is noted beside them, and what is said when they cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from faust_core.errors import StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb import RocksBackend, create


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there yet"


@pytest.fixture
def backend(data: Path) -> Iterator[RocksBackend]:
    with closing(create("rocksdb://", StoreContext("app-v1", data))) as backend:
        yield backend


def fill(backend: RocksBackend, table: str = "counts", partition: int = 0, *, offset: int = 7) -> None:
    with closing(backend.open(table, partition)) as store:
        store.apply([(b"%04d" % i, os.urandom(100)) for i in range(2000)], changelog_offset=offset)


def test_nothing_is_made_before_a_store_is_opened(backend: RocksBackend, data: Path) -> None:
    assert dict(backend.stored()) == {}
    assert not data.exists()


def test_a_store_lies_under_its_table_and_partition(backend: RocksBackend, data: Path) -> None:
    fill(backend, "counts", 3)
    assert (data / "counts" / "3" / "db" / "CURRENT").is_file()


@pytest.mark.parametrize(("table", "directory"), [("..", "%2E%2E"), (".", "%2E"), ("a/../b", "a%2F..%2Fb")])
def test_no_table_name_leads_out_of_the_directory(
    backend: RocksBackend, data: Path, table: str, directory: str
) -> None:
    fill(backend, table)
    assert [path.name for path in data.iterdir()] == [directory]
    assert dict(backend.stored()) == {(table, 0): 7}
    backend.destroy(table, 0)
    assert data.exists()
    assert list(data.iterdir()) == []


def test_a_note_says_which_version_wrote_the_store_and_where_it_stood(backend: RocksBackend, data: Path) -> None:
    fill(backend)
    note = json.loads((data / "counts" / "0" / "store.json").read_text())
    assert note["driver"] == "rocksdict"
    assert note["rocksdb_version"].split(".")[0].isdecimal()
    assert (note["closed"], note["changelog_offset"]) == (True, 7)


def test_the_note_is_not_trusted_while_the_store_is_open(backend: RocksBackend, data: Path) -> None:
    fill(backend, offset=7)
    with (
        closing(backend.open("counts", 0)) as store,
        closing(create("rocksdb://", StoreContext("app-v1", data))) as other,
    ):
        store.apply([], changelog_offset=9)
        assert dict(other.stored()) == {("counts", 0): 9}  # read without the lock
        store.apply([], changelog_offset=10)
    assert dict(backend.stored()) == {("counts", 0): 10}


def test_damage_that_another_version_may_have_written_is_not_called_corrupt(backend: RocksBackend, data: Path) -> None:
    """A file of a newer RocksDB looks damaged to an older one; the engine deletes what is corrupt."""
    fill(backend)
    place = data / "counts" / "0"
    (place / "db" / "CURRENT").write_text("MANIFEST of the future")
    with pytest.raises(StoreCorrupt):
        backend.open("counts", 0)
    note = json.loads((place / "store.json").read_text())
    (place / "store.json").write_text(json.dumps({**note, "driver_version": "99.0", "rocksdb_version": "99.9.9"}))
    with pytest.raises(StoreError, match=r"rocksdict 99\.0 \(RocksDB 99\.9\.9\).*delete the directory") as caught:
        backend.open("counts", 0)
    assert not isinstance(caught.value, StoreCorrupt)
    assert (place / "db" / "CURRENT").exists()


@pytest.mark.parametrize("lost", ["*.sst", "MANIFEST-*", "OPTIONS-*"])
def test_a_missing_file_is_corrupt_or_made_anew(backend: RocksBackend, data: Path, lost: str) -> None:
    fill(backend)
    for path in (data / "counts" / "0" / "db").glob(lost):
        path.unlink()
    if lost == "OPTIONS-*":
        backend.open("counts", 0).close()
        return
    with pytest.raises(StoreCorrupt, match=str(data)), closing(backend.open("counts", 0)) as store:
        list(store.scan())
    backend.destroy("counts", 0)
    fill(backend)


def test_a_directory_that_failed_to_open_is_not_a_store(backend: RocksBackend, data: Path) -> None:
    (data / "counts" / "0").mkdir(parents=True)
    (data / "counts" / "0" / "db").write_text("a file in the way")
    with pytest.raises(StoreError, match=str(data)):
        backend.open("counts", 0)
    assert dict(backend.stored()) == {}


def test_a_note_that_cannot_be_written_is_named_and_leaves_the_store_closed(backend: RocksBackend, data: Path) -> None:
    in_the_way = data / "counts" / "0" / "store.new"
    in_the_way.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"store\.json cannot be written"):
        backend.open("counts", 0)
    in_the_way.rmdir()
    fill(backend)


def test_a_kill_while_a_store_is_deleted_leaves_nothing_in_the_way(backend: RocksBackend, data: Path) -> None:
    fill(backend)
    place = data / "counts" / "0"
    (place / "db").rename(place / "deleted")  # as far as it got
    assert dict(backend.stored()) == {}
    fill(backend, offset=1)
    backend.destroy("counts", 0)
    assert not (data / "counts").exists()


def test_other_files_in_the_directory_are_left_alone(backend: RocksBackend, data: Path) -> None:
    fill(backend)
    (data / "v1" / "tables").mkdir(parents=True)
    (data / "notes.txt").write_text("mine")
    assert dict(backend.stored()) == {("counts", 0): 7}
    backend.destroy("counts", 0)
    assert sorted(path.name for path in data.iterdir()) == ["notes.txt", "v1"]


def test_a_file_where_the_directory_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    backend = create("rocksdb://", StoreContext("app-v1", tmp_path / "data"))
    with pytest.raises(StoreError, match=rf"{tmp_path}.*(Not a directory|File exists)"):
        backend.open("counts", 0)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Take the right to write from all that is in `directory`, and root's powers from this process."""
    places = [directory, *directory.rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in places:
            path.chmod(0o755)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that other users reach, too, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_read_only_directory_is_named(open_to_all: Path) -> None:
    backend = create("rocksdb://", StoreContext("app-v1", open_to_all / "data"))
    with read_only(open_to_all):
        with pytest.raises(StoreError, match=rf"{open_to_all}.*Permission denied"):
            backend.open("counts", 0)
        assert dict(backend.stored()) == {}


def test_a_store_that_became_read_only_is_named_and_not_called_corrupt(open_to_all: Path) -> None:
    backend = create("rocksdb://", StoreContext("app-v1", open_to_all))
    fill(backend)
    with read_only(open_to_all):
        with pytest.raises(StoreError, match=rf"{open_to_all}.*Permission denied") as caught:
            backend.open("counts", 0)
        assert not isinstance(caught.value, (StoreCorrupt, StoreLocked))
        with pytest.raises(StoreError, match=rf"{open_to_all}.*Permission denied"):
            backend.destroy("counts", 0)
        assert dict(backend.stored()) == {("counts", 0): 7}
    with closing(backend.open("counts", 0)) as store:
        assert store.changelog_offset == 7


DISK_FULL = """
import resource, sys
from contextlib import closing
from pathlib import Path
from faust_core.errors import StoreError
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb import create

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
backend = create("rocksdb://?driver=" + sys.argv[2], StoreContext("app-v1", Path(sys.argv[1])))
with closing(backend.open("counts", 0)) as store:
    store.apply([(b"key", b"before")], changelog_offset=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    big = [(b"%06d" % i, b"x" * 1000) for i in range(1000)] + [(b"key", b"after")]
    for _ in range(3):
        try:
            store.apply(big, changelog_offset=2)
        except StoreError as error:
            assert sys.argv[1] in str(error), error
        else:
            sys.exit("the write went through")
        assert store.get(b"key") == b"before"
        assert store.changelog_offset == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    store.apply(big, changelog_offset=2)
    assert store.get(b"key") == b"after"
with closing(backend.open("counts", 0)) as store:
    assert store.changelog_offset == 2
    assert len(list(store.scan())) == 1001
"""


@pytest.mark.parametrize("driver", ["rocksdict", "rocksdb"])
def test_after_a_failed_write_the_same_call_succeeds_once_there_is_room(data: Path, driver: str) -> None:
    """A limit on the size of files stands for the full disk; RocksDB treats both alike."""
    pytest.importorskip(driver, reason="this binding is not installed", exc_type=ImportError)
    outcome = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(data), driver],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout


def test_many_stores_share_one_cache_and_one_budget_of_write_buffers(backend: RocksBackend) -> None:
    stores = [backend.open("counts", partition) for partition in range(20)]
    for store in stores:
        store.apply([(b"%d" % i, b"x" * 100) for i in range(100)], changelog_offset=1)
    assert len(backend.stored()) == 0
    backend.close()
    assert dict(backend.stored()) == {("counts", partition): 1 for partition in range(20)}


def test_both_drivers_read_what_the_other_wrote(data: Path) -> None:
    pytest.importorskip("rocksdb", reason="python-rocksdb is not installed", exc_type=ImportError)
    for offset, driver in enumerate(["rocksdict", "rocksdb", "rocksdict", "rocksdb"], 1):
        with (
            closing(create(f"rocksdb://?driver={driver}", StoreContext("app-v1", data))) as backend,
            closing(backend.open("counts", 0)) as store,
        ):
            assert store.changelog_offset == (offset - 1 or None)
            assert len(list(store.scan())) == (offset - 1) * 1000
            rows = [(b"%d-%04d" % (offset, i), os.urandom(50)) for i in range(1000)]
            store.apply(rows, changelog_offset=offset)
