"""Options of one table."""

from __future__ import annotations

from contextlib import closing

import pytest

from faust_core.errors import ConfigError
from faust_core.protocols.store import StoreContext
from faust_store_redis import create


def test_one_table_has_no_options_of_its_own() -> None:
    with closing(create("redis://127.0.0.1:1", StoreContext("app"))) as backend:
        with pytest.raises(ConfigError, match=r"no options of its own \(ttl\).*in the URL"):
            backend.open("counts", 0, {"ttl": 3})
        assert backend.remote
