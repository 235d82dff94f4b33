"""Options of one table."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from faust_core.errors import ConfigError
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb import create


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"write_bufer_size": 1}, "did you mean write_buffer_size"),
        ({"write_buffer_size": "large"}, "must be int"),
        ({"driver": "rocksdb"}, "driver is for all tables: set it in the store's URL"),
        ({"block_cache_size": 1}, "block_cache_size is for all tables"),
        ({"compression": "zip"}, "must be one of none, snappy"),
    ],
)
def test_a_wrong_option_of_a_table_is_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with closing(create("rocksdb://", StoreContext("app", tmp_path))) as backend:
        with pytest.raises(ConfigError, match=message):
            backend.open("counts", 0, options)
        backend.open("counts", 0).close()


def test_options_of_a_table_are_its_own(tmp_path: Path) -> None:
    options = {
        "write_buffer_size": 3 << 20,
        "bloom_filter_size": 4,
        "block_cache_compressed_size": 1,
        "compression": "none",
    }
    with closing(create("rocksdb://", StoreContext("app", tmp_path))) as backend:
        for table, own in (("own", options), ("plain", None)):
            with closing(backend.open(table, 0, own)) as store:
                store.apply([(b"a", b"1")], changelog_offset=1)
    written = {table: next((tmp_path / table / "0" / "db").glob("OPTIONS-*")).read_text() for table in ("own", "plain")}
    assert "write_buffer_size=3145728" in written["own"]
    assert "compression=kNoCompression" in written["own"]
    assert "write_buffer_size=16777216" in written["plain"]
