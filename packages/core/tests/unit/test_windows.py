"""Windows: which times belong to which, and tables that are split by them."""

from __future__ import annotations

import datetime as dt
import json
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.errors import ConfigError, NoCurrentEvent
from faust_core.windows import HoppingWindow, TumblingWindow

T0 = 1_000_000_000


# -- windows


def test_tumbling_windows_follow_each_other():
    window = TumblingWindow(10)
    assert window.ranges(25) == [(20.0, 29.9)]
    assert window.ranges(29.999) == [(20.0, 29.9)]
    assert window.ranges(30) == [(30.0, 39.9)]
    assert window.current(25) == window.earliest(25) == (20.0, 29.9)


def test_hopping_windows_overlap():
    window = HoppingWindow(10, 5)
    assert window.ranges(23) == [(15.0, 24.9), (20.0, 29.9)]
    assert window.current(23) == (20.0, 29.9)
    assert window.earliest(23) == (15.0, 24.9)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 10_000))
def test_every_time_is_in_all_windows_that_cover_it_and_in_no_other(size, step, timestamp):
    size = max(size, step)
    window = HoppingWindow(size, step)
    covering = [start for start in range(-100, 10_100) if start % step == 0 and start <= timestamp < start + size]
    assert [start for start, _ in window.ranges(timestamp)] == covering
    assert window.current(timestamp)[0] == covering[-1]


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_a_windows_size_is_a_positive_time(size):
    with pytest.raises(ConfigError, match="size of a window"):
        TumblingWindow(size)


def test_a_step_over_the_size_would_leave_gaps():
    with pytest.raises(ConfigError, match="belong to no window"):
        HoppingWindow(5, 10)


def test_sizes_may_be_timedeltas():
    window = TumblingWindow(dt.timedelta(minutes=1), expires=dt.timedelta(hours=1))
    assert (window.size, window.expires) == (60, 3600)
    assert repr(window) == "TumblingWindow(size=60.0, step=60.0, expires=3600.0)"


# -- windowed tables


@pytest.fixture
def run(lab, eventually):
    """Run `body(table, value)` for each (value, seconds after T0) and return what it returned."""

    async def run(make, body, values):
        app = lab.app()
        table = make(app.Table("t", default=int))
        results, errors = [], []

        @app.agent("in", on_error=lambda _agent, error: errors.append(error))
        async def agent(stream):
            async for value in stream:
                results.append(body(table, value))

        start = len(lab.records("in"))
        for value, at in values:
            lab.put("in", value, timestamp_ms=int((T0 + at) * 1000))
        async with app:
            await eventually(lambda: lab.committed("in") == start + len(values))
            outside = sorted(table.items())
        assert not errors, errors
        return results, outside

    return run


def windows(lab):
    return {(key, int(start) - T0): value for (key, (start, _)), value in lab.changelog("t").items()}


def add(table, key):
    table[key] += 1
    return table[key].value()


async def test_counts_are_split_by_windows(lab, run):
    results, outside = await run(lambda t: t.tumbling(10), add, [("a", 0), ("a", 9), ("b", 9), ("a", 10), ("a", 3)])
    assert results == [1, 2, 1, 1, 3]
    assert windows(lab) == {("a", 0): 3, ("b", 0): 1, ("a", 10): 1}
    assert (("a", (float(T0), T0 + 9.9)), 3) in outside


async def test_hopping_windows_all_change(lab, run):
    results, _ = await run(lambda t: t.hopping(10, 5), add, [("a", 0), ("a", 5), ("a", 12)])
    assert results == [1, 1, 1]
    assert windows(lab) == {("a", -5): 1, ("a", 0): 2, ("a", 5): 2, ("a", 10): 1}


async def test_keys_on_the_wire_are_the_key_and_the_window(lab, run):
    await run(lambda t: t.tumbling(10), add, [("k", 0)])
    (record,) = lab.records("app-t-changelog")
    assert json.loads(record.key) == ["k", [float(T0), T0 + 9.9]]
    assert record.key == f'["k",[{T0}.0,{T0 + 9.9}]]'.encode()


async def test_all_operators_change_the_present_windows(lab, run):
    def body(table, value):
        table["n"] += 8
        table["n"] -= 2
        table["n"] *= 3
        table["n"] /= 2
        table["bits"] |= 6
        table["bits"] &= 3
        table["set"] = 5
        table["applied"].apply(lambda old, new: old + new, 4)
        return (table["n"].value(), table["bits"].value(), table["set"].value(), "n" in table, "no" in table)

    results, _ = await run(lambda t: t.tumbling(10), body, [(0, 0)])
    assert results == [(9, 2, 5, True, False)]
    assert windows(lab) == {("n", 0): 9, ("bits", 0): 2, ("set", 0): 5, ("applied", 0): 4}


async def test_current_now_delta_and_value(lab, run):
    def body(table, value):
        table["a"] += value
        windows = table["a"]
        return windows.value(), windows.current(), windows.delta(10), windows.delta(20), windows.now()

    results, _ = await run(lambda t: t.tumbling(10), body, [(1, 0), (2, 10), (3, 20)])
    assert results == [(1, 1, 0, 0, 0), (2, 2, 1, 0, 0), (3, 3, 2, 1, 0)]


async def test_relative_to_now_is_the_wall_clock(lab, run):
    def body(table, value):
        table["a"] += 1
        return table["a"].value(), table["a"].now(), table["a"].current()

    results, outside = await run(lambda t: t.tumbling(1000).relative_to_now(), body, [(0, 0)])
    assert results == [(1, 1, 0)]
    ((_, (start, end)), _), = outside  # fmt: skip
    assert start <= time.time() <= end + 0.2


@pytest.mark.parametrize(
    "make",
    [
        lambda at: T0 + at,
        lambda at: dt.datetime.fromtimestamp(T0 + at, dt.UTC),
        lambda at: dt.datetime.fromtimestamp(T0 + at, dt.UTC).isoformat(),
    ],
)
async def test_relative_to_field_is_the_events_own_time(lab, eventually, make):
    class Order:
        __faust_serializer__ = None

        def __init__(self, at):
            self.at = make(at)

    app = lab.app()
    topic = app.topic("in")
    table = app.Table("t", default=int).tumbling(10).relative_to_field(SimpleNamespace(field="at"))
    seen = []

    def decode(data, _claim):
        return Order(json.loads(data))

    topic.decode_value = decode

    @app.agent(topic)
    async def agent(stream):
        async for order in stream.map(lambda order: order):
            table["a"] += 1
            seen.append(order)

    lab.put("in", 25, timestamp_ms=1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert windows(lab) == {("a", 20): 1}


async def test_relative_to_field_reads_plain_dicts_too(lab, run):
    def body(table, value):
        table["a"] += 1

    await run(lambda t: t.tumbling(10).relative_to_field("at"), body, [({"at": T0 + 33}, 0)])
    assert windows(lab) == {("a", 30): 1}


async def test_outside_of_an_event_only_now_has_a_time(lab, run):
    app = lab.app()
    table = app.Table("t", default=int).tumbling(10)
    assert table["a"].now() == 0
    for read in (table["a"].value, table["a"].current):
        with pytest.raises(NoCurrentEvent, match=r"use now\(\)"):
            read()
    with pytest.raises(NoCurrentEvent):
        table["a"] += 1
    with pytest.raises(NoCurrentEvent):
        table.relative_to_field("x")["a"].value()
    assert table.relative_to_stream().name == "t"
    assert repr(table) == "<WindowedTable: t TumblingWindow(size=10.0, step=10.0, expires=None)>"
    assert repr(table["a"]) == "<WindowSet: t['a']>"


# -- expiry


async def test_expired_windows_are_deleted_with_tombstones(lab, run):
    await run(lambda t: t.tumbling(10, expires=20), add, [("a", 0), ("b", 0), ("a", 10), ("a", 29), ("c", 39)])
    assert windows(lab) == {("a", 10): 1, ("a", 20): 1, ("c", 30): 1}
    tombstones = [json.loads(r.key)[0] for r in lab.records("app-t-changelog") if r.value is None]
    assert sorted(tombstones) == ["a", "b"]


async def test_windows_from_an_earlier_run_expire_too(lab, run):
    def make(table):
        return table.tumbling(10, expires=20)

    await run(make, add, [("a", 0), ("b", 12)])
    assert windows(lab) == {("a", 0): 1, ("b", 10): 1}
    await run(make, add, [("c", 35)])
    assert windows(lab) == {("b", 10): 1, ("c", 30): 1}


async def test_a_table_with_expiry_has_a_changelog_with_retention(lab, run):
    await run(lambda t: t.tumbling(10, expires=3600), add, [("a", 0)])
    config = lab.broker.topics["app-t-changelog"].config
    assert config["cleanup.policy"] == "compact,delete"
    assert config["retention.ms"] == "3600000"


async def test_windows_of_one_table_share_their_expiry(lab, run):
    def body(table, value):
        table.relative_to_stream()[value] += 1

    await run(lambda t: t.tumbling(10, expires=20), body, [("a", 0), ("b", 40), ("c", 80)])
    assert windows(lab) == {("c", 80): 1}


async def test_stream_time_never_goes_back(lab, run):
    await run(lambda t: t.tumbling(10, expires=20), add, [("a", 100), ("late", 95), ("very late", 0), ("a", 115)])
    assert ("very late", 0) not in windows(lab)
    assert windows(lab)["late", 90] == 1


async def test_a_windowed_table_survives_an_aborted_transaction(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=0.02)
    table = app.Table("t", default=int).tumbling(10, expires=20)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] += 1

    async with app:
        lab.put("in", "a", timestamp_ms=T0 * 1000)
        await eventually(lambda: lab.committed("in") == 1)
        lab.broker.faults.abort_transactions(1)
        lab.put("in", "b", timestamp_ms=(T0 + 50) * 1000)
        await eventually(lambda: lab.committed("in") >= 2)
    assert windows(lab) == {("b", 50): 1}
