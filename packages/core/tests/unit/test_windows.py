"""Windows: which times belong to which, and tables that are split by them."""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.errors import ConfigError, DecodeError, EncodeError, NoCurrentEvent
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


def microseconds(low, high):
    """Times and spans as decimal numbers, of which floats are mostly not exact."""
    return st.integers(low, high).map(lambda n: n / 1_000_000) | st.integers(low // 1000 + 1, high // 1000).map(
        lambda n: n / 1000
    )


@given(microseconds(1, 50_000_000), st.integers(1, 40), microseconds(1, 10**15) | st.floats(0, 4e9))
def test_windows_of_any_size_are_as_many_as_overlap_and_each_has_the_time(step, overlapping, timestamp):
    size = step * overlapping
    window = HoppingWindow(size, step)
    starts = [start for start, _ in window.ranges(timestamp)]
    assert len(starts) == overlapping
    assert starts == sorted(set(starts))
    for start in starts:
        assert start <= timestamp < start + size + 1e-6
    assert timestamp - starts[-1] < step + 1e-6
    assert window.current(timestamp) == window.ranges(timestamp)[-1]
    assert window.earliest(timestamp) == window.ranges(timestamp)[0]


@given(microseconds(1, 50_000_000), microseconds(1, 50_000_000), microseconds(1, 10**15))
def test_windows_of_uneven_sizes_are_the_quotient_rounded_up_or_down(size, step, timestamp):
    size, step = max(size, step), min(size, step)
    if size / step > 1000:
        step = size / 1000
    window = HoppingWindow(size, step)
    quotient = window.size / window.step
    count = len(window.ranges(timestamp))
    assert math.floor(quotient - 1e-6) <= count <= math.ceil(quotient + 1e-6)


@given(microseconds(1, 50_000_000), microseconds(1, 10**15) | st.floats(0, 4e9))
def test_a_time_is_in_exactly_one_tumbling_window_and_the_next_one_begins_where_it_ends(size, timestamp):
    window = TumblingWindow(size)
    since, until = window.span(timestamp)
    assert since <= timestamp < until
    assert window.ranges(timestamp) == [window.current(timestamp)] == window.ranges(since)
    assert window.current(timestamp)[0] == since
    assert window.ranges(until) == [window.current(until)]
    assert window.current(until)[0] == until
    assert window.current(math.nextafter(until, 0)) == window.current(timestamp)


@given(microseconds(1, 50_000_000), microseconds(1, 50_000_000), microseconds(1, 10**15))
def test_a_span_is_where_the_windows_are_the_same(size, step, timestamp):
    size, step = max(size, step), max(min(size, step), max(size, step) / 100)
    window = HoppingWindow(size, step)
    since, until = window.span(timestamp)
    here = window.ranges(timestamp)
    assert since <= timestamp < until
    assert window.ranges(since) == here == window.ranges(math.nextafter(until, 0))
    assert window.ranges(until) != here
    assert window.ranges(math.nextafter(since, -1)) != here


def test_a_fractional_step_makes_no_spurious_windows():
    window = HoppingWindow(0.3, 0.1)
    for n in range(1000):
        at = T0 + n / 10
        starts = [start for start, _ in window.ranges(at)]
        assert starts == [T0 + (n - 2) / 10, T0 + (n - 1) / 10, at]


def test_windows_with_the_same_figures_are_equal():
    assert TumblingWindow(10, 20) == HoppingWindow(10, dt.timedelta(seconds=10), 20)
    assert hash(TumblingWindow(10)) == hash(TumblingWindow(10.0))
    assert TumblingWindow(10) not in (TumblingWindow(11), TumblingWindow(10, 20), HoppingWindow(10, 5), 10)


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


@pytest.mark.parametrize("key", ["k", 'a",[1', "a,[1.0,2.0]]", "ä\\", ""])
@pytest.mark.parametrize("key_type", [None, str])
def test_any_key_stands_in_json_with_its_window_and_is_read_back(lab, key, key_type):
    codec = lab.app().Table("t", key_type=key_type, window=TumblingWindow(10)).codec
    data = codec.encode_key((key, (float(T0), T0 + 9.9)))
    assert data == json.dumps([key, [float(T0), T0 + 9.9]], separators=(",", ":"), ensure_ascii=False).encode()
    assert codec.decode_key(data) == (key, (float(T0), T0 + 9.9))
    spaced = json.dumps([key, [T0, T0 + 9.9]], indent=1, ensure_ascii=False).encode()
    assert codec.decode_key(spaced) == (key, (float(T0), T0 + 9.9))


@pytest.mark.parametrize("key", [7, 1.5, None, True, ("a", 1), ("a", ("b", (1.0, 2.0)))])
def test_keys_of_other_types_are_read_back(lab, key):
    codec = lab.app().Table("t", window=TumblingWindow(10)).codec
    assert codec.decode_key(codec.encode_key((key, (0.0, 9.9)))) == (key, (0.0, 9.9))


@pytest.mark.parametrize(
    "data", [b"", b"[", b'"k"', b"[1.0,9.9]", b'["k"[1.0,9.9]]', b'["k",[1.0]]', b'["k",["a","b"]]', b'["k",[1.0,9.9]',
             b'[7,[1.0,9.9]]', b'[{,[1.0,9.9]]']
)  # fmt: skip
def test_bytes_that_are_no_key_with_a_window_are_a_decode_error(lab, data):
    codec = lab.app().Table("t", key_type=str, window=TumblingWindow(10)).codec
    with pytest.raises(DecodeError, match="table 't'"):
        codec.decode_key(data)


@pytest.mark.parametrize("key", ["k", ("k",), ("k", 1), ("k", (1,)), ("k", "ab"), ("k", [1, 2])])
def test_a_windowed_table_has_no_keys_without_a_window(lab, key):
    codec = lab.app().Table("t", window=TumblingWindow(10)).codec
    with pytest.raises(EncodeError, match=r"table 't' is windowed: its keys are \(key, \(start, end\)\)"):
        codec.encode_key(key)
    with pytest.raises(EncodeError, match="table 't' cannot write the key <object"):
        codec.encode_key((object(), (0.0, 9.9)))


@pytest.mark.parametrize("serializer", ["raw", "text", "json|raw", "msgpack"])
def test_keys_with_windows_are_json_only(lab, serializer):
    app = lab.app()
    with pytest.raises(ConfigError, match="table 't' is windowed: its keys are written as JSON"):
        app.Table("t", key_serializer=serializer).tumbling(10)
    with pytest.raises(ConfigError, match="key_serializer="):
        app.Table("u", key_serializer=serializer, window=TumblingWindow(10))


def test_a_table_has_one_window(lab):
    table = lab.app().Table("t", window=TumblingWindow(10))
    assert table.tumbling(10).window == table.using_window(TumblingWindow(10)).window
    with pytest.raises(ConfigError, match=r"table 't' is split by TumblingWindow\(size=10.0.*another table"):
        table.hopping(10, 5)
    assert table.window == TumblingWindow(10)


async def test_a_table_in_use_gets_no_window(lab, run):
    def body(table, value):
        with pytest.raises(ConfigError, match="say its window where it is declared"):
            table.tumbling(10)
        return True

    assert (await run(lambda t: t, body, [("a", 0)]))[0] == [True]


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


async def test_a_key_is_not_set_to_the_windows_of_another(lab, run):
    def body(table, value):
        with pytest.raises(TypeError, match=r"value\(\)"):
            table["a"] = table["b"]
        return True

    assert (await run(lambda t: t.tumbling(10), body, [("a", 0)]))[0] == [True]


async def test_without_a_default_a_key_must_be_set_first(lab, eventually):
    app = lab.app()
    table = app.Table("t").tumbling(10)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            with pytest.raises(KeyError):
                table["a"] += value
            table["a"] = value
            table["a"] += value
            seen.append(table["a"].value())

    lab.put("in", 5, timestamp_ms=T0 * 1000)
    async with app:
        await eventually(lambda: seen == [10])


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


async def test_a_table_with_expiry_has_a_changelog_that_outlives_its_windows(lab, run):
    await run(lambda t: t.tumbling(10, expires=3600), add, [("a", 0)])
    config = lab.broker.topics["app-t-changelog"].config
    assert config["cleanup.policy"] == "compact,delete"
    assert config["retention.ms"] == "3610000"


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


async def test_keys_with_a_type_go_on_after_a_restart(lab, eventually):
    for expected in (1, 2):
        app = lab.app()
        table = app.Table("t", default=int, key_type=str, value_type=int).tumbling(10, expires=100)
        seen = []

        @app.agent("in")
        async def agent(stream, table=table, seen=seen):
            async for value in stream:
                seen.append(add(table, value))

        lab.put("in", "a", timestamp_ms=T0 * 1000)
        async with app:
            await eventually(lambda seen=seen: seen)
            await eventually(lambda expected=expected: lab.committed("in") == expected)
        assert seen == [expected]
    assert windows(lab) == {("a", 0): 2}


async def test_a_key_of_another_type_in_the_changelog_is_left_alone(lab, eventually, caplog):
    lab.broker.create_topic("app-t-changelog", 1, config={"cleanup.policy": "compact"})
    lab.broker.append("app-t-changelog", b"1", b"7", 0)
    app = lab.app()
    table = app.Table("t", default=int, key_type=str).tumbling(10, expires=20)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(add(table, value))

    lab.put("in", "a", "a", timestamp_ms=T0 * 1000)
    async with app:
        await eventually(lambda: seen == [1, 2])
    assert "1 keys of app-t-changelog" in caplog.text


async def test_windows_expire_on_the_worker_that_takes_a_partition_over(lab, eventually):
    def start(worker):
        app = lab.app(worker)
        table = app.Table("t", default=int, key_type=str).tumbling(10, expires=20)

        @app.agent("in")
        async def agent(stream):
            async for value in stream:
                table[value] += 1

        return app

    def partitions(app):
        return len(app.worker.rebalancer.running())

    def done(offset):
        return lambda: sum(lab.committed("in", p) or 0 for p in (0, 1)) == offset

    def put(value, at):
        for partition in (0, 1):
            lab.put("in", f"{value}{partition}", partition=partition, timestamp_ms=(T0 + at) * 1000)

    lab.broker.create_topic("in", 2)
    put("a", 0)
    first, second = start("w1"), start("w2")
    async with first:
        await eventually(done(2))
        async with second:
            await eventually(lambda: partitions(first) == partitions(second) == 1)
            put("b", 20)
            await eventually(done(4))
            assert windows(lab) == {("a0", 0): 1, ("a1", 0): 1, ("b0", 20): 1, ("b1", 20): 1}
            put("c", 40)
            await eventually(done(6))
        assert windows(lab) == {("b0", 20): 1, ("b1", 20): 1, ("c0", 40): 1, ("c1", 40): 1}
        await eventually(lambda: partitions(first) == 2)
        put("d", 80)
        await eventually(done(8))
    assert windows(lab) == {("d0", 80): 1, ("d1", 80): 1}


async def test_expiry_follows_the_time_that_the_table_is_relative_to(lab, run):
    def body(table, value):
        table[value["key"]] += 1

    values = [({"key": key, "at": T0 + at}, 10_000) for key, at in [("a", 0), ("b", 5), ("c", 40)]]
    await run(lambda t: t.tumbling(10, expires=20).relative_to_field("at"), body, values)
    assert windows(lab) == {("c", 40): 1}


async def test_a_late_event_sees_what_it_wrote_itself(lab, run):
    results, _ = await run(
        lambda t: t.tumbling(10, expires=20), add, [("a", 100), ("late", 0), ("late", 0), ("a", 101)]
    )
    assert results == [1, 1, 2, 2]
    assert windows(lab) == {("a", 100): 2}


async def test_a_deleted_key_that_is_written_again_expires_again(lab, run):
    def body(table, value):
        at = (value, table.window.current(table.timestamp()))
        table[value] += 1
        del table.table[at]
        table[value] += 1
        return table[value].value()

    results, _ = await run(lambda t: t.tumbling(10, expires=20), body, [("a", 0), ("b", 60)])
    assert results == [1, 1]
    assert windows(lab) == {("b", 60): 1}
