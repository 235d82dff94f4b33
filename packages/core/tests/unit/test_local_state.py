"""Local state is used only for the very changelog that it is a copy of."""

from __future__ import annotations

import json

import pytest

from faust_core.errors import StoreError
from faust_core.registry import register_store

from .test_store_failures import Disk


@pytest.fixture
def disk():
    disk = Disk()
    register_store("disk", lambda _url, _context: disk)
    return disk


@pytest.fixture
def make(counting_app, disk):
    return lambda **more: counting_app(store="disk://", topic_partitions=2, **more)


@pytest.fixture
def note(tmp_path):
    return tmp_path / "tables" / "changelogs.json"


async def run_until_committed(app, counting, eventually):
    async with app:
        await eventually(counting.all_committed)
        return dict(app.tables["counts"].items())


async def test_what_was_noted_is_trusted(lab, counting, make, eventually, disk, note, caplog):
    caplog.set_level("INFO")
    counting.put(20)
    await run_until_committed(make(), counting, eventually)
    noted = note.read_text()
    caplog.clear()
    assert await run_until_committed(make(), counting, eventually) == counting.expected
    assert "0 records in" in caplog.text
    assert note.read_text() == noted
    assert not disk.destroyed


async def test_a_changelog_that_was_made_anew_and_grew_past_the_old_one_is_noticed(
    lab, counting, make, eventually, disk, caplog
):
    counting.put(20)
    await run_until_committed(make(), counting, eventually)
    lab.broker.delete_topic("app-counts-changelog")
    lab.broker.create_topic("app-counts-changelog", 2, {"cleanup.policy": "compact"})
    for n in range(100):
        lab.put("app-counts-changelog", n, key=f'"x{n}"', partition=n % 2)
    table = await run_until_committed(make(), counting, eventually)
    assert table == {f"x{n}": n for n in range(100)}
    assert "not of the changelog app-counts-changelog that there is now, but of one of the same name" in caplog.text
    assert disk.destroyed == [("counts", 0), ("counts", 1)]


@pytest.mark.parametrize("damaged", [None, "not JSON", "[]", '{"counts": 1}'])
async def test_state_of_which_nothing_is_known_is_rebuilt(lab, counting, make, eventually, disk, note, caplog, damaged):
    counting.put(20)
    await run_until_committed(make(), counting, eventually)
    if damaged is None:
        note.unlink()
    else:
        note.write_text(damaged)
    assert await run_until_committed(make(), counting, eventually) == counting.expected
    assert "one that nothing is noted of" in caplog.text
    assert disk.destroyed


async def test_state_of_another_application_is_rebuilt(lab, counting, make, eventually, disk, note, caplog):
    counting.put(20)
    await run_until_committed(make(), counting, eventually)
    noted = json.loads(note.read_text())
    noted["counts"][0] = "other-counts-changelog"
    note.write_text(json.dumps(noted))
    assert await run_until_committed(make(), counting, eventually) == counting.expected
    assert "the changelog other-counts-changelog, of another application" in caplog.text


async def test_a_directory_that_cannot_be_written_is_named(make, tmp_path):
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(StoreError, match=r"changelogs\.json cannot be written"):
        await make().start()


async def test_nothing_is_noted_where_no_store_outlives_its_process(counting, counting_app, eventually, tmp_path):
    counting.put(5)
    await run_until_committed(counting_app(), counting, eventually)
    assert list(tmp_path.iterdir()) == []


async def test_what_joins_keep_is_noted_too(lab, eventually, disk, note, caplog):
    def start():
        app = lab.app(store="disk://")
        left, right = app.topic("left", key_type=str), app.topic("right", key_type=str)

        @app.agent(left, name="pair")
        async def pair(stream):
            async for value in stream.join(right.stream(), within=10, idle=0.05):
                await app.send("out", value=value)

        return app

    name = "app-pair-left-right-join-changelog"
    for topic in ("left", "right", "out"):
        lab.broker.create_topic(topic, 1)
    lab.put("left", 1, key="a", timestamp_ms=1000)
    async with start():
        await eventually(lambda: lab.committed("left") == 1)
    assert json.loads(note.read_text())["pair-left-right-join"][0] == name
    lab.broker.delete_topic(name)
    async with start():
        pass
    assert f"not of the changelog {name} that there is now" in caplog.text
