"""Sessions, sliding windows, and the ways to look at windowed tables."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faust_core import App
from faust_core.errors import ConfigError
from faust_core.memory import Broker
from faust_core.memory.store import MemoryStore
from faust_core.records import TopicPartition
from faust_core.windows import SessionWindow, SlidingWindow, TumblingWindow
from faust_core.windows.partition import MARK_KEY, WindowedPartition

T0 = 1_000_000_000


@pytest.fixture
def run(lab, eventually):
    """Run `body(table, value)` for each (value, seconds after T0) and return what it returned."""

    async def run(make, body, values, **options):
        app = lab.app()
        table = make(app.Table("t", **{"default": int, **options}))
        results, errors = [], []

        @app.agent("in", on_error=lambda _agent, error: errors.append(error))
        async def agent(stream):
            async for value in stream:
                results.append(body(table, value))

        start = len(lab.records("in"))
        for value, at in values:
            lab.put("in", value, timestamp_ms=round((T0 + at) * 1000))
        async with app:
            await eventually(lambda: lab.committed("in") == start + len(values))
        assert not errors, errors
        return results

    return run


def spans(lab):
    return {
        (key, round(start - T0, 3), round(end - T0, 3)): value
        for (key, (start, end)), value in lab.changelog("t").items()
        if key is not None
    }


def add(table, value):
    table["k"] += value
    return table["k"].value()


# -- sessions


async def test_events_within_the_gap_are_one_session(lab, run):
    results = await run(lambda t: t.session(10), add, [(1, 0), (1, 10), (1, 21), (1, 5)])
    assert results == [1, 2, 1, 3]
    assert spans(lab) == {("k", 0, 10): 3, ("k", 21, 21): 1}


async def test_an_event_between_two_sessions_makes_them_one_and_deletes_both(lab, run):
    results = await run(lambda t: t.session(10), add, [(1, 0), (2, 15), (4, 8)])
    assert results == [1, 2, 7]
    assert spans(lab) == {("k", 0, 15): 7}


async def test_sessions_merge_by_the_tables_own_function(lab, run):
    def body(table, value):
        table["k"].apply(lambda old, new: [*old, new], value)

    values = [("first", 0), ("second", 15), ("between", 8)]
    await run(lambda t: t.session(10, merge=lambda a, b: [*a, "+", *b]), body, values, default=list)
    assert spans(lab) == {("k", 0, 15): ["first", "+", "second", "between"]}


async def test_setting_a_session_needs_no_default_and_sessions_go_on_after_a_restart(lab, run):
    def body(table, value):
        table["k"] = value

    await run(lambda t: t.session(10), body, [(1, 0)], default=None)
    await run(lambda t: t.session(10), body, [(2, 5)], default=None)
    assert spans(lab) == {("k", 0, 5): 2}


async def test_sessions_close_when_the_gap_and_grace_have_passed(lab, eventually):
    app = lab.app()
    counts = app.Table("t", default=int).session(10, grace=5)
    lab.broker.create_topic("out", 1)

    @app.agent("in")
    async def count(stream):
        async for value in stream:
            counts[value] += 1

    @app.agent(counts.closed(), name="send")
    async def send(stream):
        async for (key, (start, end)), value in stream:
            await app.send("out", value=[key, start - T0, end - T0, value])

    for key, at in (("a", 0), ("a", 8), ("b", 20), ("b", 23)):
        lab.put("in", key, timestamp_ms=(T0 + at) * 1000)
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
        assert lab.values("out") == []
        lab.put("in", "b", timestamp_ms=(T0 + 24) * 1000)
        await eventually(lambda: lab.values("out") == [["a", 0, 8, 2]])
        lab.put("in", "a", timestamp_ms=(T0 + 7) * 1000)
        await eventually(lambda: counts.late_events == 1)
    assert lab.values("out") == [["a", 0, 8, 2]]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=25))
def test_sessions_are_the_same_in_whatever_order_events_come(times):
    ordered, sessions = sorted(times), []
    for at in ordered:
        if sessions and at - sessions[-1][1] <= 10:
            sessions[-1][1:] = [at, sessions[-1][2] + 1]
        else:
            sessions.append([at, at, 1])
    assert _replayed(SessionWindow(10), times) == {(a, b): n for a, b, n in sessions}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=25), st.integers(0, 60))
def test_a_sliding_window_has_what_happened_around_a_time(times, at):
    table, part = _table(SlidingWindow(7, 4, 1000)), None
    part = _fill(table, times)
    assert part is not None
    expected = sum(1 for t in times if at - 7 <= t <= at + 4)
    found = table.find("k", T0 + at)
    assert (found if isinstance(found, int) else 0) == expected


def _table(window):
    return App("app", broker=Broker().url).Table("t", default=int).using_window(window)


def _fill(table, times):
    """Write events as a claim of a running task would."""
    part = table.table.open_partition(0, MemoryStore("t", 0), 1000)
    table.table.attach(0, part)
    table._partition = lambda: part
    for at in times:
        table._timestamp_of = lambda _event, at=at: T0 + at
        table["k"] += 1
    return part


def _replayed(window, times):
    table = _table(window)
    part = _fill(table, times)
    return {(round(s - T0), round(e - T0)): value for (_key, (s, e)), value in part.items()}


# -- sliding


async def test_sliding_windows_show_what_happened_around_an_event(lab, run):
    results = await run(lambda t: t.sliding(10, 5, expires=100), add, [(1, 0), (2, 8), (4, 12), (8, 30)])
    assert results == [1, 3, 6, 8]
    assert spans(lab) == {("k", -10, 5): 1, ("k", -2, 13): 2, ("k", 2, 17): 4, ("k", 20, 35): 8}


async def test_sliding_windows_expire(lab, run):
    await run(lambda t: t.sliding(10, 0, expires=20), add, [(1, 0), (2, 10), (4, 25)])
    await run(lambda t: t.sliding(10, 0, expires=20), add, [(1, 31)])
    assert spans(lab) == {("k", 15, 25): 4, ("k", 21, 31): 1}


# -- looking


async def test_the_index_shows_the_keys_of_one_window(lab, run):
    def body(table, value):
        table[value] += 1
        return (
            sorted(table.keys()),
            sorted(table.items()),
            sorted(table.values()),
            sorted(table.items().delta(10)),
            sorted(table.keys().current()),
            list(table.keys().now()),
            len(table),
            len(table.keys()),
        )

    results = await run(lambda t: t.tumbling(10, key_index=True), body, [("a", 0), ("b", 1), ("a", 2), ("c", 10)])
    assert results[2] == (["a", "b"], [("a", 2), ("b", 1)], [1, 2], [], ["a", "b"], [], 2, 2)
    assert results[3] == (["c"], [("c", 1)], [1], [("a", 2), ("b", 1)], ["c"], [], 3, 1)


async def test_values_at_an_event_follow_the_tables_time(lab, eventually):
    app = lab.app()
    counts = app.Table("t", default=int).tumbling(10).relative_to_field("at")
    seen, before = [], []

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            counts["k"] += 1
            windows = counts["k"]
            before.append(event)
            first = before[0]
            seen.append(
                (
                    windows[first],
                    windows.value(first),
                    windows.delta(10, event),
                    windows.current(first),
                    windows.timestamp,
                )
            )

    for at in (100, 105, 110):
        lab.put("in", {"at": T0 + at}, timestamp_ms=T0 * 1000)
    async with app:
        await eventually(lambda: len(seen) == 3)
    assert seen == [(1, 1, 0, 0, T0 + 100), (2, 2, 0, 0, T0 + 105), (2, 2, 2, 0, T0 + 110)]


@pytest.mark.parametrize(
    ("what", "start"),
    [
        (T0 + 55, 50),
        (dt.datetime.fromtimestamp(T0 + 55, dt.timezone(dt.timedelta(hours=5))), 50),
        (dt.datetime.fromtimestamp(T0 + 55, dt.UTC).replace(tzinfo=None), 50),
        ("at", 70),
        (lambda event: event.value["at"] + 10, 80),
        (None, 0),
    ],
)
async def test_windows_are_relative_to_whatever_is_asked_for(lab, run, what, start):
    def body(table, value):
        table["k"] += 1
        return "k" in table

    assert await run(lambda t: t.tumbling(10).relative_to(what), body, [({"at": T0 + 75}, 0)]) == [True]
    assert {s for _, s, _ in spans(lab)} == {start}


async def test_a_field_without_a_zone_is_in_the_applications_zone(lab, eventually):
    app = lab.app(timezone="Asia/Tokyo")
    counts = app.Table("t", default=int).tumbling(10).relative_to_field("at")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            counts["k"] += 1

    local = dt.datetime.fromtimestamp(T0 + 33, dt.timezone(dt.timedelta(hours=9))).replace(tzinfo=None)
    lab.put("in", {"at": local.isoformat()}, timestamp_ms=1)
    async with app:
        await eventually(lambda: spans(lab))
    assert spans(lab) == {("k", 30, 39.9): 1}


@pytest.mark.parametrize("what", [True, object(), [1]])
def test_a_table_is_relative_to_times_only(lab, what):
    with pytest.raises(ConfigError, match="relative to a field"):
        lab.app().Table("t").tumbling(10).relative_to(what)
    with pytest.raises(ConfigError, match="relative_to_field takes"):
        lab.app().Table("t").tumbling(10).relative_to_field(what)


def test_a_window_must_be_one(lab):
    with pytest.raises(ConfigError, match="window= is a window such as"):
        lab.app().Table("t", window=60)


# -- the index


def _part(store, window):
    app = App("app", broker=Broker().url)
    table = app.Table("t", default=int, window=window)
    return WindowedPartition(
        table, store, table.codec, TopicPartition("app-t-changelog", 0), 100, window=window, closes=False
    )


def test_a_store_from_before_there_was_an_index_gets_one():
    store = MemoryStore("t", 0)
    store.apply([(f'["k{n}",[{n}.0,{n}.9]]'.encode(), b"1") for n in range(10)], changelog_offset=10)
    part = _part(store, TumblingWindow(1, expires=2))
    part.advance(8)
    changes = dict(part.stage())
    assert sorted(changes) == [f'["k{n}",[{n}.0,{n}.9]]'.encode() for n in range(5)]
    assert set(changes.values()) == {None}


def test_what_is_restored_is_indexed_in_the_same_step():
    store = MemoryStore("t", 0)
    part = _part(store, TumblingWindow(1, expires=2))
    store.apply(part.indexed([(b'["a",[0.0,0.9]]', b"1"), (MARK_KEY, b"x")]), changelog_offset=2)
    assert [at for at, _ in part.items()] == [("a", (0.0, 0.9))]
    store.apply(part.indexed([(b'["a",[0.0,0.9]]', None)]), changelog_offset=3)
    assert not [key for key, _ in store.scan() if key.startswith(b"\x00i")]
