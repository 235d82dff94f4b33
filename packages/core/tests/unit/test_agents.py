"""Agents: concurrency, error policies, sinks, and what becomes of records that cannot be decoded."""

from __future__ import annotations

import asyncio
import functools
import itertools
import time

import pytest

from faust_core.engine.dead_letters import DeadLetterFailed
from faust_core.errors import ConfigError, FaustError
from faust_core.records import TopicPartition

# -- concurrency


async def test_a_slow_item_does_not_stop_the_other_actors(lab, eventually):
    app = lab.app()
    go = asyncio.Event()
    seen = []

    @app.agent("in", concurrency=2)
    async def agent(stream):
        async for value in stream:
            if value == 0:
                await go.wait()
            seen.append(value)

    lab.put("in", *range(100))
    async with app:
        await eventually(lambda: seen == list(range(1, 100)))
        go.set()


async def test_out_of_order_completion_commits_what_is_contiguous_only(lab, eventually):
    app = lab.app()
    gates = {n: asyncio.Event() for n in (2, 5)}
    seen = []

    @app.agent("in", concurrency=4)
    async def agent(stream):
        async for value in stream:
            if value in gates:
                await gates[value].wait()
            seen.append(value)

    lab.put("in", *range(10))
    async with app:
        await eventually(lambda: len(seen) == 8)
        await eventually(lambda: lab.committed("in") == 2)
        gates[5].set()
        await eventually(lambda: len(seen) == 9)
        await app.commit()
        assert lab.committed("in") == 2
        gates[2].set()
        await eventually(lambda: lab.committed("in") == 10)


async def test_what_was_done_behind_a_slow_item_is_repeated_after_a_crash(lab, eventually):
    app = lab.app(consumer_group_instance_id="one")
    seen = []

    @app.agent("in", concurrency=2)
    async def agent(stream):
        async for value in stream:
            if value == 1:
                await asyncio.sleep(60)
            seen.append(value)

    lab.put("in", *range(4))
    await app.start()
    await eventually(lambda: lab.committed("in") == 1 and seen == [0, 2, 3])
    lab.crash(app)
    await lab.crashed(app)
    again = lab.app("w2", consumer_group_instance_id="one")
    repeated = []

    @again.agent("in")
    async def second(stream):
        async for value in stream:
            repeated.append(value)

    async with again:
        await eventually(lambda: repeated == [1, 2, 3])


async def test_isolated_partitions_wait_for_their_own_items_only(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    go = asyncio.Event()
    seen = []

    @app.agent("in", isolated_partitions=True)
    async def agent(stream):
        async for value in stream:
            if value == "slow":
                await go.wait()
            seen.append(value)

    lab.put("in", "slow", partition=0)
    lab.put("in", 1, 2, partition=1)
    async with app:
        await eventually(lambda: seen == [1, 2])
        await eventually(lambda: lab.committed("in", 1) == 2)
        go.set()
        await eventually(lambda: lab.committed("in", 0) == 1)


async def test_agents_may_be_any_callable(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent
    async def bare(stream):
        async for value in stream:
            seen.append(("bare", value))

    class Callable:
        async def __call__(self, stream):
            async for value in stream:
                yield seen.append(("object", value))

    async def with_arguments(prefix, stream):
        async for value in stream:
            yield seen.append((prefix, value))

    called = app.agent("a", name="object")(Callable())
    partial = app.agent("b", name="partial")(functools.partial(with_arguments, "partial"))
    assert called.yields
    assert partial.yields
    async with app:
        for agent in (bare, called, partial):
            await agent.cast(1)
        await eventually(lambda: sorted(seen) == [("bare", 1), ("object", 1), ("partial", 1)])


# -- error policies


async def test_a_failed_record_goes_byte_for_byte_to_the_dead_letter_topic(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in", name="worker")
    async def agent(stream):
        async for value in stream:
            if value == {"n": 2}:
                raise ValueError("no twos")
            seen.append(value)

    lab.put("in", {"n": 1})
    lab.put("in", b'{ "n":2}', key="k", headers=[("h", b"x")], timestamp_ms=1234)
    lab.put("in", {"n": 3})
    async with app:
        await eventually(lambda: seen == [{"n": 1}, {"n": 3}])
        await eventually(lambda: lab.committed("in") == 3)
    (letter,) = lab.records("app-dead-letter")
    assert (letter.key, letter.value) == (b"k", b'{ "n":2}')
    headers = dict(letter.headers)
    assert b"ValueError: no twos" in headers.pop("Faust-Error-Traceback")
    assert headers == {
        "h": b"x",
        "Faust-Error-Topic": b"in",
        "Faust-Error-Partition": b"0",
        "Faust-Error-Offset": b"1",
        "Faust-Error-Timestamp": b"1234",
        "Faust-Error-Agent": b"agent worker",
        "Faust-Error-Type": b"ValueError",
        "Faust-Error-Message": b"no twos",
    }


async def test_the_dead_letter_topic_can_be_named(lab, eventually):
    app = lab.app(dead_letter_topic="graveyard")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            raise ValueError

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: lab.values("graveyard") == [1, 2])


async def test_table_changes_of_a_failed_event_stay(lab, eventually):
    """They cannot be told from those that the event meant: an agent that must not leave half of them checks first."""
    app = lab.app()
    table = app.Table("t", default=int)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            table["n"] += 1
            raise ValueError

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert lab.changelog("t") == {"n": 1}


async def test_retry_tries_again_with_back_off_and_then_writes_a_dead_letter(lab, eventually):
    app = lab.app(error_retries=3, error_retry_backoff=0.04)
    tried = []

    @app.agent("in", on_error="retry")
    async def agent(stream):
        async for value in stream:
            tried.append((time.monotonic(), value))
            if value == 1:
                raise ValueError("one")

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    assert [value for _, value in tried] == [1, 1, 1, 1, 2]
    times = [at for at, value in tried if value == 1]
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert all(wait >= 0.04 * 2**n for n, wait in enumerate(waits))
    assert lab.values("app-dead-letter") == [1]


async def test_retry_goes_on_in_order_when_it_succeeds(lab, eventually):
    app = lab.app(on_error="retry")
    tried = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            tried.append(value)
            if tried.count(1) < 3 and value == 1:
                raise ValueError("not yet")

    lab.put("in", 0, 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert tried == [0, 1, 1, 1, 2]
    assert not lab.records("app-dead-letter")


async def test_an_item_that_waits_for_its_retry_is_not_committed(lab, eventually):
    app = lab.app(on_error="retry", error_retry_backoff=60)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value == 1:
                raise ValueError("one")

    lab.put("in", 0, 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
        await app.commit()
        assert lab.committed("in") == 1
        app.worker.fail(ValueError("enough"))
        with pytest.raises(ValueError, match="enough"):
            await app.wait()
        lab.apps.remove(app)
        app._forget_worker()


async def test_skip_logs_and_goes_on(lab, eventually, caplog):
    app = lab.app(on_error="skip")
    seen = []

    @app.agent("in", name="worker")
    async def agent(stream):
        async for value in stream:
            if value == 1:
                raise ValueError("one")
            seen.append(value)

    lab.put("in", 0, 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert seen == [0, 2]
    assert not lab.records("app-dead-letter")
    assert "agent worker: skipped in/0 at offset 1: ValueError('one')" in caplog.text


async def test_crash_stops_the_worker_and_commits_nothing_of_the_event(lab, eventually):
    app = lab.app(on_error="crash", broker_commit_interval=60)
    table = app.Table("t", default=int)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] += 1
            if value == 1:
                raise ValueError("one")

    lab.put("in", 0, 1, 2)
    await app.start()
    with pytest.raises(ValueError, match="one"):
        await app.wait()
    with pytest.raises(ValueError, match="one"):
        await app.stop()
    assert lab.committed("in") in {None, 0}
    assert not lab.changelog("t")


async def test_an_agents_own_policy_goes_before_the_applications(lab, eventually):
    app = lab.app(on_error="crash")

    @app.agent("in", on_error="skip")
    async def agent(stream):
        async for _ in stream:
            raise ValueError

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_error_callback_is_told_and_the_policy_follows(lab, eventually, is_async):
    told = []

    async def tell_async(agent, error):
        told.append((agent.name, repr(error)))

    app = lab.app()

    @app.agent("in", name="a", on_error=tell_async if is_async else lambda a, e: told.append((a.name, repr(e))))
    async def agent(stream):
        async for _ in stream:
            raise ValueError("x")

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert told == [("a", "ValueError('x')")]
    assert lab.values("app-dead-letter") == [1]


async def test_an_error_callback_that_raises_does_no_harm(lab, eventually, caplog):
    app = lab.app()

    def tell(agent, error):
        raise KeyError("of the callback")

    @app.agent("in", on_error=tell)
    async def agent(stream):
        async for _ in stream:
            raise ValueError("x")

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.values("app-dead-letter") == [1])
    assert "of the callback" in caplog.text


async def test_a_dead_letter_that_cannot_be_written_stops_the_worker(lab, eventually):
    app = lab.app()
    lab.broker.faults.refuse_topic("app-dead-letter")

    @app.agent("in", name="worker")
    async def agent(stream):
        async for _ in stream:
            raise ValueError("x")

    lab.put("in", 1)
    await app.start()
    with pytest.raises(DeadLetterFailed, match=r"agent worker failed on in/0 offset 0 .*cannot be written to app-dead"):
        await app.wait()
    with pytest.raises(DeadLetterFailed):
        await app.stop()
    assert lab.committed("in") in {None, 0}


async def test_an_agent_that_raises_before_its_first_event_is_started_again(lab, eventually):
    app = lab.app()
    starts, seen = [], []

    @app.agent("in")
    async def agent(stream):
        starts.append(1)
        if len(starts) == 1:
            raise ValueError("not ready")
        async for value in stream:
            seen.append(value)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: seen == [1])


async def test_an_agent_that_raises_before_its_first_event_crashes_by_policy(lab):
    app = lab.app(on_error="crash")

    @app.agent("in")
    async def agent(stream):
        raise ValueError("not ready")

    with pytest.raises(ValueError, match="not ready"):
        await app.start()


async def test_an_event_in_an_inner_loop_that_raises_costs_both_events(lab, eventually):
    app = lab.app()
    other = app.topic("other")
    seen = []

    @app.agent("in")
    async def agent(stream):
        others = other.stream()
        async for value in stream:
            async for more in others:
                if more == "b":
                    raise ValueError
                seen.append((value, more))
                break

    lab.put("in", 1, 2, 3)
    lab.put("other", "a", "b", "c")
    async with app:
        await eventually(lambda: seen == [(1, "a"), (3, "c")])
        await eventually(lambda: (lab.committed("in"), lab.committed("other")) == (3, 3))
    assert sorted(map(str, lab.values("app-dead-letter"))) == ["2", "b"]


# -- records that cannot be decoded


@pytest.mark.parametrize("with_processor", [False, True])
async def test_undecodable_records_are_put_aside(lab, eventually, with_processor):
    app = lab.app()
    seen = []

    @app.agent(app.topic("in", value_type=int, value_serializer="json"))
    async def agent(stream):
        async for value in stream.map(lambda v: v) if with_processor else stream:
            seen.append(value)

    lab.put("in", 1, b"{", b"\xff", 2)
    async with app:
        await eventually(lambda: seen == [1, 2])
        await eventually(lambda: lab.committed("in") == 4)
    letters = lab.records("app-dead-letter")
    assert [letter.value for letter in letters] == [b"{", b"\xff"]
    headers = dict(letters[0].headers)
    assert headers["Faust-Error-Type"] == b"ValueDecodeError"
    assert b"cannot decode the value of in/0 at offset 1" in headers["Faust-Error-Message"]


async def test_undecodable_records_are_skipped_by_policy(lab, eventually, caplog):
    app = lab.app(on_decode_error="skip")
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", 1, b"{", 2)
    async with app:
        await eventually(lambda: seen == [1, 2])
    assert not lab.records("app-dead-letter")
    assert "skipped: cannot decode the value of in/0 at offset 1" in caplog.text


@pytest.mark.parametrize("how", ["stream", "processor", "take", "group_by"])
async def test_an_undecodable_record_stops_the_worker_by_policy(lab, eventually, how):
    app = lab.app(on_decode_error="raise")

    @app.agent("in")
    async def agent(stream):
        if how == "processor":
            stream = stream.map(lambda v: v)
        elif how == "group_by":
            stream = stream.group_by(lambda v: v, name="v")
        elif how == "take":
            stream = stream.take(1, within=1)
        async for _ in stream:
            pass

    lab.put("in", 1)
    await app.start()
    await eventually(lambda: lab.committed("in") == 1)
    lab.put("in", b"{", 2)
    with pytest.raises(FaustError, match="cannot decode the value of in/0 at offset 1"):
        await app.wait()
    with pytest.raises(FaustError):
        await app.stop()
    assert lab.committed("in") == 1


async def test_a_key_that_cannot_be_decoded_is_the_events_error(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent(app.topic("in", key_serializer="json"))
    async def agent(stream):
        async for key, value in stream.items():
            seen.append((key, value))

    lab.put("in", 1, key="{")
    lab.put("in", 2, key="2")
    async with app:
        await eventually(lambda: seen == [(2, 2)])
    (letter,) = lab.records("app-dead-letter")
    assert b"key of in/0 at offset 0" in dict(letter.headers)["Faust-Error-Message"]


# -- repartitioning


@pytest.mark.parametrize("policy", ["dead_letter", "skip"])
async def test_a_key_function_that_raises_costs_its_event_only(lab, eventually, policy):
    app = lab.app(on_error=policy)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream.group_by(lambda v: v["id"], name="id"):
            seen.append(value)

    lab.put("in", {"id": 1}, {}, {"id": 2})
    async with app:
        await eventually(lambda: seen == [{"id": 1}, {"id": 2}])
        await eventually(lambda: lab.committed("in") == 3)
    assert lab.values("app-dead-letter") == ([{}] if policy == "dead_letter" else [])


# -- results


async def test_what_an_agent_yields_goes_to_its_sinks(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("doubled", 1)
    lab.broker.create_topic("by-name", 1)
    results, seen = [], []

    async def call(value):
        results.append(("async", value))

    @app.agent("second", name="second")
    async def second(stream):
        async for value in stream:
            seen.append(value)

    sinks = [app.topic("doubled"), "by-name", second, call, lambda v: results.append(("plain", v))]

    @app.agent("in", sink=sinks)
    async def agent(stream):
        async for value in stream:
            yield value * 2

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: seen == [2, 4])
        await eventually(lambda: lab.values("doubled") == lab.values("by-name") == [2, 4])
    assert results == [("async", 2), ("plain", 2), ("async", 4), ("plain", 4)]


async def test_a_sink_that_raises_is_the_events_error(lab, eventually):
    app = lab.app()

    def sink(value):
        if value == 1:
            raise ValueError("full")

    @app.agent("in", sink=[sink])
    async def agent(stream):
        async for value in stream:
            yield value

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    assert lab.values("app-dead-letter") == [1]


def test_agents_that_cannot_work_are_refused(lab):
    app = lab.app()

    async def silent(stream):
        async for _ in stream:
            pass

    with pytest.raises(ConfigError, match="at least 1"):
        app.agent("in", concurrency=0)(silent)
    with pytest.raises(ConfigError, match="one actor per partition"):
        app.agent("in", concurrency=2, isolated_partitions=True)(silent)
    with pytest.raises(ConfigError, match="none of dead_letter, retry, skip, crash"):
        app.agent("in", on_error="ignore")(silent)
    with pytest.raises(ConfigError, match="yields nothing"):
        app.agent("in", sink=["x"])(silent)
    agent = app.agent("in", name="silent")(silent)
    with pytest.raises(ConfigError, match="yields nothing"):
        agent.add_sink("x")
    with pytest.raises(ConfigError, match="there is an agent 'silent' already"):
        app.agent("in", name="silent")(silent)


def test_an_agent_without_a_topic_has_its_own(lab):
    app = lab.app()

    @app.agent
    async def counter(stream):
        """Counts."""
        async for _ in stream:
            pass

    assert counter.topic.name.startswith("app-")
    assert counter.topic.name.endswith(".counter")
    assert counter.topic.internal
    assert counter.help == "Counts."


async def test_dead_letters_wait_for_room_in_the_producer(lab, eventually):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            raise ValueError

    async with app:
        lab.broker.faults.clog("w1")
        lab.put("in", 1)
        await asyncio.sleep(0.1)
        assert not lab.records("app-dead-letter")
        lab.broker.faults.unclog("w1")
        await eventually(lambda: lab.values("app-dead-letter") == [1])


async def test_a_lost_input_partition_stops_nothing_else(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    async with app:
        lab.broker.faults.lose_partition(TopicPartition("in", 0))
        lab.put("in", "lost", partition=0)
        lab.put("in", 1, partition=1)
        await eventually(lambda: seen == [1])
        lab.broker.faults.restore_partition(TopicPartition("in", 0))
        await eventually(lambda: seen == [1, "lost"])
