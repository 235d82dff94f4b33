"""What may be said of a table, changes outside of events, stores of its own, and what else a table offers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from faust_core import App
from faust_core.errors import ConfigError, EncodeError, NoCurrentEvent, NotOwned, StoreError
from faust_core.memory.store import MemoryBackend, MemoryStore
from faust_core.partitioner import partition_for
from faust_core.records import TopicPartition
from faust_core.registry import register_store

from .test_restore import TIMES, Disk


def setting_app(lab, worker="w1", *, partitions=1, name="t", app_options=None, **options):
    """Sets `table[key] = value` for each `[key, value]`; None deletes."""
    lab.broker.create_topic("in", partitions)
    app = lab.app(worker, **(app_options or {}))
    table = app.Table(name, **options)

    @app.agent("in", name="set")
    async def agent(stream):
        async for key, value in stream:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value

    return app, table


# -- declared wrongly


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"defualt": int}, "app.Table has no option 'defualt': did you mean 'default'"),
        ({"zzz": 1}, "app.Table has no option 'zzz': there are changelog_topic, default"),
        ({"partitions": 0}, "partitions=0 must be a whole number, at least 1"),
        ({"partitions": True}, "partitions=True must be"),
        ({"recovery_buffer_size": -1}, "recovery_buffer_size=-1 must be"),
        ({"standby_buffer_size": 0.5}, "standby_buffer_size=0.5 must be"),
        ({"on_recover": 1}, "on_recover= is a function, not 1"),
        ({"on_changelog_event": "f"}, "on_changelog_event= is a function"),
        ({"on_change": 3}, "on_change= is a function"),
        ({"on_change": asyncio.sleep}, "cannot be async"),
        ({"on_window_close": 3}, "on_window_close= is a function"),
        ({"store": "rocksdb"}, "store='rocksdb' is no URL such as"),
        ({"default": 0}, "default= is a function"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(lab, options, message):
    with pytest.raises(ConfigError, match=message):
        lab.app().Table("t", **options)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", 3])
def test_a_name_must_fit_into_a_topics(lab, name):
    with pytest.raises(ConfigError, match="letters, digits"):
        lab.app().Table(name)


def test_two_tables_may_not_have_one_changelog(lab):
    app = lab.app()
    app.Table("t", changelog_topic="log")
    with pytest.raises(ConfigError, match="tables 't' and 'u' have the same changelog, log"):
        app.Table("u", changelog_topic=app.topic("log"))


async def test_a_store_that_is_not_installed_is_said_at_start(lab):
    app, _ = setting_app(lab, store="leveldb://")
    with pytest.raises(ConfigError, match="no store for leveldb://"):
        await app.start()


# -- types and the changelog


def test_a_schema_gives_types_and_serializers_and_what_is_named_wins(lab):
    class Schema:
        key_type = bytes
        value_type = int
        key_serializer = "raw"
        value_serializer = "json"

    table = lab.app().Table("t", schema=Schema(), value_type=str)
    assert (table.key_type, table.value_type) == (bytes, str)
    assert (table.codec.encode_key(b"k"), table.codec.encode_value("v")) == (b"k", b'"v"')


async def test_the_changelog_may_be_another_topic(lab, eventually):
    app, table = setting_app(lab)
    topic = app.topic("my-log", partitions=1, config={"segment.ms": 1000}, replicas=1)
    log = app.Table("other", changelog_topic=topic, extra_topic_configs={"max.message.bytes": 5})
    assert (log.changelog_topic, log.changelog_topic_name) == (topic, "my-log")
    assert (table.changelog_topic.name, table.changelog_topic.internal) == ("app-t-changelog", True)
    lab.put("in", ["a", 1])
    async with app:
        await eventually(lambda: lab.changelog("t") == {"a": 1})
    config = dict(lab.broker.topics["my-log"].config)
    config.pop("retention.ms", None)
    assert config == {"cleanup.policy": "compact", "segment.ms": "1000", "max.message.bytes": "5"}


def test_a_clone_has_the_options_of_the_table(lab):
    app = lab.app()
    table = app.Table("t", default=int, key_type=str, value_type=int, help="counts", partitions=3)
    clone = table.clone(name="u", partitions=4)
    assert (clone.name, clone.default, clone.key_type, clone.help, clone.partitions) == ("u", int, str, "counts", 4)
    assert list(app.tables) == ["t"]
    assert clone.info() == {**table.info(), "name": "u", "partitions": 4}


# -- a dict


async def test_copies_unions_and_views(lab, eventually):
    app = lab.app()
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            table["a"] = 1
            same = table
            same |= {"b": 2}
            assert same is table
            seen.append((table.copy(), table | {"c": 3}, {"a": 0, "z": 0} | table))
            seen.append((("a", 1) in table.items(), ("x", 0) in table.items(), 0 in table.items(), 2 in table.values()))
            seen.append((table.keys() & {"a", "x"}, table.items() - {("a", 1)}))
            key, value = table.popitem()
            seen.append({**table, key: value})
            with pytest.raises(TypeError):
                table | 3

    lab.put("in", 0)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    both = {"a": 1, "b": 2}
    assert seen[0] == (both, {**both, "c": 3}, {**both, "z": 0})
    assert seen[1] == (True, False, False, True)
    assert seen[2] == ({"a"}, {("b", 2)})
    assert seen[3] == both


async def test_a_table_as_text(lab, eventually):
    app, table = setting_app(lab)
    lab.put("in", ["b", 20], ["a", "x\ny"])
    async with app:
        await eventually(lambda: len(table) == 2)
        lines = table.as_ansitable(title="Counts", key="Name", value="Count", sort=True).splitlines()
    assert lines == [
        "+Counts--------+",
        "| Name | Count |",
        "+------+-------+",
        "| a    | x     |",
        "|      | y     |",
        "| b    | 20    |",
        "+------+-------+",
    ]


# -- partitions


async def test_a_partition_can_be_changed_on_its_owner_without_an_event(lab, eventually):
    app, table = setting_app(lab, partitions=2, default=int)
    async with app:
        part = table.on(1)
        part["a"] = 5
        part["a"] += 1
        part["b"] = 1
        assert (part["a"], part["none"], part.get("none"), "a" in part, "none" in part) == (6, 0, None, True, False)
        assert (part.pop("b"), part.pop("b", 7), part.setdefault("c", 2), part.setdefault("c", 3)) == (1, 7, 2, 2)
        with pytest.raises(KeyError):
            part.pop("b")
        with pytest.raises(KeyError):
            del part["b"]
        assert (dict(part), len(part), dict(table.on(0)), repr(part)) == ({"a": 6, "c": 2}, 2, {}, "<t[1]>")
        with pytest.raises(EncodeError, match="table 't' cannot write a object"):
            part["x"] = object()
        with pytest.raises(NotOwned, match=r"partition 2 of table 't' is not this worker's \(it has: 0, 1\)"):
            table.on(2)["a"] = 1
        await eventually(lambda: lab.changelog("t") == {"a": 6, "c": 2})
        assert {record.partition for record in lab.records("app-t-changelog")} == {1}
    with pytest.raises(NotOwned, match="it has: none"):
        table.on(1)["a"] = 1


async def test_a_change_outside_of_events_outlives_an_aborted_transaction(lab, eventually):
    options = {"processing_guarantee": "exactly_once", "broker_commit_interval": 30}
    app, table = setting_app(lab, app_options=options, default=int)
    lab.put("in", ["event", 1])
    async with app:
        await eventually(lambda: table["event"] == 1)
        table.on(0)["outside"] = 1
        await app.worker.commits.rewind()
        assert table["outside"] == 1
        await eventually(lambda: table["event"] == 1)
        await app.commit()
        assert lab.changelog("t") == {"event": 1, "outside": 1}


async def test_a_change_outside_of_events_outlives_a_checkpoint_that_failed(lab, eventually):
    app, table = setting_app(lab, app_options={"processing_guarantee": "exactly_once", "broker_commit_interval": 30})
    async with app:
        table.on(0)["outside"] = 1
        failed = 0

        def on_step(step):
            nonlocal failed
            if step == "changelog written" and not failed:
                failed += 1
                from faust_core.errors import TransactionAborted

                raise TransactionAborted("for the test")

        app.worker.checkpointer.on_step = on_step
        await app.commit()
        assert (failed, lab.changelog("t"), table["outside"]) == (1, {}, 1)
        await app.commit()
        assert lab.changelog("t") == {"outside": 1}


async def test_inside_an_event_another_partition_of_this_worker_can_be_changed(lab, eventually):
    lab.broker.create_topic("in", 2)
    app = lab.app()
    table = app.Table("t")

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table.on(1)[value] = table.partition_for_key("x")

    lab.put("in", "a", partition=0)
    async with app:
        await eventually(lambda: dict(table.on(1)) == {"a": 0})
        await eventually(lambda: lab.changelog("t") == {"a": 0})


@pytest.mark.parametrize("workers", [1, 2])
async def test_with_use_partitioner_a_key_is_where_its_hash_says(lab, eventually, workers):
    lab.broker.create_topic("in", 4)
    apps = []
    for number in range(workers):
        app = lab.app(f"w{number}")
        table = app.Table("t", use_partitioner=True, default=int)
        app.errors = []

        @app.agent("in", name="count", on_error=lambda _agent, error, app=app: app.errors.append(error))
        async def agent(stream, table=table):
            async for key in stream:
                table[key] += 1

        apps.append(app)
    for app in apps:
        await app.start()
    first = apps[0].tables["t"]
    await eventually(lambda: sum(len(app.tables["t"].local_partitions) for app in apps) == 4)
    keys = [f"k{n}" for n in range(20)]
    for n, key in enumerate(keys):
        lab.put("in", key, partition=n % 4)
    if workers == 1:
        await eventually(lambda: lab.changelog("t") == dict.fromkeys(keys, 1))
        for record in lab.records("app-t-changelog"):
            assert record.partition == partition_for(record.key, 4)
        first["outside"] = 3
        del first["k0"]
        with pytest.raises(KeyError):
            del first["k0"]
        assert (first.pop("k1"), first.pop("k1", None), "k2" in first, first["none"]) == (1, None, True, 0)
        expected = dict.fromkeys(keys[2:], 1) | {"outside": 3}
        await eventually(lambda: lab.changelog("t") == expected)
        first.clear()
        await eventually(lambda: lab.changelog("t") == {})
    else:
        await eventually(lambda: len(lab.records("app-dead-letter")) + len(lab.changelog("t")) == 20)
        assert {type(error) for a in apps for error in a.errors} == {NotOwned}
        assert 0 < len(lab.changelog("t")) < 20


def test_use_partitioner_and_windows_do_not_go_together(lab):
    with pytest.raises(ConfigError, match="use_partitioner and TumblingWindow"):
        lab.app().Table("t", use_partitioner=True).tumbling(10)


async def test_the_partition_of_a_key(lab, eventually):
    app, table = setting_app(lab, partitions=3)
    with pytest.raises(NoCurrentEvent, match="how many partitions table 't' has"):
        table.partition_for_key("a")
    async with app:
        assert table.partition_for_key("a") == partition_for(b"a", 3)
        assert table.partition_for_key(b"a") == partition_for(b"a", 3)
        assert table.partition_for_key(1) == partition_for(b"1", 3)


async def test_persisted_offset_is_that_of_the_last_record_in_the_store(lab, eventually):
    app, table = setting_app(lab)
    tp = TopicPartition("app-t-changelog", 0)
    assert table.persisted_offset(tp) is None
    lab.put("in", ["a", 1], ["b", 1])
    async with app:
        await eventually(lambda: table.persisted_offset(tp) == 1)
        assert table.persisted_offset(TopicPartition("other", 0)) is None
        assert table.persisted_offset(TopicPartition("app-t-changelog", 1)) is None


# -- callbacks


async def test_on_change_is_told_of_each_change(lab, eventually):
    changes = []
    app, table = setting_app(lab, on_change=lambda *change: changes.append(change))
    lab.put("in", ["a", 1], ["a", 2], ["a", None])
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        table.on(0)["b"] = 1
        lab.put("in", ["b", 2])
        await eventually(lambda: lab.changelog("t") == {"b": 2})
    assert changes == [("a", None, 1), ("a", 1, 2), ("a", 2, None), ("b", None, 1), ("b", 1, 2)]


async def test_on_changelog_event_is_told_of_what_is_restored_and_of_a_standbys_records(lab, eventually):
    app, _ = setting_app(lab, app_options=TIMES)
    lab.put("in", ["a", 1], ["b", 1], ["b", None])
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        lab.put("in", ["a", 2])
        await eventually(lambda: lab.changelog("t") == {"a": 2})
    events = []

    async def note(event):
        events.append((event.key, event.value, event.message.offset))

    again, _ = setting_app(lab, "w2", on_changelog_event=note, app_options=TIMES)
    async with again:
        restored = [(r.key and eval(r.key), r.value and int(r.value), r.offset) for r in lab.records("app-t-changelog")]
        assert events == restored


async def test_an_on_changelog_event_that_raises_stops_the_worker_and_says_where(lab, eventually):
    app, _ = setting_app(lab)
    lab.put("in", ["a", 1])
    async with app:
        await eventually(lambda: lab.committed("in") == 1)

    def refuse(event):
        raise LookupError("no")

    again, _ = setting_app(lab, "w2", on_changelog_event=refuse)
    with pytest.raises(LookupError) as error:
        await again.start()
    assert error.value.__notes__ == ["in on_changelog_event of table 't', app-t-changelog/0 at offset 0"]


@pytest.mark.parametrize(("size", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (None, [5])])
async def test_the_buffer_size_says_how_much_is_applied_at_once(lab, eventually, monkeypatch, size, batches):
    app, _ = setting_app(lab)
    lab.put("in", *([f"k{n}", n] for n in range(5)))
    async with app:
        await eventually(lambda: lab.committed("in") == 5)
    applied = []

    class Noting(MemoryStore):
        def apply(self, changes, /, *, changelog_offset):
            applied.append((len(changes), changelog_offset))
            super().apply(changes, changelog_offset=changelog_offset)

    class NotingBackend(MemoryBackend):
        def open(self, table, partition, /):
            return Noting(table, partition)

    register_store("noting", lambda _url, _context: NotingBackend())
    again, table = setting_app(lab, "w2", recovery_buffer_size=size, store="noting://")
    async with again:
        assert len(table) == 5
    assert [count for count, _ in applied] == batches
    assert [offset for _, offset in applied][-1] == 5


# -- stores


async def test_a_table_may_live_in_another_store_and_have_options_for_it(lab, eventually):
    given = []

    class Choosy(MemoryBackend):
        def open(self, table, partition, options=None, /):
            given.append((table, partition, options))
            if options and "wrong" in options:
                raise ConfigError("choosy has no option 'wrong'")
            return super().open(table, partition)

    register_store("choosy", lambda _url, _context: Choosy())
    app, _ = setting_app(lab, store="choosy://", options={"size": 1})
    plain = app.Table("plain")
    async with app:
        assert plain.name in app.tables
        assert given == [("t", 0, {"size": 1})]
    wrong, _ = setting_app(lab, store="choosy://", options={"wrong": 1})
    with pytest.raises(ConfigError, match="choosy has no option 'wrong'"):
        await wrong.start()


class SharedDisk(Disk):
    """One place for all workers: the latest opener has it."""

    shared = True

    def open(self, table, partition, /):
        self.opened = [*getattr(self, "opened", []), (table, partition)]
        return super().open(table, partition)


async def test_standbys_keep_what_is_theirs_and_leave_shared_stores_alone(lab, eventually):
    shared, disks = SharedDisk(), {"w1": Disk(), "w2": Disk()}
    register_store("shareddisk", lambda _url, _context: shared)

    def make(worker):
        register_store(f"own-{worker}", lambda _url, _context: disks[worker])
        app = lab.app(worker, store=f"own-{worker}://", table_standby_replicas=1, **TIMES)
        mine = app.Table("mine", default=int)
        theirs = app.Table("theirs", default=int, store="shareddisk://")

        @app.agent("in", name="count")
        async def agent(stream):
            async for key in stream:
                mine[key] += 1
                theirs[key] += 1

        return app

    lab.put("in", "a", "b")
    first, second = make("w1"), make("w2")
    await first.start()
    await second.start()
    await eventually(lambda: disks["w2"].kept.get(("mine", 0), ({}, 0))[1] == 2 or lab.committed("in") == 2)
    await eventually(lambda: all(d.kept.get(("mine", 0), ({}, 0))[1] == 2 for d in disks.values()))
    assert shared.opened == [("theirs", 0)]
    assert ("theirs", 0) not in disks["w1"].kept
    lab.crash(first)
    await lab.crashed(first)
    await eventually(lambda: len(second.tables["theirs"]) == 2)
    assert dict(second.tables["mine"].items()) == dict(second.tables["theirs"].items()) == {"a": 1, "b": 1}
    assert shared.opened == [("theirs", 0)] * 2
    lab.put("in", "a")
    await eventually(lambda: lab.changelog("theirs") == {"a": 2, "b": 1})


async def test_local_state_can_be_deleted_while_the_application_does_not_run(lab, eventually):
    disk = Disk()
    register_store("resetdisk", lambda _url, _context: disk)
    app, table = setting_app(lab, store="resetdisk://")
    lab.put("in", ["a", 1])
    async with app:
        await eventually(lambda: disk.kept)
        with pytest.raises(ConfigError, match="table 't' is in use: stop the application"):
            table.reset_state()
    disk.kept["other", 0] = ({}, 0)
    table.reset_state()
    assert list(disk.kept) == [("other", 0)]
    again, table = setting_app(lab, store="resetdisk://")
    async with again:
        assert dict(table.items()) == {"a": 1}


class SlowStore(MemoryStore):
    """Notices two calls at a time."""

    def __init__(self, table, partition, backend):
        super().__init__(table, partition)
        self.backend = backend
        self.busy = threading.Lock()

    def _once(self, call):
        if not self.busy.acquire(blocking=False):
            self.backend.overlaps += 1
            return call()
        try:
            return call()
        finally:
            self.busy.release()

    def get(self, key, /):
        return self._once(lambda: super(SlowStore, self).get(key))

    def apply(self, changes, /, *, changelog_offset):
        def work():
            self.backend.applying.set()
            self.backend.go_on.wait(1)
            super(SlowStore, self).apply(changes, changelog_offset=changelog_offset)

        self._once(work)


async def test_reads_outside_of_events_never_overlap_a_checkpoints_write(lab, eventually):
    class Backend(MemoryBackend):
        overlaps = 0
        applying, go_on = threading.Event(), threading.Event()

        def open(self, table, partition, /):
            return SlowStore(table, partition, self)

    backend = Backend()
    register_store("slow", lambda _url, _context: backend)
    app, table = setting_app(lab, store="slow://")
    async with app:
        lab.put("in", ["a", 1])
        await eventually(backend.applying.is_set)
        threading.Timer(0.1, backend.go_on.set).start()
        assert table.get("not cached") is None
        assert list(table) == ["a"]
    assert backend.overlaps == 0


# -- reading ahead


class RemoteBackend(MemoryBackend):
    """Counts round trips."""

    remote = True

    def __init__(self):
        super().__init__()
        self.gets, self.batches, self.fail = [], [], False

    def open(self, table, partition, /):
        backend = self

        class Remote(MemoryStore):
            def get(self, key, /):
                backend.gets.append(key)
                return super().get(key)

            def get_many(self, keys, /):
                if backend.fail:
                    raise StoreError("away")
                backend.batches.append(list(keys))
                return super().get_many(keys)

        return Remote(table, partition)


@pytest.fixture
def remote():
    backend = RemoteBackend()
    register_store("remote", lambda _url, _context: backend)
    return backend


def counting(lab, topic_options=None, by=lambda event: event.key, **options):
    app = lab.app(store="remote://")
    table = app.Table("t", default=int, **options)

    @app.agent(app.topic("in", **(topic_options or {})))
    async def agent(stream):
        async for event in stream.events():
            table[by(event)] += 1

    return app, table


@pytest.mark.parametrize("key_type", [None, str, bytes])
async def test_the_keys_of_a_batch_are_read_at_once(lab, eventually, remote, key_type):
    by = (lambda event: event.key.decode()) if key_type is None else (lambda event: event.key)
    options = {"key_type": bytes, "key_serializer": "raw"} if key_type is bytes else {}
    app, table = counting(lab, {"key_type": key_type} if key_type else {}, by, **options)
    async with app:
        for n in range(200):
            lab.put("in", n, key=f"k{n % 100}")
        await eventually(lambda: lab.committed("in") == 200)
        assert len(table) == 100
    assert remote.gets == []
    assert 1 <= len(remote.batches) <= 200
    assert sorted(key for batch in remote.batches for key in batch) == sorted({k for b in remote.batches for k in b})


async def test_a_table_of_other_keys_is_given_up(lab, eventually, remote, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("faust_core.engine.read_ahead.TRIAL_KEYS", 50)
    app, _ = counting(lab, {"key_type": str}, lambda event: event.value)
    async with app:
        for n in range(100):
            lab.put("in", f"v{n}", key=f"k{n}")
        await eventually(lambda: lab.committed("in") == 100)
        for n in range(100):
            lab.put("in", f"v{n}", key=f"l{n}")
        await eventually(lambda: lab.committed("in") == 200)
    assert "table t is not keyed as topic in is" in caplog.text
    assert len(lab.changelog("t")) == 100


async def test_keys_that_the_table_cannot_have_are_given_up_at_once(lab, eventually, remote):
    app, _ = counting(lab, {}, lambda event: b"one", key_serializer="raw", key_type=int)
    lab.put("in", 1, key="text")
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert remote.batches == []


async def test_a_store_that_is_away_while_reading_ahead_is_asked_again_by_the_event(lab, eventually, remote):
    remote.fail = True
    app, _ = counting(lab, {"key_type": str})
    lab.put("in", 1, key="a")
    async with app:
        await eventually(lambda: lab.changelog("t") == {"a": 1})
    assert remote.gets == [b'"a"']


async def test_fetch_reads_without_holding_the_loop_up(lab, eventually, remote):
    app = lab.app(store="remote://")
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for keys in stream:
            found = await table.fetch_many(keys)
            for key in keys:
                table[key] += 1
            seen.append((found, await table.fetch("never")))

    lab.put("in", ["a", "b"], ["a", "c"])
    async with app:
        await eventually(lambda: len(seen) == 2)
        assert await table.fetch("a") == 2
        assert await table.fetch_many(["a", "x"]) == {"a": 2}
    assert seen == [({}, 0), ({"a": 1}, 0)]
    assert remote.gets == []


async def test_what_was_read_ahead_is_not_used_after_the_store_was_written(lab, remote):
    table = lab.app().Table("t", default=int)
    store = MemoryStore("t", 0)
    part = table.open_partition(0, store, 100)
    store.apply([(b'"a"', b"1")], changelog_offset=1)

    async def slowly(read):
        values = read()
        part.dirty["a"] = 2
        store.apply(part.stage(), changelog_offset=2)
        part.settle()
        part._young.clear()
        return values

    assert await part.read_ahead(["a", "a"], slowly) == 1
    assert part.get("a") == 2


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda app: app.Table("t", key_type="str"), "table 't': json cannot carry 'str'"),
        (lambda app: app.Table("t", value_type=5), "table 't': json cannot carry 5"),
        (lambda app: app.Table("t", options=[1]), "table 't': options= is a dictionary, not"),
        (lambda app: app.Table("t", extra_topic_configs=5), "extra_topic_configs= is a dictionary, not 5"),
        (lambda app: app.Table("t", changelog_topic=5), "changelog_topic= is a topic or its name, not 5"),
        (lambda app: app.Table("t", use_partitioner="yes"), "use_partitioner= is True or False, not 'yes'"),
        (lambda app: app.Table("t").tumbling("10"), "size of a window is a positive number .* not '10'"),
        (lambda app: app.Table("t").tumbling(True), "size of a window is a positive number .* not True"),
        (lambda app: app.Table("t").tumbling(10, expires="1h"), "expires of a window .* not '1h'"),
        (lambda app: app.Table("t").tumbling(10, on_late=5), "table 't': on_late= is a function"),
        (lambda app: app.Table("t").session(10, merge=3), "merge= of a window is a function"),
        (lambda app: app.Table("t").sliding(10, 0, 10, merge=3), "merge= of a window is a function"),
    ],
)
def test_what_a_table_cannot_be_is_said_when_it_is_declared(declare, says):
    with pytest.raises(ConfigError, match=says):
        declare(App("app", broker="memory://"))
