"""Final results: windows that close, late events, stream time that is not forgotten."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from faust_core.errors import ConfigError
from faust_core.windows import LateEvent, SlidingWindow, TumblingWindow

T0 = 1_000_000_000


def put(lab, *events, partition=0):
    for value, at in events:
        lab.put("in", value, timestamp_ms=round((T0 + at) * 1000), partition=partition)


def relative(at):
    key, (start, _end) = at
    return key, round(start) - T0


def changelog_windows(lab, table="t"):
    return {relative(at): value for at, value in lab.changelog(table).items() if at[0] is not None}


def counting(app, make, *, table="t", **options):
    """Count events in a windowed table."""
    counts = make(app.Table(table, default=int, **options))

    @app.agent("in", name="count")
    async def count(stream):
        async for value in stream:
            counts[value] += 1

    return counts


@pytest.fixture(autouse=True)
def out(lab):
    for topic in ("out", "one"):
        lab.broker.create_topic(topic, 1)


def sending(app, counts, *, topic="out"):
    """Send final results to a topic."""

    @app.agent(counts.closed(), name="send")
    async def send(stream):
        async for (key, (start, _end)), value in stream:
            await app.send(topic, value=[key, round(start) - T0, value])


def outputs(lab, topic="out"):
    return [tuple(value) for value in lab.values(topic)]


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_window_is_handed_out_once_when_stream_time_is_past_its_end_and_grace(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    counts = counting(app, lambda t: t.tumbling(10, grace=5))
    sending(app, counts)
    put(lab, ("a", 0), ("b", 3), ("a", 9), ("a", 14.9))
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
        assert outputs(lab) == []
        put(lab, ("a", 15))
        await eventually(lambda: len(outputs(lab)) == 2)
        await eventually(lambda: changelog_windows(lab) == {("a", 10): 2})
    assert outputs(lab) == [("a", 0, 2), ("b", 0, 1)]


async def test_a_closed_window_is_kept_where_it_expires_later_and_not_handed_out_again(lab, eventually):
    for event, expected, left in (
        (("b", 10), [("a", 0, 1)], {("a", 0): 1, ("b", 10): 1}),
        (("c", 20), [("a", 0, 1), ("b", 10, 1)], {("a", 0): 1, ("b", 10): 1, ("c", 20): 1}),
        (("d", 45), [("a", 0, 1), ("b", 10, 1), ("c", 20, 1)], {("c", 20): 1, ("d", 40): 1}),
    ):
        app = lab.app()
        counts = counting(app, lambda t: t.tumbling(10, expires=20, grace=0))
        sending(app, counts)
        if not lab.records("in"):
            put(lab, ("a", 0))
        put(lab, event)
        async with app:
            await eventually(lambda expected=expected: outputs(lab) == expected)
            await eventually(lambda left=left: changelog_windows(lab) == left)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_on_window_close_is_called_for_every_key_and_partition(lab, eventually, kind):
    seen = []

    def sync(key, value):
        seen.append((relative(key), value))

    async def asynchronous(key, value):
        sync(key, value)

    lab.broker.create_topic("in", 3)
    app = lab.app()
    counting(app, lambda t: t.tumbling(10), on_window_close=sync if kind == "sync" else asynchronous)
    for partition in range(3):
        put(lab, ("a", 0), ("b", 1), ("a", 10), partition=partition)
    async with app:
        await eventually(lambda: len(seen) == 6)
        await eventually(lambda: changelog_windows(lab) == {("a", 10): 1})
    assert Counter(seen) == {(("a", 0), 1): 3, (("b", 0), 1): 3}


async def test_a_callback_may_change_other_tables_and_send(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once")
    totals = app.Table("totals", default=int)

    async def close(key, value):
        totals[key[0]] += value
        await app.send("out", value=[key[0], totals[key[0]]])

    counting(app, lambda t: t.tumbling(10), on_window_close=close)
    put(lab, ("a", 0), ("a", 1), ("a", 10), ("b", 20))
    async with app:
        await eventually(lambda: outputs(lab) == [("a", 2), ("a", 3)])
        await eventually(lambda: lab.changelog("totals") == {"a": 3})


async def test_a_callback_that_raises_is_dealt_with_as_an_agent(lab, eventually):
    def close(key, value):
        raise RuntimeError("no")

    app = lab.app()
    counting(app, lambda t: t.tumbling(10), on_window_close=close)
    put(lab, ("a", 0), ("b", 10))
    async with app:
        await eventually(lambda: lab.records("app-dead-letter"))
        await eventually(lambda: changelog_windows(lab) == {("b", 10): 1})
    (letter,) = lab.records("app-dead-letter")
    assert json.loads(letter.key) == ["a", [T0, T0 + 9.9]]
    assert letter.value == b"1"
    assert dict(letter.headers)["Faust-Error-Agent"] == b"agent t.on_window_close"


async def test_a_task_may_iterate_over_closed_windows(lab, eventually):
    app = lab.app()
    counts = counting(app, lambda t: t.tumbling(10))
    finals, seen = counts.closed(), []

    @app.task
    async def watch():
        async for (key, _window), value in finals:
            seen.append((key, value))

    put(lab, ("a", 0), ("b", 10), ("b", 20))
    async with app:
        await eventually(lambda: seen == [("a", 1), ("b", 1)])


async def test_several_consumers_see_every_window_and_the_slowest_decides(lab, eventually):
    app, seen = lab.app(), []
    counts = counting(app, lambda t: t.tumbling(10), on_window_close=lambda key, value: seen.append(key[0]))
    sending(app, counts, topic="one")
    put(lab, ("a", 0), ("b", 10))
    async with app:
        await eventually(lambda: seen == ["a"] and outputs(lab, "one") == [("a", 0, 1)])
        await eventually(lambda: changelog_windows(lab) == {("b", 10): 1})


async def test_windows_that_close_while_no_worker_runs_to_hand_them_out_are_handed_out_after(lab, eventually):
    app = lab.app()
    counting(app, lambda t: t.tumbling(10, grace=0))
    put(lab, ("a", 0), ("b", 10))
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    app = lab.app()
    sending(app, counting(app, lambda t: t.tumbling(10, grace=0)))
    async with app:  # no event moves the time: it was saved
        await eventually(lambda: outputs(lab) == [("a", 0, 1)])


async def test_closed_must_be_called_before_the_start(lab, eventually):
    app, errors = lab.app(), []
    counts = app.Table("t", default=int).tumbling(10)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            try:
                counts.closed()
            except ConfigError as exc:
                errors.append(str(exc))

    put(lab, ("a", 0))
    async with app:
        await eventually(lambda: errors)
    assert "call closed() beside the declaration" in errors[0]


def test_what_cannot_close_says_so(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="sliding windows have no final results"):
        app.Table("s", default=int).sliding(5, 5, expires=60).closed()
    with pytest.raises(ConfigError, match="sliding windows have no final results"):
        app.Table("u", default=int, on_window_close=print).using_window(SlidingWindow(5, 5, 60))
    app.Table("plain", on_window_close=print)
    with pytest.raises(ConfigError, match="on_window_close but no windows"):
        app.declarations()
    with pytest.raises(ConfigError, match="isolated_partitions"):
        app.agent(app.Table("v").tumbling(1).closed(), isolated_partitions=True)(lambda stream: stream)
    with pytest.raises(ConfigError, match=r"grace 6 over expires 5"):
        TumblingWindow(10, expires=5, grace=6)


async def test_only_an_expiring_table_that_closes_nothing_lets_the_broker_delete(lab, eventually):
    app = lab.app()
    counting(app, lambda t: t.tumbling(10, expires=60), on_window_close=lambda key, value: None)
    put(lab, ("a", 0))
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert lab.broker.topics["app-t-changelog"].config["cleanup.policy"] == "compact"


# -- late events


async def test_events_past_the_grace_are_dropped_counted_and_reported(lab, eventually):
    app, late = lab.app(), []
    counts = counting(app, lambda t: t.hopping(10, 5, expires=100, grace=2, on_late=late.append))
    put(lab, ("a", 20), ("in time", 13.5), ("late", 4), ("a", 21))
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
    assert changelog_windows(lab) == {("a", 15): 2, ("a", 20): 2, ("in time", 10): 1}
    assert counts.late_events == 3
    assert [(event.key, event.window[0] - T0) for event in late] == [("in time", 5), ("late", -5), ("late", 0)]
    assert late[-1] == LateEvent("late", (T0, T0 + 9.9), T0 + 4, T0 + 20)


async def test_stream_time_is_remembered_by_the_next_worker(lab, eventually):
    for worker, events in (("w1", [("a", 100)]), ("w2", [("late", 0), ("b", 101)])):
        app = lab.app(worker)
        counts = counting(app, lambda t: t.tumbling(10, grace=5))
        put(lab, *events)
        async with app:
            await eventually(lambda: lab.committed("in") == len(lab.records("in")))
    assert counts.late_events == 1
    assert changelog_windows(lab) == {("a", 100): 1, ("b", 100): 1}


async def test_an_aborted_transaction_takes_the_stream_time_back(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=0.02)
    counts = counting(app, lambda t: t.tumbling(10, grace=0))
    sending(app, counts)
    async with app:
        put(lab, ("a", 0))
        await eventually(lambda: lab.committed("in") == 1)
        lab.broker.faults.abort_transactions(2)
        put(lab, ("b", 50), ("c", 60))
        await eventually(lambda: len(outputs(lab)) == 2)
        await eventually(lambda: changelog_windows(lab) == {("c", 60): 1})
    assert outputs(lab) == [("a", 0, 1), ("b", 50, 1)]
    assert counts.late_events == 0


async def test_an_event_that_changes_nothing_may_move_the_time(lab, eventually):
    app = lab.app()
    counts = app.Table("t", default=int).tumbling(10)
    sending(app, counts)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value is None:
                counts.advance()
            else:
                counts[value] += 1

    put(lab, ("a", 0))
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
        put(lab, (None, 10))
        await eventually(lambda: outputs(lab) == [("a", 0, 1)])


# -- the wire and the store


async def test_tables_without_grace_or_closing_write_nothing_but_windows(lab, eventually):
    app = lab.app()
    counting(app, lambda t: t.tumbling(10, expires=20))
    put(lab, ("a", 0), ("b", 100))
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    assert {json.loads(r.key)[0] for r in lab.records("app-t-changelog")} == {"a", "b"}


async def test_the_stream_time_is_one_record_under_a_key_that_no_window_has(lab, eventually):
    app = lab.app()
    counts = counting(app, lambda t: t.tumbling(10, grace=1))
    put(lab, ("a", 0))
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
        assert list(counts.table) == [("a", (T0, T0 + 9.9))]
        assert list(counts.items()) == [(("a", (T0, T0 + 9.9)), 1)]
    (mark,) = [r for r in lab.records("app-t-changelog") if r.key == b"[null,[0.0,-1.0]]"]
    assert json.loads(mark.value) == {"stream_time": T0, "closed": None}


# -- crashes

STEPS = ["staging", "changelog written", "flushed", "committed", "applied"]


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_loses_no_window_and_under_exactly_once_repeats_none(
    lab, eventually, step, guarantee
):
    def start(worker):
        app = lab.app(
            worker,
            processing_guarantee=guarantee,
            broker_commit_interval=0.01,
            consumer_group_instance_id="one",  # takes its predecessor's place at once
        )
        sending(app, counting(app, lambda t: t.tumbling(10, expires=30, grace=0)))
        return app

    expected, at = Counter(), 0
    for nth in range(1, 7):
        app = start(f"w{nth}")
        await app.start()
        lab.crash_at(app, step, nth=nth)
        crashed = asyncio.create_task(lab.crashed(app))
        while not crashed.done():
            put(lab, (f"k{at % 3}", at))
            expected[f"k{at % 3}", at // 10 * 10] += 1
            at += 2
            await asyncio.sleep(0.005)
        await crashed
    put(lab, ("end", at + 100))
    async with start("last"):
        await eventually(lambda: {(k, s) for k, s, _ in outputs(lab)} == set(expected))
        await eventually(lambda: changelog_windows(lab) == {("end", (at + 100) // 10 * 10): 1})
    seen = outputs(lab)
    if guarantee == "exactly_once":
        assert sorted(seen) == sorted((key, start, count) for (key, start), count in expected.items())
    else:
        for (key, start), count in expected.items():
            assert max(n for k, s, n in seen if (k, s) == (key, start)) >= count
