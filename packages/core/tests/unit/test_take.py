"""`take`: batches of one partition, done all together."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from faust_core import current_event
from faust_core.errors import ConfigError
from tests.services.patience import PATIENCE

GUARANTEES = ["at_least_once", "exactly_once"]


async def test_a_full_batch_comes_at_once(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(4, within=60):
            batches.append(batch)

    lab.put("in", *range(12))
    async with app:
        await eventually(lambda: batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
        await eventually(lambda: lab.committed("in") == 12)


@pytest.mark.parametrize("within", [0.1, dt.timedelta(milliseconds=100)])
async def test_a_batch_that_is_not_full_comes_after_within(lab, eventually, within):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(100, within=within):
            batches.append((time.monotonic(), batch))

    async with app:
        started = time.monotonic()
        lab.put("in", 1, 2)
        await eventually(lambda: batches)
        assert 0.09 <= batches[0][0] - started < 0.5
        assert batches[0][1] == [1, 2]
        await eventually(lambda: lab.committed("in") == 2)


async def test_a_batch_has_at_least_one_value(lab):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        async for _ in stream.take(0, within=1):
            pass

    with pytest.raises(ConfigError, match=r"take\(0\)"):
        await app.start()


async def test_partitions_are_never_mixed_and_tables_can_be_written(lab, eventually):
    app = lab.app(topic_partitions=3)
    lab.broker.create_topic("in", 3)
    table = app.Table("t", default=int)
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(7, within=0.02):
            batches.append(batch)
            for value in batch:
                table[f"p{value % 3}"] += 1

    async with app:
        for n in range(150):
            lab.put("in", n, partition=n % 3)
            if n % 20 == 0:
                await asyncio.sleep(0.01)
        await eventually(lambda: sum(map(len, batches)) == 150)
        await eventually(lambda: lab.changelog("t") == {"p0": 50, "p1": 50, "p2": 50})
    assert all(len({value % 3 for value in batch}) == 1 and len(batch) <= 7 for batch in batches)
    assert [v for batch in batches for v in batch if v % 3 == 0] == list(range(0, 150, 3))
    for partition in range(3):
        keys = {record.key for record in lab.records("app-t-changelog") if record.partition == partition}
        assert keys == {f'"p{partition}"'.encode()}


async def test_nothing_is_lost_where_a_batch_ends_within_what_was_fetched(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(3, within=0.01):
            seen.extend(batch)

    lab.put("in", *range(1000))
    async with app:
        await eventually(lambda: len(seen) >= 1000)
        await eventually(lambda: lab.committed("in") == 1000)
    assert seen == list(range(1000))


async def test_what_is_being_collected_is_not_committed_and_holds_no_checkpoint_up(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(2, within=60):
            batches.append(batch)

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
        started = time.monotonic()
        await app.commit()
        assert time.monotonic() - started < 0.05 * PATIENCE
        assert lab.committed("in") == 2
        lab.put("in", 4)
        await eventually(lambda: lab.committed("in") == 4)
    assert batches == [[1, 2], [3, 4]]


async def test_a_batch_in_its_body_is_not_done(lab, eventually):
    app = lab.app()
    go = asyncio.Event()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(2, within=60):
            batches.append(batch)
            await go.wait()

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: batches)
        await app.commit()
        assert lab.committed("in") in {None, 0}
        go.set()
        await eventually(lambda: lab.committed("in") == 2)


async def test_operators_before_take_apply_and_what_they_drop_does_not_count(lab, eventually):
    app = lab.app()
    batches = []

    async def odd(value):
        return value % 2 == 1

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.filter(odd).map(lambda v: v * 10).take(2, within=60):
            batches.append(batch)

    lab.put("in", *range(9))
    async with app:
        await eventually(lambda: batches == [[10, 30], [50, 70]])
        await eventually(lambda: lab.committed("in") == 8)


async def test_events_can_be_taken(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.events().take(2, within=60):
            assert current_event() is not None
            batches.append([(event.message.offset, event.value) for event in batch])

    lab.put("in", "a", "b")
    async with app:
        await eventually(lambda: batches == [[(0, "a"), (1, "b")]])


async def test_a_record_that_cannot_be_decoded_is_put_aside_and_the_batch_goes_on(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(2, within=60):
            batches.append(batch)

    lab.put("in", 1, b"{", 2)
    async with app:
        await eventually(lambda: batches == [[1, 2]])
        await eventually(lambda: lab.committed("in") == 3)
    assert [record.value for record in lab.records("app-dead-letter")] == [b"{"]


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_body_that_raises_puts_all_of_its_batch_aside(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.filter(lambda v: v != 0).take(3, within=0.05):
            batches.append(batch)
            if 2 in batch:
                raise ValueError("two")

    lab.put("in", 0, 1, 2, 3, 4, 5, 6)
    async with app:
        await eventually(lambda: lab.committed("in") == 7)
    assert batches == [[1, 2, 3], [4, 5, 6]]
    assert lab.values("app-dead-letter") == [1, 2, 3]


async def test_retry_repeats_the_batch_and_then_puts_all_of_it_aside(lab, eventually):
    app = lab.app(on_error="retry", error_retries=2)
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(3, within=0.1):
            batches.append(batch)
            if 2 in batch:
                raise ValueError("two")

    lab.put("in", 1, 2, 3, 4, 5, 6)
    async with app:
        await eventually(lambda: lab.committed("in") == 6)
    assert batches == [[1, 2, 3]] * 3 + [[4, 5, 6]]
    assert lab.values("app-dead-letter") == [1, 2, 3]


async def test_a_batch_from_several_fetches_is_repeated_in_order(lab, eventually):
    app = lab.app(on_error="retry")
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(4, within=60):
            batches.append(batch)
            if len(batches) == 1:
                raise ValueError("once")

    async with app:
        for n in range(4):
            lab.put("in", n)
            await asyncio.sleep(0.02)
        await eventually(lambda: lab.committed("in") == 4)
    assert batches == [[0, 1, 2, 3]] * 2


async def test_a_body_that_raises_loses_nothing_of_other_partitions(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(3, within=0.1):
            if -1 in batch:
                raise ValueError
            seen.extend(batch)

    async with app:
        lab.put("in", 1, 2, partition=0)
        await asyncio.sleep(0.02)
        lab.put("in", -1, 10, 11, partition=1)
        await eventually(lambda: seen == [1, 2])
        await eventually(lambda: (lab.committed("in", 0), lab.committed("in", 1)) == (2, 3))
    assert sorted(lab.values("app-dead-letter")) == [-1, 10, 11]


async def test_a_processor_that_raises_puts_its_own_item_aside_only(lab, eventually):
    app = lab.app()
    batches = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.map(lambda v: 1 / v).take(2, within=0.05):
            batches.append(batch)

    lab.put("in", 1, 2, 0, 4, 5)
    async with app:
        await eventually(lambda: lab.committed("in") == 5)
    assert [v for batch in batches for v in batch] == [1, 0.5, 0.25, 0.2]
    assert lab.values("app-dead-letter") == [0]


async def test_a_loop_over_batches_left_by_break_has_done_its_batch(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(2, within=60):
            seen.append(batch)
            break
        async for value in stream:
            seen.append(value)

    lab.put("in", 1, 2, 3, 4)
    async with app:
        await eventually(lambda: seen == [[1, 2], 3, 4])
        await eventually(lambda: lab.committed("in") == 4)


async def test_a_busy_batch_agent_leaves_the_event_loop_to_others(lab, eventually):
    app = lab.app(stream_buffer_maxsize=100_000)
    turns = []
    n = 0

    @app.agent("in")
    async def agent(stream):
        nonlocal n
        async for batch in stream.take(10, within=60):
            n += len(batch)
            time.sleep(0.0005)  # noqa: ASYNC251  it must block

    lab.put("in", *range(4000))
    async with app:
        while n < 4000:
            turns.append(n)
            await asyncio.sleep(0.001)
    assert len(turns) > 10


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_several_actors_may_take(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    seen = []

    @app.agent("in", concurrency=3)
    async def agent(stream):
        async for batch in stream.take(4, within=0.03):
            await asyncio.sleep(0.001)
            if 13 in batch:
                raise ValueError
            seen.extend(batch)

    lab.put("in", *range(40))
    async with app:
        await eventually(lambda: lab.committed("in") == 40)
    aside = lab.values("app-dead-letter")
    assert sorted(seen + aside) == list(range(40))
    assert 13 in aside
    assert len(aside) <= 4
