"""Operators of streams: acknowledging by hand, copies, limits, and streams inside streams."""

from __future__ import annotations

import asyncio
import time

import pytest

from faust_core import current_event
from faust_core.errors import ConfigError, NoCurrentEvent, Skip
from tests.services.patience import PATIENCE

GUARANTEES = ["at_least_once", "exactly_once"]


# -- acknowledging by hand


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_an_item_of_noack_is_done_only_when_it_is_acknowledged(lab, eventually, guarantee, monkeypatch):
    monkeypatch.setattr("faust_core.engine.checkpoint.CUT_PATIENCE_S", 0.2)
    app = lab.app(processing_guarantee=guarantee)
    events = []

    @app.agent("in")
    async def agent(stream):
        async for event in stream.noack().events():
            events.append(event)

    lab.put("in", *range(5))
    async with app:
        await eventually(lambda: len(events) == 5)
        assert events[1].ack()
        await app.commit()
        assert not lab.committed("in")
        assert [event.acked for event in events] == [False, True, False, False, False]
        assert events[0].ack()
        await eventually(lambda: lab.committed("in") == 2)
        assert not events[0].ack()
        for event in events[2:]:
            async with event:
                pass
        await eventually(lambda: lab.committed("in") == 5)


async def test_the_stream_acknowledges_an_event_and_a_block_that_raises_does_not(lab, eventually):
    app = lab.app()
    events = []

    @app.agent("in")
    async def agent(stream):
        stream = stream.noack()
        async for event in stream.events():
            events.append(event)
            if event.value == 1:
                assert await stream.ack(event)
            else:
                with pytest.raises(ValueError, match="no"):
                    async with event:
                        raise ValueError("no")

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: len(events) == 2)
        await eventually(lambda: lab.committed("in") == 1)
    assert lab.committed("in") == 1


async def test_unacknowledged_items_come_again_after_a_restart(lab, eventually):
    for round_ in range(2):
        app = lab.app()
        seen: list[int] = []

        @app.agent("in")
        async def agent(stream, seen=seen, round_=round_):
            async for event in stream.noack().events():
                seen.append(event.value)
                if event.value < 2 or round_:
                    event.ack()

        if not round_:
            lab.put("in", *range(4))
        async with app:
            expected = [[0, 1, 2, 3], [2, 3]][round_]
            await eventually(lambda seen=seen, expected=expected: seen == expected)
        assert lab.committed("in") == [2, 4][round_]


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_checkpoint_does_not_wait_for_ever_for_an_acknowledgement(lab, eventually, guarantee, monkeypatch):
    monkeypatch.setattr("faust_core.engine.checkpoint.CUT_PATIENCE_S", 0.2)
    app = lab.app(processing_guarantee=guarantee)
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for event in stream.noack().events():
            table["n"] += 1
            seen.append(event)

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: len(seen) == 2)
        started = time.monotonic()
        await app.commit()
        assert time.monotonic() - started < 3 * PATIENCE
        await eventually(lambda: lab.changelog("t") == {"n": 2})
        assert not lab.committed("in")


async def test_an_event_of_a_plain_stream_is_acked_when_the_next_one_is_asked_for(lab, eventually):
    app = lab.app()
    events = []

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            assert not event.acked
            events.append(event)

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: len(events) == 2)
        await eventually(lambda: events[0].acked and events[1].acked)
        assert not events[0].ack()


async def test_noack_take_gives_events_that_are_acknowledged_one_by_one(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.noack_take(2, within=60):
            batches.append(batch)

    lab.put("in", *range(4))
    async with app:
        await eventually(lambda: len(batches) == 2)
        assert [[event.value for event in batch] for batch in batches] == [[0, 1], [2, 3]]
        await app.commit()
        assert not lab.committed("in")
        for event in (*batches[1], batches[0][0]):
            event.ack()
        await eventually(lambda: lab.committed("in") == 1)
        batches[0][1].ack()
        await eventually(lambda: lab.committed("in") == 4)


async def test_a_partition_with_too_many_unacknowledged_events_is_read_no_further(lab, eventually):
    app = lab.app()
    events = []

    @app.agent(app.topic("in", maxsize=5))
    async def agent(stream):
        async for event in stream.noack().events():
            events.append(event)

    lab.put("in", *range(60))
    async with app:
        await eventually(lambda: len(events) >= 50)
        lab.put("in", *range(60, 5000))
        await asyncio.sleep(0.3)
        assert len(events) < 5000
        for event in events:
            event.ack()
        await eventually(lambda: len(events) == 5000)


# -- batches


async def test_take_events_gives_events_and_take_with_timestamp_adds_the_time(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in", name="events")
    async def events(stream):
        async for batch in stream.take_events(2, within=60):
            seen.append([(event.key, event.value["n"], event.message.offset) for event in batch])

    @app.agent("in", name="times")
    async def times(stream):
        async for batch in stream.take_with_timestamp(2, within=60, timestamp_field_name="at"):
            seen.append(batch)

    lab.put("in", {"n": 1}, {"n": 2}, key="k", timestamp_ms=1500)
    async with app:
        await eventually(lambda: len(seen) == 2)
        await eventually(lambda: lab.committed("in") == 2)
    assert [(b"k", 1, 0), (b"k", 2, 1)] in seen
    assert [{"n": 1, "at": 1.5}, {"n": 2, "at": 1.5}] in seen


async def test_take_with_timestamp_says_that_it_needs_dicts(lab, eventually):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        async for _ in stream.take_with_timestamp(2, within=0.01, timestamp_field_name="at"):
            pass

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.values("app-dead-letter") == [1])
    headers = dict(lab.records("app-dead-letter")[0].headers)
    assert b"adds 'at' to dicts, not to a int" in headers["Faust-Error-Message"]


# -- dropping, copying, limiting


async def test_a_processor_that_raises_skip_drops_the_value(lab, eventually):
    app = lab.app()
    seen, batches = [], []

    def odd(value):
        if value % 2 == 0:
            raise Skip
        return value

    @app.agent("in", name="plain")
    async def plain(stream):
        async for value in stream.map(odd):
            seen.append(value)

    @app.agent("in", name="batch")
    async def batch(stream):
        async for values in stream.map(odd).take(2, within=60):
            batches.append(values)

    @app.agent("in", name="key")
    async def key(stream):
        async for _ in stream.group_by(odd, name="odd"):
            pass

    lab.put("in", *range(5))
    async with app:
        await eventually(lambda: seen == [1, 3])
        await eventually(lambda: batches == [[1, 3]])
        await eventually(lambda: lab.values("key-in-odd-repartition") == [1, 3])
        await eventually(lambda: lab.committed("in") == 4)
    assert lab.records("app-dead-letter") == []


@pytest.mark.parametrize("name", ["echo", "tee"])
async def test_echo_copies_each_value_with_key_and_headers(lab, eventually, name):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in getattr(stream.map(lambda v: v + 1), name)("one", app.topic("two")):
            seen.append(value)

    lab.put("in", 1, key="k", headers=[("h", b"1")])
    lab.put("one")
    lab.put("two")
    async with app:
        await eventually(lambda: seen == [2])
        await eventually(lambda: lab.values("one") == lab.values("two") == [2])
    assert (lab.records("one")[0].key, list(lab.records("one")[0].headers)) == (b"k", [("h", b"1")])


async def test_echo_needs_a_channel(lab):
    with pytest.raises(ConfigError, match="at least one"):
        lab.app().stream("in").echo()


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_rate_limit_lets_so_many_through_and_holds_no_checkpoint_up(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    times = []

    @app.agent("in")
    async def agent(stream):
        async for _ in stream.rate_limit(3, per=0.3):
            times.append(time.monotonic())

    lab.put("in", *range(7))
    async with app:
        await eventually(lambda: len(times) == 3)
        started = time.monotonic()
        await app.commit()
        assert time.monotonic() - started < 0.2 * PATIENCE
        await eventually(lambda: len(times) == 7)
    assert all(later - earlier >= 0.29 for earlier, later in zip(times, times[3:], strict=False))


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
async def test_a_rate_limit_is_positive(lab, arguments):
    with pytest.raises(ConfigError, match="rate_limit"):
        lab.app().stream("in").rate_limit(*arguments)


# -- streams inside streams


async def test_after_an_inner_loop_the_outer_event_is_current_again(lab, eventually):
    app = lab.app()
    other = app.topic("other")
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in")
    async def agent(stream):
        others = other.stream()
        async for value in stream:
            async for more in others:
                seen.append((value, more, current_event().message.topic))
                break
            event = current_event()
            seen.append((event.message.topic, event.value))
            table[value] += 1

    lab.put("in", 1, 2, 3)
    lab.put("other", "a", "b", "c")
    async with app:
        await eventually(lambda: lab.changelog("t") == {1: 1, 2: 1, 3: 1})
        await eventually(lambda: lab.committed("in") == 3)
    assert seen[:4] == [(1, "a", "other"), ("in", 1), (2, "b", "other"), ("in", 2)]


async def test_a_second_stream_that_stays_open_leaves_the_next_outer_event_current(lab, eventually):
    app = lab.app()
    other = app.topic("other")
    seen = []

    @app.agent("in")
    async def agent(stream):
        others = aiter(other.stream())
        async for value in stream:
            seen.append((value, current_event().value))
            await anext(others)

    lab.put("in", 1, 2, 3)
    lab.put("other", "a", "b", "c")
    async with app:
        await eventually(lambda: seen == [(1, 1), (2, 2), (3, 3)])


# -- streams of iterables


async def test_a_stream_of_an_iterable_ends_with_it(lab):
    app = lab.app()

    async def letters():
        for letter in "abc":
            yield letter

    assert [v async for v in app.stream([1, 2, 3]).filter(lambda v: v != 2).map(lambda v: v * 10)] == [10, 30]
    assert [v async for v in app.stream(letters()).enumerate(1)] == [(1, "a"), (2, "b"), (3, "c")]
    assert [e.value async for e in app.stream(range(2)).events()] == [0, 1]
    assert [v async for v in app.stream(range(5)).take(2, within=5)] == [[0, 1], [2, 3], [4]]
    assert [v async for v in app.stream([None, 1])] == [None, 1]
    assert [v async for v in app.stream([])] == []


async def test_a_stream_of_an_iterable_raises_what_it_raises_and_changes_no_table(lab):
    app = lab.app()
    table = app.Table("t", default=int)

    async def fails():
        yield 1
        raise ValueError("two")

    failing = aiter(app.stream(fails()))
    assert await anext(failing) == 1
    with pytest.raises(ValueError, match="two"):
        await anext(failing)
    async for value in app.stream([1]):
        with pytest.raises((NoCurrentEvent, ConfigError), match="iterable"):
            table[value] += 1
    with pytest.raises(ConfigError, match="a channel or an iterable"):
        app.stream(3)


async def test_values_of_an_iterable_can_be_sent_on(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async for value in app.stream([1, 2]).echo("copy"):
            seen.append(value)

    lab.put("copy")
    async with app:
        await eventually(lambda: seen == [1, 2])
        await eventually(lambda: lab.values("copy") == [1, 2])


# -- what a stream knows of itself


async def test_a_stream_counts_its_events_and_knows_its_partitions(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    streams = []

    @app.agent("in", name="one")
    async def one(stream):
        streams.append(stream)
        assert stream.concurrency_index is None
        async for _ in stream:
            pass

    indexes = []

    @app.agent("in", name="two", concurrency=2)
    async def two(stream):
        indexes.append(stream.concurrency_index)
        async for _ in stream:
            pass

    lab.put("in", *range(3))
    async with app:
        await eventually(lambda: streams[0].events_total == 3)
        assert {tp.partition for tp in streams[0].active_partitions} == {0, 1}
        assert streams[0].filter(bool).events_total == 3
    assert sorted(indexes) == [0, 1]


async def test_a_clone_has_the_same_operators_and_the_root_of_a_chain_is_its_beginning(lab):
    app = lab.app()
    stream = app.stream([1, 2, 3]).filter(lambda v: v > 1)
    assert [v async for v in stream.clone()] == [2, 3]
    chained = stream.through("a").through("b")
    assert chained.get_root_stream() is stream
    assert chained.get_active_stream() is chained
    assert stream.derive_topic("x", value_serializer="raw").topics == ("x",)


async def test_what_is_thrown_into_a_stream_is_raised_in_its_loop(lab, eventually):
    app = lab.app()
    seen = []
    streams = []

    @app.task
    async def read():
        stream = app.topic("in").stream()
        streams.append(stream)
        try:
            async for value in stream:
                seen.append(value)
        except KeyError as exc:
            seen.append(exc)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: seen == [1])
        error = KeyError("x")
        await streams[0].throw(error)
        await eventually(lambda: seen == [1, error])


async def test_a_stream_as_a_context_ends_with_its_block(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async with app.stream("in") as stream:
            async for value in stream:
                seen.append(value)
                if value == 2:
                    break
        seen.append("left")

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: seen == [1, 2, "left"])
        await asyncio.sleep(0.05)
    assert seen == [1, 2, "left"]


# -- one behind the other


async def test_operators_can_be_chained_through_several_topics(lab, eventually):
    app = lab.app()
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in", name="a")
    async def agent(stream):
        chain = (
            stream.filter(lambda value: value["n"] != 3)
            .map(lambda value: {**value, "n": value["n"] * 10})
            .group_by(lambda value: value["a"], name="a")
            .filter(lambda value: value["n"] != 20)
            .through("copies")
            .group_by(lambda value: value["b"], name="b")
            .enumerate(1)
        )
        async for number, value in chain:
            table[value["b"]] += 1
            seen.append((number, current_event().key, value["n"]))

    lab.put("in", *({"n": n, "a": "x", "b": f"b{n % 2}"} for n in range(6)))
    async with app:
        await eventually(lambda: lab.changelog("t") == {"b0": 2, "b1": 2})
        await eventually(lambda: lab.committed("in") == 6)
    assert seen == [(1, b"b0", 0), (2, b"b1", 10), (3, b"b0", 40), (4, b"b1", 50)]


async def test_noack_before_group_by_is_for_the_events_behind_it(lab, eventually):
    app = lab.app()
    events = []

    @app.agent("in", name="a")
    async def agent(stream):
        async for event in stream.noack().group_by(lambda value: "k", name="k").events():
            events.append(event)

    lab.put("in", 1, 2)
    topic = "a-in-k-repartition"
    async with app:
        await eventually(lambda: len(events) == 2)
        await eventually(lambda: lab.committed("in") == 2)
        assert not lab.committed(topic)
        events[0].ack()
        await eventually(lambda: lab.committed(topic) == 1)


@pytest.mark.parametrize("how", ["one by one", "batch"])
async def test_an_unacknowledged_event_whose_body_raises_is_done_when_its_policy_is(lab, eventually, caplog, how):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        if how == "batch":
            async for events in stream.noack_take(2, within=60):
                events[0].ack()
                raise ValueError(how)
        async for event in stream.noack().events():
            if event.value % 2 == 0:
                event.ack()
            raise ValueError(how)

    lab.put("in", 0, 1, 2, 3)
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
    assert lab.values("app-dead-letter") == [1, 3]
    assert "raised after in/0 at offset 0 was acknowledged" in caplog.text


async def test_a_limited_stream_can_be_taken_in_batches(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.rate_limit(2, per=0.05).take(3, within=60):
            batches.append(batch)

    lab.put("in", *range(6))
    async with app:
        await eventually(lambda: batches == [[0, 1, 2], [3, 4, 5]])
        await eventually(lambda: lab.committed("in") == 6)


@pytest.mark.parametrize("within", [-1, "soon", None])
async def test_a_time_that_is_none_is_refused(lab, within):
    stream = lab.app().stream("in")
    for name in ("take", "take_events", "noack_take"):
        with pytest.raises(ConfigError, match=rf"{name}\(within=…\) cannot be .*: give seconds"):
            getattr(stream, name)(2, within)
    with pytest.raises(ConfigError, match=r"rate_limit\(per=…\) cannot be"):
        stream.rate_limit(1, within)


async def test_headers_go_along_through_other_topics(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in", name="a")
    async def agent(stream):
        async for event in stream.group_by(lambda value: "k", name="k").through("copies").events():
            seen.append((event.key, dict(event.headers), stream.current_event.value))

    lab.put("in", 1, headers=[("h", b"x"), ("h", b"y"), ("none", None)])
    async with app:
        await eventually(lambda: seen == [(b"k", {"h": b"y", "none": None}, 1)])
    assert list(lab.records("copies")[0].headers) == [("h", b"x"), ("h", b"y"), ("none", None)]


# -- inner loops that end in other ways


async def test_an_inner_loop_that_raised_leaves_the_outer_event_current(lab, eventually):
    app = lab.app()
    table = app.Table("t", default=int)
    other = app.topic("other")
    seen = []

    @app.agent("in")
    async def agent(stream):
        others = other.stream()
        async for value in stream:
            try:
                async for batch in others.take(2, within=60):
                    raise ValueError(batch)
            except ValueError as exc:
                seen.append(exc.args[0])
            seen.append(current_event().value)
            table[value] += 1

    lab.put("in", 1, 2)
    lab.put("other", *"abcd")
    async with app:
        await eventually(lambda: lab.changelog("t") == {1: 1, 2: 1})
        await eventually(lambda: lab.committed("in") == 2 and lab.committed("other") == 4)
    assert seen == [["a", "b"], 1, ["c", "d"], 2]


async def test_an_inner_stream_of_an_iterable_leaves_the_outer_event_current(lab, eventually):
    app = lab.app()
    table = app.Table("t", default=int)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            async for batch in app.stream(range(3)).map(lambda n: n * 10).take(2, within=60):
                seen.append(batch)
            seen.append(current_event().value)
            table[value] += 1

    lab.put("in", "a", "b")
    async with app:
        await eventually(lambda: lab.changelog("t") == {"a": 1, "b": 1})
        await eventually(lambda: lab.committed("in") == 2)
    assert seen == [[0, 10], [20], "a", [0, 10], [20], "b"]
