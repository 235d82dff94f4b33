"""What is odd about rocksdict, and what our driver makes of it.  Each test fails if the work-around goes."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import rocksdict

from faust_core.errors import StoreClosed, StoreLocked
from faust_store_rocksdb.drivers.rocksdict import RocksdictDatabase, RocksdictDriver
from faust_store_rocksdb.options import RocksOptions


def open_database(path: Path, **options: int | str) -> RocksdictDatabase:
    return RocksdictDriver(RocksOptions(**options)).open(path)  # type: ignore[arg-type]  # one type for all


def options_on_disk(path: Path) -> str:
    newest = max(path.glob("OPTIONS-*[0-9]"))
    return newest.read_text()


def test_options_change_when_an_existing_database_is_opened(tmp_path: Path) -> None:
    open_database(tmp_path, write_buffer_size=1 << 20, compression="none").close()
    open_database(tmp_path, write_buffer_size=2 << 20, compression="zstd").close()
    assert f"write_buffer_size={2 << 20}" in options_on_disk(tmp_path)
    assert "compression=kZSTD" in options_on_disk(tmp_path)


def test_files_are_of_the_format_that_older_versions_read(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    assert "format_version=5" in options_on_disk(tmp_path)
    assert "checksum=kCRC32c" in options_on_disk(tmp_path)


def test_a_database_that_was_opened_without_raw_mode_opens_again(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.write([(b"key", b"value")])
    database.close()
    rocksdict.Rdict(str(tmp_path), rocksdict.Options(raw_mode=False)).close()
    database = open_database(tmp_path)
    assert database.get(b"key") == b"value"
    database.close()


def test_the_upper_bound_of_a_scan_stays_alive(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.write([(b"d%03d" % i, b"") for i in range(300)])
    cursors = []
    for number in range(300):
        cursors.append((number, database.scan(b"d", b"d%03d" % number)))
        _ = [b"q%03d" % i for i in range(20)]  # what would be found in the freed memory
    gc.collect()
    for number, cursor in cursors:
        assert sum(len(chunk) for chunk in iter(cursor.read, [])) == number
        cursor.close()
    database.close()


def test_a_scan_that_is_let_go_unlocks_the_directory(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.write([(b"key", b"value")])
    cursor = database.scan(b"a", b"z")
    database.close()
    with pytest.raises(StoreLocked):
        open_database(tmp_path)
    cursor.close()
    open_database(tmp_path).close()
    with pytest.raises(StoreClosed):
        cursor.read()


def test_close_writes_the_log_to_files_so_that_nothing_is_replayed(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.write([(b"%d" % i, b"value") for i in range(1000)])
    assert not list(tmp_path.glob("*.sst"))
    database.close()
    assert list(tmp_path.glob("*.sst"))


def test_the_write_ahead_log_is_on(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    before = sum(log.stat().st_size for log in tmp_path.glob("*.log"))
    database.write([(b"key", b"value" * 1000)])
    assert sum(log.stat().st_size for log in tmp_path.glob("*.log")) >= before + 5000
    database.close()


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.close()
    with pytest.raises(StoreClosed, match=str(tmp_path)):
        database.get(b"key")


@pytest.mark.parametrize("change", [("text", b"value"), (b"key", "text"), (b"key", 5)])
def test_what_is_not_bytes_is_refused_and_nothing_is_written(tmp_path: Path, change: tuple[object, object]) -> None:
    database = open_database(tmp_path)
    with pytest.raises((TypeError, ValueError, KeyError)):
        database.write([(b"first", b"1"), change])  # type: ignore[list-item]  # the mistake
    assert database.get(b"first") is None
    database.close()
