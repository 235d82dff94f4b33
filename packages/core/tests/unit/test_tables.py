"""Tables: a dict inside an event, readable outside, and a changelog on the broker."""

from __future__ import annotations

import asyncio

import pytest

from faust_core import current_event
from faust_core.errors import ConfigError, DecodeError, EncodeError, NoCurrentEvent, PartitionsMismatch
from faust_core.memory.store import MemoryStore
from faust_core.records import TopicPartition
from faust_core.table_partition import DELETED, MISSING, TablePartition

# -- inside an event


@pytest.fixture
def run(lab, eventually):
    """Run a body for each value that is sent, with a table."""

    async def run(body, values, *, app_options=None, commit=True, **table_options):
        app = lab.app(**(app_options or {}))
        table = app.Table("t", **table_options)
        results, errors = [], []

        @app.agent("in", on_error=lambda _agent, error: errors.append(error))
        async def agent(stream):
            async for value in stream:
                results.append(body(table, value))

        lab.put("in", *values)
        async with app:
            await eventually(lambda: len(results) + len(errors) == len(values))
            if commit:
                await eventually(lambda: lab.committed("in") == len(values))
        if errors:
            raise errors[0]
        return results

    return run


async def test_a_missing_key_is_the_default_and_is_not_stored_by_reading(lab, run):
    assert await run(lambda t, v: (t[v], v in t, t.get(v), t.get(v, 7)), ["a"], default=int) == [(0, False, None, 7)]
    assert lab.changelog("t") == {}


async def test_without_a_default_a_missing_key_raises(run):
    with pytest.raises(KeyError, match="a"):
        await run(lambda t, v: t[v], ["a"])


async def test_a_table_is_a_dict(lab, run):
    def body(t, value):
        t["a"] = 1
        t["b"] = 2
        t.update(c=3)
        del t["a"]
        assert t.pop("b") == 2
        assert t.pop("b", "none") == "none"
        for missing in (lambda: t.pop("b"), lambda: t.__delitem__("b"), lambda: t["a"]):
            with pytest.raises(KeyError):
                missing()
        assert t.setdefault("d", 4) == 4
        assert t.setdefault("d", 5) == 4
        return list(t), sorted(t.items()), sorted(t.keys()), sorted(t.values()), len(t), "c" in t, "a" in t

    assert await run(body, [0]) == [(["c", "d"], [("c", 3), ("d", 4)], ["c", "d"], [3, 4], 2, True, False)]
    assert lab.changelog("t") == {"c": 3, "d": 4}


async def test_setdefault_stores_although_the_table_has_a_default(lab, run):
    assert await run(lambda t, v: t.setdefault("a", 5), [0], default=int) == [5]
    assert lab.changelog("t") == {"a": 5}


async def test_iterating_merges_uncommitted_changes(lab, eventually):
    app = lab.app()
    table = app.Table("t")
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value == "change":
                del table["a"]
                table["b"] = 20
                table["c"] = 30
                seen.append((sorted(table.items()), len(table)))
            elif value == "clear":
                table.clear()
                seen.append((list(table), len(table)))
            else:
                table[value] = 1

    lab.put("in", "a", "b")
    async with app:
        await eventually(lambda: lab.changelog("t") == {"a": 1, "b": 1})
        lab.put("in", "change")
        await eventually(lambda: lab.changelog("t") == {"b": 20, "c": 30})
        lab.put("in", "clear")
        await eventually(lambda: lab.changelog("t") == {})
    assert seen == [([("b", 20), ("c", 30)], 2), ([], 0)]


async def test_inside_an_event_a_table_is_the_events_partition(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    table = app.Table("t")
    seen = {}

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["same"] = value
            seen[current_event().message.partition] = dict(table.items())

    lab.put("in", "p0", partition=0)
    lab.put("in", "p1", partition=1)
    async with app:
        await eventually(lambda: seen == {0: {"same": "p0"}, 1: {"same": "p1"}})
        assert len(table) == 2
        assert sorted(table.values()) == ["p0", "p1"]
        assert sorted(table.items()) == [("same", "p0"), ("same", "p1")]


async def test_a_value_changed_in_place_is_not_noticed(lab, run):
    def body(t, value):
        if value == "put":
            t["a"] = [1]
        else:
            t["a"].append(2)

    await run(body, ["put"])
    await run(body, ["append"])
    assert lab.changelog("t") == {"a": [1]}


# -- outside of an event


async def test_outside_of_an_event_a_table_can_be_read_only(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    table = app.Table("t", default=int)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] += 1

    lab.put("in", "a", partition=0)
    lab.put("in", "b", "b", partition=1)
    async with app:
        await eventually(lambda: dict(table.items()) == {"a": 1, "b": 2})
        assert (table["a"], table["b"], table["c"], table.get("b"), table.get("c")) == (1, 2, 0, 2, None)
        assert "a" in table
        assert "c" not in table
        assert len(table) == len(table.items()) == 2
        for write in (
            lambda: table.__setitem__("a", 1),
            lambda: table.__delitem__("a"),
            lambda: table.pop("a"),
            table.clear,
        ):
            with pytest.raises(NoCurrentEvent, match="'t' was changed outside of a stream"):
                write()
        await eventually(lambda: lab.changelog("t") == {"a": 1, "b": 2})
        assert dict(table.items()) == {"a": 1, "b": 2}
    assert len(table) == 0


async def test_an_item_that_was_taken_away_changes_nothing(lab, eventually, caplog):
    caplog.set_level("INFO")
    app = lab.app()
    table = app.Table("t", default=int)
    go = asyncio.Event()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)
            if len(seen) == 1:
                await go.wait()
            table[value] += 1

    lab.put("in", "a")
    async with app:
        await eventually(lambda: seen)
        lab.broker.end_session("w1")
        await eventually(lambda: app.worker.rebalancer.count == 2)
        go.set()
        await eventually(lambda: lab.changelog("t") == {"a": 1})
    assert seen == ["a", "a"]
    assert not lab.records("app-dead-letter")


# -- partitions


async def test_a_table_that_no_topic_goes_with_is_an_error_before_the_first_record(lab):
    app = lab.app()
    app.Table("t", partitions=3)
    lab.broker.create_topic("in", 4)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    with pytest.raises(PartitionsMismatch, match=r"table 't' has 3 partitions, and no topic .*in has 4"):
        await app.start()


async def test_a_table_that_is_not_partitioned_like_the_event_stops_the_worker(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("in", 1)
    lab.broker.create_topic("other", 2)
    table = app.Table("t", partitions=2)

    @app.agent("other")
    async def other(stream):
        async for _ in stream:
            pass

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] = 1

    await app.start()
    lab.put("in", 1)
    with pytest.raises(PartitionsMismatch, match="'t' is not partitioned like in"):
        await app.wait()
    with pytest.raises(PartitionsMismatch):
        await app.stop()


async def test_a_table_without_agents_is_an_error(lab):
    app = lab.app()
    app.Table("t")
    with pytest.raises(PartitionsMismatch, match="tables t are never filled"):
        await app.start()


async def test_a_changelog_with_another_count_is_an_error(lab):
    app = lab.app()
    app.Table("t", partitions=1)
    lab.broker.create_topic("in", 1)
    lab.broker.create_topic("app-t-changelog", 2)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    with pytest.raises(PartitionsMismatch, match="declared with 1 partitions, and its changelog topic has 2"):
        await app.start()


# -- the changelog


async def test_the_changelog_has_json_keys_and_values_and_tombstones(lab, run):
    def body(t, value):
        t[("k", 1)] = {"n": 1}
        t["gone"] = 1

    def second(t, value):
        del t["gone"]

    await run(body, [0])
    await run(second, [0])
    records = [(record.key, record.value) for record in lab.records("app-t-changelog")]
    assert records == [(b'["k",1]', b'{"n":1}'), (b'"gone"', b"1"), (b'"gone"', None)]
    config = lab.broker.topics["app-t-changelog"].config
    assert config["cleanup.policy"] == "compact"


async def test_a_key_that_changes_often_is_written_once_per_checkpoint(lab, run):
    await run(lambda t, v: t.__setitem__("n", t["n"] + 1), range(50), default=int, app_options={
        "broker_commit_interval": 60}, commit=False)  # fmt: skip
    assert [record.value for record in lab.records("app-t-changelog")] == [b"50"]


async def test_a_tuple_key_is_the_same_key_after_a_restart(lab, run):
    def body(t, value):
        t[("a", ("b", 1))] += 1
        return dict(t.items())

    await run(body, [0], default=int)
    assert await run(body, [0, 1][1:], default=int) == [{("a", ("b", 1)): 2}]


async def test_a_tables_types_decide_its_codecs(lab, run):
    await run(lambda t, v: t.__setitem__(b"k", b"v"), [0], key_type=bytes, value_serializer="raw", key_serializer="raw")
    assert [(r.key, r.value) for r in lab.records("app-t-changelog")] == [(b"k", b"v")]


async def test_a_value_that_cannot_be_written_fails_at_its_event(lab, eventually):
    app = lab.app()
    table = app.Table("t")

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["a"] = object() if value == "bad" else value

    lab.put("in", "bad", "good")
    async with app:
        await eventually(lambda: lab.changelog("t") == {"a": "good"})
    (letter,) = lab.records("app-dead-letter")
    assert b"table 't' cannot write a object" in dict(letter.headers)["Faust-Error-Message"]


BAD = {"value": ("x", "\ud800"), "key": (object(), 1), "inside": ("x", [object()])}


@pytest.mark.parametrize("poison", BAD)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_change_that_only_a_checkpoint_finds_unwritable_fails_at_its_event_the_second_time(
    lab, eventually, poison, guarantee
):
    app = lab.app(broker_commit_interval=0.2, processing_guarantee=guarantee)
    table = app.Table("t", default=int)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value == "bad":
                key, wrong = BAD[poison]
                table[key] = wrong
            else:
                table["n"] += 1
                table["b"] = ["fine"]
                table["c"] = "fine"

    lab.put("in", "good", "bad", "good", "good")
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
    assert lab.changelog("t") == {"n": 3, "b": ["fine"], "c": "fine"}
    assert len(lab.records("app-dead-letter")) == 1


async def test_a_value_changed_in_place_to_something_unwritable_does_not_stop_the_worker(lab, eventually):
    app = lab.app(broker_commit_interval=0.1)
    table = app.Table("t", default=int)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["n"] += 1
            table["a"] = items = [value]
            if value == 2:
                items.append(object())

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    assert lab.changelog("t") == {"n": 2, "a": [2]}


def test_names_and_defaults_are_checked(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="letters, digits"):
        app.Table("a b")
    with pytest.raises(ConfigError, match="default= is a function"):
        app.Table("t", default=0)
    table = app.Table("t", help="counts", options={"x": 1}, extra_topic_configs={"min.insync.replicas": 2})
    with pytest.raises(ConfigError, match="there is a table 't' already"):
        app.Table("t")
    assert (repr(table), table.help, table.options) == ("<Table: t>", "counts", {"x": 1})
    assert table.changelog_spec(1).config["min.insync.replicas"] == "2"
    assert table == table
    assert table != app.Table("u")
    assert len({table, table}) == 1


async def test_recover_callbacks_are_called_when_partitions_are_restored(lab, run, eventually):
    await run(lambda t, v: t.__setitem__("a", 1), [0])
    app = lab.app()
    seen = []
    table = app.Table("t", on_recover=lambda: seen.append(dict(table.items())))

    @table.on_recover
    async def also():
        seen.append("async")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    async with app:
        await eventually(lambda: seen == [{"a": 1}, "async"])


# -- a partition by itself


@pytest.fixture
def part(lab):
    table = lab.app().Table("t", key_serializer="raw", value_serializer="raw")
    return TablePartition(table, MemoryStore("t", 0), table.codec, TopicPartition("c", 0), 10)


def test_the_cache_is_bounded_and_reads_go_through_to_the_store(part):
    part.store.apply([(b"%d" % n, b"v%d" % n) for n in range(1000)], changelog_offset=1000)
    for _ in range(2):
        assert [part.get(b"%d" % n) for n in range(1000)] == [b"v%d" % n for n in range(1000)]
    assert len(part._young) + len(part._old) <= 10
    assert part.get(b"none") is MISSING


@pytest.mark.parametrize("count", [3, 100])
def test_what_was_checkpointed_is_read_anew(part, count):
    for n in range(count):
        part.dirty[b"%d" % n] = b"one"
    changes = part.stage()
    part.dirty[b"0"] = DELETED
    part.dirty[b"1"] = b"two"
    assert (part.get(b"0"), part.get(b"1"), part.get(b"2")) == (MISSING, b"two", b"one")
    part.store.apply(changes, changelog_offset=count)
    part.settle()
    assert (part.get(b"0"), part.get(b"1"), part.get(b"2")) == (MISSING, b"two", b"one")
    assert len(dict(part.items())) == count - 1
    assert sorted(part.stage()) == [(b"0", None), (b"1", b"two")]
    assert len(part._young) + len(part._old) <= 20


def test_a_checkpoint_that_fails_gives_its_changes_back(part):
    part.dirty = {b"a": b"1", b"b": b"1"}
    part.stage()
    part.dirty = {b"b": b"2", b"c": b"2"}
    part.unstage()
    assert sorted(part.stage()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"2")]
    part.discard()
    assert part.get(b"a") is MISSING
    assert not part.stage()


def test_a_partition_holding_foreign_bytes_says_so(lab):
    table = lab.app().Table("t")
    store = MemoryStore("t", 0)
    store.apply([(b'"a"', b"{")], changelog_offset=1)
    part = TablePartition(table, store, table.codec, TopicPartition("c", 0), 10)
    with pytest.raises(DecodeError, match="table 't' holds a value"):
        part.get("a")
    store.apply([(b"{", b"1")], changelog_offset=2)
    with pytest.raises(DecodeError, match="table 't' holds a"):
        list(part.items())
    with pytest.raises(EncodeError, match="cannot write the key"):
        part.get(object())


def test_closing_a_partition_twice_is_harmless(part):
    part.close()
    part.close()
