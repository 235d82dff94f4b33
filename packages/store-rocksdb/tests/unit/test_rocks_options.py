"""Options come from the URL and the application, and a wrong one is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from faust_core.errors import ConfigError
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb import RocksOptions, create
from faust_store_rocksdb.drivers import load_driver


def test_the_query_of_the_url_sets_options() -> None:
    options = RocksOptions.parse("rocksdb://?write_buffer_size=1048576&compression=zstd", {})
    assert (options.write_buffer_size, options.compression) == (1 << 20, "zstd")


def test_options_of_the_application_win_over_the_url() -> None:
    assert RocksOptions.parse("rocksdb://?max_open_files=10", {"max_open_files": 20}).max_open_files == 20


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rocksdb://?write_bufer_size=1", "did you mean write_buffer_size"),
        ("rocksdb://?zzz=1", "there are driver"),
        ("rocksdb://?max_open_files=many", "must be int"),
        ("rocksdb://?write_buffer_size=-5", "must not be negative"),
        ("rocksdb://?compression=rar", "one of none, snappy"),
        ("rocksdb://?x", "option=value"),
        ("rocksdb:///var/lib/tables", "datadir"),
        ("rocksdb://host", "datadir"),
        ("rocksdb://?driver=leveldb", "auto, rocksdict or rocksdb"),
    ],
)
def test_a_wrong_url_is_a_config_error_that_says_what_to_change(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(url, StoreContext("app-v1", tmp_path))


def test_without_a_directory_the_error_names_the_setting() -> None:
    with pytest.raises(ConfigError, match="datadir"):
        create("rocksdb://", StoreContext("app-v1"))


def test_a_driver_that_is_named_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faust_store_rocksdb.drivers.rocksdb", None)
    with pytest.raises(ConfigError, match=r"rocksdb: .*pip install rocksdict"):
        load_driver(RocksOptions(driver="rocksdb"))


def test_auto_takes_the_second_driver_where_the_first_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faust_store_rocksdb.drivers.rocksdict", None)
    monkeypatch.setitem(sys.modules, "faust_store_rocksdb.drivers.rocksdb", None)
    with pytest.raises(ConfigError, match=r"rocksdict: .*; rocksdb: "):
        load_driver(RocksOptions())


def test_auto_takes_rocksdict_first() -> None:
    assert load_driver(RocksOptions()).name == "rocksdict"
