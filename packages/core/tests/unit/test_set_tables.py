"""Sets: one row per element in the changelog, the original's records read and written anew."""

from __future__ import annotations

import json

import pytest

from faust_core.errors import ConfigError, DecodeError, EncodeError, NoCurrentEvent
from faust_core.registry import register_store

from .test_restore import TIMES, Disk


@pytest.fixture
def run(lab, eventually):
    """Run a body for each value that is sent, with a table of sets."""

    async def run(body, *values, app_options=None, **options):
        app = lab.app(**(app_options or {}))
        table = app.SetTable("s", **options)
        results, errors = [], []

        @app.agent("in", name="a", on_error=lambda _agent, error: errors.append(error))
        async def agent(stream):
            async for value in stream:
                results.append(body(table, value))

        end = (lab.committed("in") or 0) + len(values)
        lab.put("in", *values)
        async with app:
            await eventually(lambda: lab.committed("in") == end)
        if errors:
            raise errors[0]
        return results

    return run


def sets(lab):
    """What the changelog says, by key."""
    found: dict = {}
    for key, value in lab.changelog("s").items():
        if key[0] == 16:
            assert value is True
            found.setdefault(key[1], set()).add(key[2])
    return found


async def test_elements_are_added_and_discarded_one_record_each(lab, run):
    def body(table, value):
        table["k"].add("a")
        table["k"].update(["b", "c"], ["d"])
        table["k"].discard("b")
        table["l"].add(1)
        return table["k"].copy(), len(table["k"]), "a" in table["k"], "b" in table["k"]

    assert await run(body, 0) == [({"a", "c", "d"}, 3, True, False)]
    assert sets(lab) == {"k": {"a", "c", "d"}, "l": {1}}
    records = {record.key: record.value for record in lab.records("app-s-changelog")}
    assert records[b'[16,"k","a"]'] == b"true"
    assert records[b'[16,"k","b"]'] is None
    assert lab.broker.topics["app-s-changelog"].config["cleanup.policy"] == "compact"


async def test_sets_survive_a_restart_and_merge_with_uncommitted_changes(lab, run):
    await run(lambda t, v: t["k"].update(["a", "b"]), 0)

    def body(table, value):
        table["k"].discard("a")
        table["k"].add("c")
        table["l"].add("x")
        return sorted(table["k"]), sorted(table), {key: set(found) for key, found in table.items()}

    assert await run(body, 0) == [(["b", "c"], ["k", "l"], {"k": {"b", "c"}, "l": {"x"}})]
    assert sets(lab) == {"k": {"b", "c"}, "l": {"x"}}


async def test_a_set_is_a_set(lab, run):
    def body(table, value):
        s = table["k"]
        s |= {1, 2, 3, 4, 5}
        table["k"] -= {5}
        s ^= {4, 6}
        s &= {1, 2, 3, 6}
        s.remove(6)
        with pytest.raises(KeyError):
            s.remove(6)
        assert s == {1, 2, 3}
        assert s | {9} == {1, 2, 3, 9}
        assert {3, 9} - s == {9}
        assert (s.union([7]), s.intersection([1, 8]), s.difference([1])) == ({1, 2, 3, 7}, {1}, {2, 3})
        assert s.symmetric_difference([1, 9]) == {2, 3, 9}
        assert (s.issubset([1, 2, 3, 4]), s.issuperset([1]), s.isdisjoint([4]), bool(s)) == (True, True, True, True)
        taken = s.pop()
        assert len(s) == 2
        s.add(taken)
        table["gone"].update("xy")
        table["gone"].clear()
        assert not table["gone"]
        with pytest.raises(KeyError, match="is empty"):
            table["gone"].pop()
        assert ("gone" in table, "k" in table, len(table), list(table.values())) == (False, True, 1, [{1, 2, 3}])
        assert (table.get("gone"), table.get("k")) == (None, {1, 2, 3})
        assert table.setdefault("d", [8]) == {8}
        assert table.setdefault("d", [9]) == {8}
        table.update({"e": [1]}, f=[2])
        assert table.copy() == {"k": {1, 2, 3}, "d": {8}, "e": {1}, "f": {2}}
        return repr(table["d"])

    assert await run(body, 0) == ["{8}"]
    assert sets(lab) == {"k": {1, 2, 3}, "d": {8}, "e": {1}, "f": {2}}


async def test_clear_empties_all_sets(lab, run):
    await run(lambda t, v: t.update({"a": "12", "b": "3"}), 0)
    await run(lambda t, v: t.clear(), 0)
    assert sets(lab) == {}


async def test_what_is_not_for_sets_says_what_to_do(run):
    def body(table, value):
        for wrong, advice in [
            (lambda: table.__setitem__("k", {1}), r"update\(\) or clear\(\)"),
            (lambda: table.__delitem__("k"), r"use its clear\(\)"),
            (lambda: table.pop("k"), r"copy\(\) and clear\(\)"),
            (lambda: table.on(0), "manager"),
        ]:
            with pytest.raises(TypeError, match=advice):
                wrong()
        with pytest.raises(TypeError, match="unhashable"):
            table["k"].add([])
        with pytest.raises(EncodeError, match="table 's' cannot write a object"):
            table["k"].add(object())

    await run(body, 0)


async def test_tuples_are_keys_and_elements(lab, run):
    await run(lambda t, v: t["a", 1].add((1, ("b", 2))), 0)
    assert await run(lambda t, v: {key: set(found) for key, found in t.items()}, 0) == [{("a", 1): {(1, ("b", 2))}}]


async def test_keys_that_begin_alike_are_kept_apart(lab, run):
    await run(lambda t, v: [t[key].add(key) for key in (1, 12, "1", "12", '1"', '1",')], 0)
    assert await run(lambda t, v: [set(t[key]) for key in (1, 12, "1", "12", '1"', '1",')], 0) == [
        [{1}, {12}, {"1"}, {"12"}, {'1"'}, {'1",'}]
    ]


OLD = [
    ([1, "k"], "a"),
    ([1, "k"], "b"),
    ([2, "k"], "a"),
    ([15, "k"], [["c", "d"], ["b"]]),
    ([1, "l"], [1, 2]),
    ([15, "m"], [["x"], []]),
    ([2, "m"], "x"),
]
OLD_SETS = {"k": {"c", "d"}, "l": {(1, 2)}}


def put_old(lab):
    lab.broker.create_topic("app-s-changelog", 1)
    for key, value in OLD:
        data = json.dumps(value, separators=(",", ":")).encode()
        lab.broker.append("app-s-changelog", data, json.dumps(key, separators=(",", ":")).encode())


async def test_a_changelog_of_the_original_is_read(lab, run):
    put_old(lab)
    assert await run(lambda t, v: t.copy(), 0) == [OLD_SETS]


async def test_it_is_written_anew_so_that_compaction_keeps_all_elements(lab, run, caplog):
    put_old(lab)
    await run(lambda t, v: None, 0)
    assert sets(lab) == OLD_SETS
    assert not [key for key in lab.changelog("s") if key[0] != 16]
    # As after compaction: the last record of each key, tombstones gone.
    last = {record.key: record for record in lab.records("app-s-changelog")}
    lab.broker.delete_topic("app-s-changelog")
    lab.broker.create_topic("app-s-changelog", 1)
    for record in last.values():
        if record.value is not None:
            lab.broker.append("app-s-changelog", record.value, record.key)
    assert await run(lambda t, v: t.copy(), 0) == [OLD_SETS]
    assert not caplog.records or not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_a_crash_between_reading_and_writing_anew_forgets_nothing(lab, run, eventually):
    disk = Disk()
    register_store("setdisk", lambda _url, _context: disk)
    put_old(lab)
    lab.broker.create_topic("in", 1)
    app = lab.app("w0", store="setdisk://", broker_commit_interval=30, **TIMES)
    app.SetTable("s")

    @app.agent("in", name="a")
    async def agent(stream):
        async for _ in stream:
            pass

    await app.start()
    assert disk.kept["s", 0][1] == len(OLD)
    lab.crash(app)
    await lab.crashed(app)
    assert [key for key in lab.changelog("s") if key[0] != 16]
    assert await run(lambda t, v: t.copy(), 0, app_options={"store": "setdisk://"}) == [OLD_SETS]
    assert sets(lab) == OLD_SETS
    assert not [key for key in lab.changelog("s") if key[0] != 16]


async def test_a_record_that_is_no_sets_is_left_alone_with_a_warning(lab, run, caplog):
    put_old(lab)
    for key, value in ((b'"plain"', b"1"), (b"{", b"1"), (b"[7,1]", b"1"), (b'[15,"z"]', b"3")):
        lab.broker.append("app-s-changelog", value, key)
    assert await run(lambda t, v: t.copy(), 0) == [OLD_SETS]
    assert "a record is no set's, and left alone" in caplog.text


async def test_an_aborted_transaction_takes_changes_of_sets_back(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=30)
    table = app.SetTable("s")
    lab.put("in", "a")

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["k"].add(value)

    async with app:
        await eventually(lambda: set(table["k"]) == {"a"})
        await app.worker.commits.rewind()
        await eventually(lambda: set(table["k"]) == {"a"})
    assert sets(lab) == {"k": {"a"}}


async def test_outside_of_an_event_sets_are_read_only(lab, eventually):
    app = lab.app()
    table = app.SetTable("s")
    lab.put("in", "a")

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["k"].add(value)

    async with app:
        await eventually(lambda: table["k"] == {"a"})
        with pytest.raises(NoCurrentEvent):
            table["k"].add("b")
        assert (await table.fetch("k"), await table.fetch_many(["k", "x"])) == ({"a"}, {"k": {"a"}})
        assert "| k   | {'a'} |" in table.as_ansitable()


@pytest.mark.parametrize("partitions", [1, 3])
async def test_the_manager_changes_sets_from_anywhere(lab, eventually, partitions):
    lab.broker.create_topic("in", partitions)

    def make(worker):
        app = lab.app(worker, topic_partitions=8)
        app.SetTable("s", start_manager=True)

        @app.agent("in", name="a")
        async def agent(stream):
            async for _ in stream:
                pass

        return app

    first, second = make("w1"), make("w2")
    async with first, second:
        assert len(lab.broker.topics["s-setmanager"].logs) == partitions
        manager = first.tables["s"].manager
        await manager.update("k", ["a", "b", "c"])
        await manager.add("k", "d")
        await manager.discard("k", "a")
        await manager.difference_update("k", ["b"])
        await manager.symmetric_difference_update("k", ["c", "e"])
        await manager.intersection_update("k", ["d", "e", "f"])
        await manager.add("l", 1)
        await manager.clear("l")
        await manager.add(("t", 1), (1, 2))
        await eventually(lambda: sets(lab) == {"k": {"d", "e"}, ("t", 1): {(1, 2)}})
        lab.put("s-setmanager", {"action": "NONSENSE", "key": "k", "members": []})
        await eventually(lambda: len(lab.records("app-dead-letter")) == 1)


async def test_global_sets_are_seen_by_every_worker(lab, eventually):
    def make(worker):
        app = lab.app(worker)
        table = app.SetGlobalTable("s", key_type=str, value_type=int)

        @app.agent("in", name="a")
        async def agent(stream):
            async for value in stream:
                table["k"].add(value)

        return app

    lab.put("in", 1, 2)
    first, second = make("w1"), make("w2")
    async with first, second:
        await eventually(lambda: [set(a.tables["s"]["k"]) for a in (first, second)] == [{1, 2}] * 2)
    assert sets(lab) == {"k": {1, 2}}


def test_options_of_sets_are_checked(lab):
    app = lab.app()
    for options, message in [
        ({"default": set}, "a missing one is empty"),
        ({"use_partitioner": True}, "table.manager is"),
        ({"key_serializer": "raw"}, "Leave out key_serializer='raw'"),
        ({"value_serializer": "raw"}, "Leave out value_serializer='raw'"),
        ({"start_manger": True}, "did you mean 'start_manager'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            app.SetTable("t", **options)
    with pytest.raises(ConfigError, match="not split by"):
        app.SetTable("t").tumbling(10)
    table = app.SetTable("u", manager_topic_suffix="-sets")
    assert (table.manager_topic_name, table.manager.topic.name) == ("u-sets", "u-sets")
    assert table.clone(name="v", partitions=2).info()["partitions"] == 2
    assert app.SetTable("w", manager_topic_name="mine").manager.topic.name == "mine"
    with pytest.raises(DecodeError, match="is not"):
        table.codec.decode_key(b"[16,")
