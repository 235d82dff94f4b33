"""Joins of streams beside what else an application chooses: errors, stores, retries, drivers, what they refuse."""

from __future__ import annotations

import asyncio

import pytest

from faust_core import App
from faust_core.errors import ConfigError, StoreCorrupt, StoreError
from faust_core.memory.store import MemoryStore
from faust_core.registry import register_store
from faust_core.testing import TestDriver

L, R = "left", "right"
GUARANTEES = ["at_least_once", "exactly_once"]


def joining(app, mode="outer_join", make=None, **options):
    """Add an agent that sends the pairs of `left` and `right` to `out`."""
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")
    options = {"within": 10, "idle": 0.05, **options}

    @app.agent(left, name="pair")
    async def pair(stream):
        other = right.stream()
        joined = make(stream, other) if make else getattr(stream, mode)(other, **options)
        async for value in joined:
            await out.send(value=value)

    return app


def put(lab, *records):
    for topic, key, at, value in records:
        lab.put(topic, value, key=key, timestamp_ms=at * 1000)


@pytest.fixture
def topics(lab):
    for topic in (L, R, "out"):
        lab.broker.create_topic(topic, 1)


# -- errors


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("side", [L, R])
@pytest.mark.parametrize("policy", ["retry", "skip", "dead_letter"])
async def test_an_operator_of_a_side_that_raises_is_dealt_with_by_the_policy(lab, eventually, side, policy):
    failures = []

    def once(value):
        if value == "bad" and (policy != "retry" or not failures):
            failures.append(value)
            raise ValueError(value)
        return value

    def make(stream, other):
        if side == L:
            stream = stream.map(once)
        else:
            other = other.map(once)
        return stream.join(other, within=10, idle=0.05)

    app = joining(lab.app(on_error=policy), make=make)
    other = R if side == L else L
    put(lab, (other, "a", 100, "o"), (side, "a", 101, "bad"), (side, "a", 102, "good"))
    async with app:
        await eventually(lambda: lab.committed(side) == 2 and lab.committed(other) == 1)
    pairs = [["bad", "o"], ["good", "o"]] if policy == "retry" else [["good", "o"]]
    assert lab.values("out") == (pairs if side == L else [pair[::-1] for pair in pairs])
    assert len(lab.records("app-dead-letter")) == (policy == "dead_letter")


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("joiner_is_async", [False, True])
async def test_a_joiner_that_raises_puts_the_record_aside_that_brought_the_pair(lab, eventually, joiner_is_async):
    def add(left, right):
        if right == "bad":
            raise ValueError(right)
        return [left, right]

    async def add_later(left, right):
        await asyncio.sleep(0)
        return add(left, right)

    app = joining(lab.app(on_error="dead_letter"), "join", joiner=add_later if joiner_is_async else add)
    put(lab, (R, "a", 100, "bad"), (R, "a", 101, "r"), (L, "a", 102, "l"))
    async with app:
        await eventually(lambda: lab.committed(L) == 1 and lab.committed(R) == 2)
    assert lab.values("out") == [["l", "r"]]
    assert lab.values("app-dead-letter") == ["l"]


class Disk:
    """A backend whose stores keep their rows when they are closed, and fail to be read when they are told to."""

    persistent = True
    shared = False

    def __init__(self):
        self.kept = {}
        self.errors = []

    def open(self, table, partition, /):
        return DiskStore(table, partition, self)

    def destroy(self, table, partition, /):
        self.kept.pop((table, partition), None)

    def stored(self):
        return {place: offset for place, (_, offset) in self.kept.items()}

    def close(self):
        pass


class DiskStore(MemoryStore):
    def __init__(self, table, partition, disk):
        super().__init__(table, partition)
        self.disk = disk
        rows, offset = disk.kept.get((table, partition), ({}, None))
        if offset is not None:
            super().apply(list(rows.items()), changelog_offset=offset)

    def get(self, key, /):
        self.fail()
        return super().get(key)

    def scan(self, start=b"", end=None, /):
        self.fail()
        return super().scan(start, end)

    def fail(self):
        if self.disk.errors:
            raise self.disk.errors.pop(0)

    def apply(self, changes, /, *, changelog_offset):
        super().apply(changes, changelog_offset=changelog_offset)
        self.disk.kept[self.table, self.partition] = dict(super().scan()), changelog_offset


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("error", [StoreError("away"), StoreCorrupt("bad block")])
async def test_a_store_that_fails_while_joining_costs_no_pair(lab, eventually, monkeypatch, guarantee, error):
    monkeypatch.setattr("faust_core.engine.commits.MAX_STORE_DELAY_S", 0.02)
    disk = Disk()
    register_store("disk", lambda _url, _context: disk)
    # Hardly a cache, so that looks for partners come to the store.
    app = joining(
        lab.app(
            store="disk://", table_cache_size=2, processing_guarantee=guarantee, on_error="skip",
            broker_commit_interval=0.02,
        )
    )  # fmt: skip
    async with app:
        put(lab, *((L, f"k{n}", 100, f"l{n}") for n in range(10)))
        await eventually(lambda: lab.committed(L) == 10)
        disk.errors = [error] * 3
        put(lab, *((R, f"k{n}", 101, f"r{n}") for n in range(8)), (R, "x", 200, "x"), (L, "x", 200, "x"))
        await eventually(lambda: lab.committed(L) == 11 and lab.committed(R) == 9)
        assert not disk.errors
    expected = [*([f"l{n}", f"r{n}"] for n in range(8)), ["l8", None], ["l9", None], ["x", "x"]]
    found = lab.values("out")
    if guarantee == "exactly_once":
        assert sorted(map(str, found)) == sorted(map(str, expected))
    assert {str(pair) for pair in found} == {str(pair) for pair in expected}


# -- what goes along


async def test_joins_run_under_the_test_driver():
    app = joining(App("app", broker="memory://", topic_partitions=1), within=10, grace=1)
    left, right = app.topic(L, key_type=str), app.topic(R, key_type=str)
    async with TestDriver(app) as driver:
        await driver.put(left, "l1", key="a")
        await driver.put(right, "r1", key="a")
        assert driver.read_values("out") == [["l1", "r1"]]
        await driver.put(right, "r2", key="b")
        await driver.advance(60)
        await driver.put(left, "l2", key="c")
        await driver.put(right, "r3", key="c")
        assert sorted(map(str, driver.read_values("out"))) == sorted(map(str, [[None, "r2"], ["l2", "r3"]]))


@pytest.mark.usefixtures("topics")
async def test_the_event_of_a_pair_is_the_record_that_brought_it(lab, eventually):
    app = lab.app()
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")

    @app.agent(left, name="pair")
    async def pair(stream):
        async for event in stream.join(right.stream(), within=10, idle=0.05).events():
            await out.send(value=[event.message.topic, event.key, event.value])

    put(lab, (L, "a", 100, "l"), (R, "a", 101, "r"))
    async with app:
        await eventually(lambda: lab.values("out") == [[R, "a", ["l", "r"]]])


@pytest.mark.usefixtures("topics")
async def test_pairs_go_on_by_another_key(lab, eventually):
    app = lab.app()
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")

    @app.agent(left, name="pair")
    async def pair(stream):
        joined = stream.join(right.stream(), within=10, idle=0.05)
        async for key, value in joined.group_by(lambda pair: pair[0], name="l").items():
            await out.send(value=[key.decode(), value])

    put(lab, (L, "a", 100, "l"), (R, "a", 101, "r"))
    async with app:
        await eventually(lambda: lab.values("out") == [["l", ["l", "r"]]])


# -- what is refused


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(
    ("agent", "make", "says"),
    [
        ({}, lambda s, o, app: s.noack().join(o, within=1), "has noack"),
        ({}, lambda s, o, app: s.join(o.noack(), within=1), "has noack"),
        ({}, lambda s, o, app: s.join(o, within=1).noack(), "noack"),
        ({}, lambda s, o, app: (s & o).noack(), "noack"),
        ({"concurrency": 2}, lambda s, o, app: s.join(o, within=1), "needs concurrency=1"),
        ({"isolated_partitions": True}, lambda s, o, app: s.join(o, within=1), "needs concurrency=1"),
        ({}, lambda s, o, app: s.join(app.topic(pattern="r.*").stream(), within=1), "pattern"),
        ({}, lambda s, o, app: s.join(app.channel().stream(), within=1), "channel"),
    ],
)  # fmt: skip
async def test_what_does_not_go_with_a_join_is_refused_with_the_reason(lab, agent, make, says):
    app = lab.app(on_error="crash")

    @app.agent(app.topic(L, key_type=str), **agent)
    async def pair(stream):
        async for _ in make(stream, app.topic(R, key_type=str).stream(), app):
            raise AssertionError

    put(lab, (L, "a", 1, "l"), (R, "a", 1, "l"))
    with pytest.raises(ConfigError, match=says):
        async with app:
            await asyncio.wait_for(app.wait(), 10)
