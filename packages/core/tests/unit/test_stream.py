"""Streams: what agents see, in which order, and when it counts as done."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from faust_core import current_event
from faust_core.errors import ConfigError


def field(name: str) -> Any:
    return SimpleNamespace(field=name, ident=f"Order.{name}", getattr=lambda obj: getattr(obj, name))


async def test_records_of_a_partition_come_in_order(lab, eventually):
    app = lab.app(topic_partitions=3)
    lab.broker.create_topic("in", 3)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            seen[event.message.partition].append(event.value)

    for n in range(600):
        lab.put("in", n, partition=n % 3)
    async with app:
        for n in range(600, 900):
            lab.put("in", n, partition=n % 3)
        await eventually(lambda: sum(map(len, seen.values())) == 900)
    assert seen == {p: list(range(p, 900, 3)) for p in range(3)}


async def test_an_item_is_done_when_the_next_one_is_asked_for(lab, eventually):
    app = lab.app()
    go = asyncio.Event()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)
            if value == 3:
                await go.wait()

    lab.put("in", 1, 2, 3, 4)
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
        await app.commit()
        assert (seen, lab.committed("in")) == ([1, 2, 3], 2)
        go.set()
        await eventually(lambda: lab.committed("in") == 4)


async def test_filter_and_map_take_plain_and_async_functions(lab, eventually):
    app = lab.app()
    seen = []

    async def odd(value):
        await asyncio.sleep(0)
        return value % 2

    async def times_ten(value):
        return value * 10

    @app.agent("in")
    async def agent(stream):
        async for value in stream.filter(lambda v: v > 2).filter(odd).map(lambda v: v + 1).map(times_ten):
            seen.append(value)

    lab.put("in", *range(8))
    async with app:
        await eventually(lambda: len(seen) == 3)
        await eventually(lambda: lab.committed("in") == 8)
    assert seen == [40, 60, 80]


async def test_enumerate_and_items_and_events(lab, eventually):
    app = lab.app(key_serializer="json")
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for number, (key, event) in stream.events().items().enumerate(1):
            current = current_event()
            assert current is not None
            assert stream.current_event.value == current.value
            seen.append((number, key, event.value, event.headers, event.message.offset, current.value))

    lab.put("in", "a", key="1", headers=[("h", b"x")])
    lab.put("in", "b", key="2")
    async with app:
        await eventually(lambda: len(seen) == 2)
    assert seen == [(1, 1, "a", {"h": b"x"}, 0, "a"), (2, 2, "b", {}, 1, "b")]
    assert current_event() is None


async def test_an_added_processor_changes_what_is_iterated(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        stream.add_processor(lambda v: v + 100)
        async for value in stream:
            seen.append(value)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: seen == [101])


async def test_group_by_a_field_sends_equal_keys_to_one_partition(lab, eventually):
    app = lab.app(topic_partitions=4)
    lab.broker.create_topic("in", 4)
    where: dict[str, set[int]] = {}
    n = 0

    @app.agent("in", name="count")
    async def agent(stream):
        nonlocal n
        async for event in stream.group_by(field("name")).events():
            where.setdefault(event.value["name"], set()).add(event.message.partition)
            assert event.message.key == event.value["name"].encode()
            n += 1

    for i in range(80):
        lab.put("in", {"name": f"k{i % 8}"}, partition=i % 4)
    async with app:
        await eventually(lambda: n == 80)
        await eventually(lambda: sum(lab.committed("in", p) or 0 for p in range(4)) == 80)
    assert all(len(partitions) == 1 for partitions in where.values())
    assert len({p for partitions in where.values() for p in partitions}) > 1
    assert lab.broker.partition_counts(["count-in-Order.name-repartition"]) == {"count-in-Order.name-repartition": 4}


@pytest.mark.parametrize("is_async", [False, True])
async def test_group_by_a_function_with_a_name(lab, eventually, is_async):
    app = lab.app()
    seen = []

    async def slow_key(value):
        return value["n"]

    @app.agent("in", name="a")
    async def agent(stream):
        async for event in stream.group_by(slow_key if is_async else lambda v: v["n"], name="n").events():
            seen.append((event.message.key, event.value["n"]))

    lab.put("in", {"n": 1}, {"n": 2})
    async with app:
        await eventually(lambda: seen == [(b"1", 1), (b"2", 2)])
    assert "a-in-n-repartition" in lab.broker.topics


async def test_a_repartition_topic_can_carry_the_applications_id(lab, eventually):
    app = lab.app(repartition_topic_prefix_id=True)

    @app.agent("in", name="a")
    async def agent(stream):
        async for _ in stream.group_by(lambda v: v, name="n"):
            pass

    lab.put("in", 1)
    async with app:
        assert "app-a-in-n-repartition" in lab.broker.topics


async def test_what_is_declared_before_group_by_runs_before_it(lab, eventually):
    app = lab.app()
    before, after = [], []

    @app.agent("in", name="a")
    async def agent(stream):
        stream = stream.filter(lambda v: v != 2).map(lambda v: before.append(v) or v * 10)
        async for value in stream.group_by(lambda v: v, name="n").map(lambda v: v + 1):
            after.append(value)

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: after == [11, 31])
    assert before == [1, 3]
    assert lab.values("a-in-n-repartition") == [10, 30]


@pytest.mark.parametrize(
    ("agent_options", "group", "message"),
    [
        ({}, {"key": lambda v: v}, "needs a name="),
        ({"concurrency": 2}, {"key": lambda v: v, "name": "n"}, "concurrency=1"),
        ({}, {"key": 3}, "field or a function"),
    ],
)
async def test_a_group_by_that_cannot_work_stops_the_application_at_its_start(lab, agent_options, group, message):
    app = lab.app()

    @app.agent("in", **agent_options)
    async def agent(stream):
        async for _ in stream.group_by(**group):
            pass

    with pytest.raises(ConfigError, match=message):
        await app.start()


async def test_through_keeps_keys_headers_and_bytes(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for event in stream.through("middle").events():
            seen.append((event.message.key, event.value, event.headers))

    lab.put("in", b'{"a":  1}', key="k", headers=[("h", b"1")])
    async with app:
        await eventually(lambda: seen == [(b"k", {"a": 1}, {"h": b"1"})])
    assert lab.records("middle")[0].value == b'{"a":  1}'


async def test_an_agent_that_fails_behind_group_by_uses_its_repartition_topic_again(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in", name="a")
    async def agent(stream):
        async for value in stream.group_by(lambda v: v, name="n"):
            if value == 2:
                raise ValueError("two")
            seen.append(value)

    lab.put("in", 1, 2, 3, 4)
    async with app:
        await eventually(lambda: seen == [1, 3, 4])
        await eventually(lambda: lab.committed("a-in-n-repartition") == 4)
    assert lab.values("app-dead-letter") == [2]


async def test_a_loop_left_by_break_has_done_its_item_and_the_next_loop_goes_on(lab, eventually):
    app = lab.app()
    first, second = [], []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            first.append(value)
            if value == 2:
                break
        async for value in stream:
            second.append(value)

    lab.put("in", 1, 2, 3, 4)
    async with app:
        await eventually(lambda: second == [3, 4])
        await eventually(lambda: lab.committed("in") == 4)
    assert first == [1, 2]


async def test_a_loop_inside_a_loop_over_the_same_stream_takes_the_items_that_follow(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(("outer", value))
            if value == 1:
                async for inner in stream:
                    seen.append(("inner", inner))
                    if inner == 3:
                        break

    lab.put("in", 1, 2, 3, 4, 5)
    async with app:
        await eventually(lambda: len(seen) >= 5)
        await eventually(lambda: lab.committed("in") == 5)
    assert seen == [("outer", 1), ("inner", 2), ("inner", 3), ("outer", 4), ("outer", 5)]


async def test_an_agent_may_read_two_topics(lab, eventually):
    app = lab.app()
    other = app.topic("other")
    seen = []

    @app.agent("in")
    async def agent(stream):
        more = aiter(other.stream())
        async for value in stream:
            seen.append((value, await anext(more)))

    lab.put("in", 1, 2)
    lab.put("other", "a", "b", "c")
    async with app:
        await eventually(lambda: seen == [(1, "a"), (2, "b")])
        await eventually(lambda: lab.committed("in") == 2)
        await eventually(lambda: lab.committed("other") == 1)


async def test_an_inner_loop_over_another_topic_left_by_break_holds_no_offset_back(lab, eventually):
    app = lab.app()
    other = app.topic("other")
    seen = []

    @app.agent("in")
    async def agent(stream):
        others = other.stream()
        async for value in stream:
            async for more in others:
                seen.append((value, more))
                break

    lab.put("in", 1, 2, 3)
    lab.put("other", "a", "b", "c", "d")
    async with app:
        await eventually(lambda: len(seen) == 3)
        await eventually(lambda: (lab.committed("in"), lab.committed("other")) == (3, 3))
    assert seen == [(1, "a"), (2, "b"), (3, "c")]


async def test_a_null_value_without_a_type_is_none(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", 1, None, 2)
    async with app:
        await eventually(lambda: seen == [1, None, 2])


@pytest.mark.parametrize("allow_empty", [False, True])
async def test_a_null_value_of_a_typed_topic_needs_allow_empty(lab, eventually, allow_empty):
    app = lab.app()
    seen = []

    @app.agent(app.topic("in", value_type=int, value_serializer="json", allow_empty=allow_empty))
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", 1, None, 2)
    async with app:
        await eventually(lambda: seen[-1:] == [2])
        await eventually(lambda: lab.committed("in") == 3)
    assert seen == ([1, None, 2] if allow_empty else [1, 2])
    assert lab.values("app-dead-letter") == ([] if allow_empty else [None])


async def test_every_agent_of_a_topic_sees_all_of_it(lab, eventually):
    app = lab.app()
    one, two = [], []

    @app.agent("in", name="one")
    async def agent_one(stream):
        async for value in stream:
            one.append(value)

    @app.agent("in", name="two")
    async def agent_two(stream):
        async for value in stream:
            two.append(value)
            await asyncio.sleep(0.001)

    lab.put("in", *range(50))
    async with app:
        await eventually(lambda: one == two == list(range(50)))


async def test_the_slowest_agent_of_a_topic_holds_its_offset(lab, eventually):
    app = lab.app()
    go = asyncio.Event()
    seen = []

    @app.agent("in", name="fast")
    async def fast(stream):
        async for value in stream:
            seen.append(value)

    @app.agent("in", name="slow")
    async def slow(stream):
        async for value in stream:
            if value == 5:
                await go.wait()

    lab.put("in", *range(10))
    async with app:
        await eventually(lambda: len(seen) == 10)
        await eventually(lambda: lab.committed("in") == 5)
        await app.commit()
        assert lab.committed("in") == 5
        go.set()
        await eventually(lambda: lab.committed("in") == 10)


async def test_an_agent_that_returns_has_done_its_last_item_and_holds_no_other_agent_up(lab, eventually):
    app = lab.app(stream_buffer_maxsize=10)
    seen = []

    @app.agent("in", name="brief")
    async def brief(stream):
        async for value in stream:
            if value == 2:
                return

    @app.agent("in", name="other")
    async def other(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", *range(5))
    async with app:
        await eventually(lambda: len(seen) == 5)
        lab.put("in", *range(5, 200))
        await eventually(lambda: len(seen) == 200)


async def test_a_task_may_iterate_a_stream_of_an_application_without_agents(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async for value in app.stream("in"):
            seen.append(value)

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: seen == [1, 2])
        await eventually(lambda: lab.committed("in") == 2)
        lab.put("in", 3)
        await eventually(lambda: seen == [1, 2, 3])


@pytest.mark.parametrize("with_table", [False, True])
async def test_a_task_may_iterate_a_stream_beside_agents(lab, eventually, with_table):
    app = lab.app()
    agent_seen, seen = [], []
    table = app.Table("t", default=int) if with_table else {}

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            agent_seen.append(value)

    @app.task
    async def read():
        async for value in app.topic("other").stream():
            table[value] = 1
            seen.append(value)

    lab.put("in", 1, 2)
    lab.put("other", "a")
    async with app:
        await eventually(lambda: agent_seen == [1, 2])
        await eventually(lambda: seen == ["a"])
        await eventually(lambda: lab.committed("other") == 1)
    assert table if not with_table else lab.changelog("t") == {"a": 1}


async def test_a_stream_of_a_topic_that_is_read_already_begins_where_its_group_is(lab, eventually):
    app = lab.app()
    seen = []
    open_it = asyncio.Event()

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    @app.task
    async def read():
        await open_it.wait()
        async for value in app.stream("in"):
            seen.append(value)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
        open_it.set()
        await asyncio.sleep(0.05)
        lab.put("in", 2)
        await eventually(lambda: seen == [2])


async def test_a_stream_needs_a_running_application(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="only while the application runs"):
        await anext(aiter(app.stream("in")))


async def test_a_topic_without_acks_begins_anew_at_each_start(lab, eventually):
    for _ in range(2):
        app = lab.app()
        seen: list[int] = []

        @app.agent(app.topic("in", acks=False))
        async def agent(stream, seen=seen):
            async for value in stream:
                seen.append(value)

        lab.put("in", 1)
        async with app:
            await eventually(lambda seen=seen: len(seen) == len(lab.records("in")))
        assert lab.committed("in") is None


async def test_a_full_queue_stops_its_own_partition_only(lab, eventually):
    app = lab.app(topic_partitions=2, stream_buffer_maxsize=5)
    lab.broker.create_topic("slow", 2)
    go = asyncio.Event()
    seen = []

    @app.agent("slow")
    async def slow(stream):
        async for _ in stream:
            await go.wait()

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("slow", *range(100))
    lab.put("in", *range(20))
    async with app:
        await eventually(lambda: len(seen) == 20)
        lab.put("in", *range(20, 50))
        await eventually(lambda: len(seen) == 50)
        go.set()
        await eventually(lambda: lab.committed("slow") == 100)
