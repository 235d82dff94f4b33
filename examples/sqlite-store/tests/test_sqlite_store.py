"""The SQLite store keeps every rule of the kit, and an application finds it by its URL."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import faust
from faust_conformance.capabilities import StoreCapability
from faust_conformance.store import StoreConformance
from faust_core.errors import ConfigError, StoreError
from faust_core.protocols.store import StoreContext
from sqlite_store import SqliteBackend, create


class TestSqliteStore(StoreConformance):
    capabilities = frozenset(
        {
            StoreCapability.PERSISTENT,
            StoreCapability.EXCLUSIVE,
            StoreCapability.STORED_OFFSETS,
            StoreCapability.MEASURED,
            StoreCapability.DETECTS_DAMAGE,
        }
    )
    scan_keys = 100_000  # a million takes ten seconds; `nox -s conformance` runs it

    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[], SqliteBackend]:
        return functools.partial(create, "sqlite://", StoreContext("app-v1", tmp_path / "data"))

    @pytest.fixture
    def damage(self, tmp_path: Path) -> Callable[[str, int], None]:
        def damage(table: str, partition: int) -> None:
            file = tmp_path / "data" / "sqlite" / f"{table}-{partition}.db"
            content = bytearray(file.read_bytes())
            content[: len(content) // 2] = b"x" * (len(content) // 2)
            file.write_bytes(content)

        return damage


async def count(app: faust.App, names: list[str]) -> dict[str, int]:
    """Count names in a table of `app`, and return what it then has."""
    topic = app.topic("names", value_type=str)
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(topic)
    async def process(stream: faust.Stream[str]) -> AsyncIterator[int]:
        async for name in stream:
            counts[name] += 1
            yield counts[name]

    async with app:
        for name in names:
            await process.ask(name)
        await app.commit()
        return dict(counts.items())


def test_an_application_finds_it_by_its_url(tmp_path: Path) -> None:
    app = faust.App("counting", broker="memory://", store="sqlite://", datadir=tmp_path, topic_partitions=1)
    assert asyncio.run(count(app, ["a", "b", "a"])) == {"a": 2, "b": 1}
    assert list(tmp_path.rglob("counts-0.db"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///somewhere/else", "data directory"),
        ("sqlite://?sync=off", "no option sync"),
        ("sqlite://?synchronous=never", "one of off, normal, full"),
        ("sqlite://?cache_kib=much", "whole number"),
    ],
)
def test_what_is_set_wrong_is_named(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        create(url, StoreContext("app-v1", tmp_path))


def test_it_needs_a_data_directory() -> None:
    with pytest.raises(ConfigError, match="datadir"):
        create("sqlite://", StoreContext("app-v1"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "sqlite").write_text("in the way")
    with pytest.raises(StoreError, match="sqlite"):
        create("sqlite://", StoreContext("app-v1", tmp_path)).open("table", 0)
