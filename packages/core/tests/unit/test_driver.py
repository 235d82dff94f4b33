"""The test driver: a whole application in a test, and one agent."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from faust_core import App
from faust_core.clock import SystemClock
from faust_core.engine.rpc import AgentError
from faust_core.errors import ConfigError, UnknownSetting
from faust_core.testing import NotIdle, TestDriver
from tests.services.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def app():
    """An application as for production: on Kafka, with tables on disk."""
    return App("shop", broker="kafka://nowhere:9092", datadir="/nonexistent/data")


@pytest.fixture
def counting(app):
    """Count words, by group_by, and send each count on."""
    words = app.topic("words", key_type=str, value_type=str)
    totals = app.topic("totals", key_type=str, value_type=int)
    counts = app.Table("counts", default=int)

    @app.agent(words, name="count")
    async def count(stream):
        async for word in stream.group_by(lambda word: word, name="word"):
            counts[word] += 1
            await totals.send(key=word, value=counts[word])
            yield counts[word]

    return app, words, totals, counts, count


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_values_go_in_and_results_come_out(counting, guarantee):
    app, words, totals, counts, _ = counting
    async with TestDriver(app, processing_guarantee=guarantee) as driver:
        await driver.put(words, "a", "b", "a")
        assert [(output.key, output.value) for output in driver.read(totals)] == [("a", 1), ("b", 1), ("a", 2)]
        assert driver.read(totals) == []
        await driver.put("words", "b", key="key", headers={"h": "v"})
        assert driver.read_values("totals") == [2]
        assert driver.table(counts) == driver.table("counts") == {"a": 2, "b": 2}
        record = driver.read(words)[-1]
        assert (record.key, record.value, record.headers) == ("key", "b", {"h": b"v"})
        assert record.timestamp == driver.time() == 1_700_000_000.0


def test_tests_need_not_be_async(counting):
    app, words, totals, counts, _ = counting
    with TestDriver(app) as driver:
        driver.put(words, "a", "b")
        assert driver.read_values(totals) == [1, 1]
        driver.advance(60)
        assert driver.time() == 1_700_000_060.0
        driver.restart()
        driver.put(words, "a")
        assert driver.read_values(totals) == [2]
        assert driver.table(counts) == {"a": 2, "b": 1}
        assert driver.run(asyncio.sleep(0, "done")) == "done"
        assert [output.key for output in driver.read("words")] == [None] * 3
        assert (driver.errors, driver.dead_letters) == ([], [])
        driver.settle()
    assert app.conf.broker == ("kafka://nowhere:9092",)
    assert isinstance(app.clock, SystemClock)
    assert app.worker is None


async def test_the_other_kind_of_with_says_so(app):
    with pytest.raises(ConfigError, match="write `async with` here"), TestDriver(app):
        pass


async def test_an_application_can_be_tested_again_and_again(counting):
    app, words, _, counts, _ = counting
    for _ in range(2):
        async with TestDriver(app) as driver:
            await driver.put(words, "a")
            assert driver.table(counts) == {"a": 1}


def test_an_application_that_was_tested_synchronously_can_be_tested_in_another_loop(counting):
    app, words, *_ = counting
    for _ in range(2):
        with TestDriver(app) as driver:
            driver.put(words, "a")
            assert driver.table("counts") == {"a": 1}


async def test_what_an_agent_raises_is_raised_from_the_call(app):
    @app.agent("in", name="picky")
    async def picky(stream):
        async for value in stream:
            raise ValueError(value)

    async with TestDriver(app) as driver:
        with pytest.raises(ValueError, match="bad"):
            await driver.put("in", "bad")
        with pytest.raises(ExceptionGroup, match="the application raised"):
            await driver.put("in", "one", "two")
        await driver.put("in")


async def test_errors_can_go_the_way_of_their_policy(app):
    @app.agent("in", name="picky")
    async def picky(stream):
        async for value in stream:
            if value == "bad":
                raise ValueError("no")
            yield value

    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put("in", "good", b"{not json", "bad", key="k")
        first, second = driver.dead_letters
        assert (first.value, first.offset, first.error_type, first.agent) == (
            b"{not json",
            1,
            "ValueDecodeError",
            "decoding",
        )
        assert (second.key, second.value, second.topic, second.error) == (b"k", b'"bad"', "in", "no")
        assert [who for who, _ in driver.errors] == ["decoding", "agent picky"]
        with pytest.raises(AgentError, match="no"):
            await driver.ask(picky, "bad")


async def test_an_error_nobody_saw_is_raised_at_the_end(app):
    @app.timer(5)
    async def broken():
        raise RuntimeError("timer")

    driver = TestDriver(app)
    await driver.__aenter__()
    driver.clock.advance(5)
    await asyncio.sleep(0.01)
    with pytest.raises(RuntimeError, match="timer"):
        await driver.__aexit__(None, None, None)


async def test_a_worker_that_crashes_raises_from_the_call(app):
    @app.agent("in", on_error="crash")
    async def agent(stream):
        async for _ in stream:
            raise ValueError("fatal")

    with pytest.raises(ValueError, match="fatal"):
        async with TestDriver(app) as driver:
            await driver.put("in", 1)


# -- time


async def test_the_time_moves_for_timers_and_crontabs_only_when_it_is_moved(app):
    ran = []

    @app.timer(interval=10)
    async def timer():
        ran.append(("timer", driver.time() - start))

    @app.crontab("*/1 * * * *")
    async def cron():
        ran.append(("cron", driver.time() - start))

    moment = dt.datetime(2026, 1, 1, 12, 0, 30, tzinfo=dt.UTC)
    start = moment.timestamp()
    async with TestDriver(app, start=moment) as driver:
        await asyncio.sleep(0.02)
        assert ran == []
        await driver.advance(dt.timedelta(seconds=35))
        assert ran == [("timer", 10), ("timer", 20), ("cron", 30), ("timer", 30)] or ran == [
            ("timer", 10),
            ("timer", 20),
            ("timer", 30),
            ("cron", 30),
        ]
        with pytest.raises(ConfigError, match="advance = -1 is not possible"):
            await driver.advance(-1)


async def test_a_year_of_a_daily_job_takes_a_moment(app):
    days = []

    @app.timer(interval=86_400.0)
    async def daily():
        days.append(1)

    began = time.monotonic()
    async with TestDriver(app) as driver:
        await driver.advance(dt.timedelta(days=365))
    assert len(days) == 365
    assert time.monotonic() - began < 10 * PATIENCE


async def test_batches_wait_for_the_tests_time(app):
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for batch in stream.take(10, within=30):
            seen.append(batch)

    async with TestDriver(app) as driver:
        await driver.put("in", 1, 2)
        await driver.advance(29)
        assert seen == []
        await driver.advance(1)
        assert seen == [[1, 2]]
        await driver.put("in", *range(10))
        assert seen[1:] == [list(range(10))]


async def test_what_sleeps_on_the_clock_is_woken_by_it(app):
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            await app.sleep(dt.timedelta(minutes=1))
            seen.append(value)

    @app.task
    async def ticks():
        while True:
            await app.sleep(40)
            seen.append("tick")

    async with TestDriver(app) as driver:
        await driver.put("in", "a", "b")
        assert seen == []
        await driver.advance(90)
        assert seen == ["tick", "a", "tick"]
        await driver.advance(60)
        assert seen == ["tick", "a", "tick", "tick", "b"] or seen == ["tick", "a", "tick", "b", "tick"]


async def test_retries_come_when_their_time_has(app):
    tried = []

    @app.agent("in", on_error="retry")
    async def agent(stream):
        async for value in stream:
            tried.append(value)
            if len(tried) < 3:
                raise ValueError("not yet")

    async with TestDriver(app, raise_errors=False, error_retry_backoff=10) as driver:
        await driver.put("in", "v")
        assert tried == ["v"]
        await driver.advance(10)
        assert tried == ["v", "v"]
        await driver.advance(20)
        assert tried == ["v"] * 3
    assert driver.dead_letters == []


async def test_windows_of_the_wall_clock_go_by_the_tests_time(app):
    table = app.Table("visits", default=int).tumbling(60, expires=600).relative_to_now()

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] += 1
            await app.send("out", value=table[value].value())

    async with TestDriver(app) as driver:
        await driver.put("in", "a", "a")
        await driver.advance(60)
        await driver.put("in", "a", timestamp=0)
        assert driver.read_values("out") == [1, 2, 1]


# -- the rest


async def test_asking_returns_what_the_agent_yields(counting):
    app, _, _, _, count = counting
    async with TestDriver(app) as driver:
        assert await driver.ask(count, "a") == 1
        assert await count.ask("a") == 2


async def test_an_agent_that_yields_nothing_is_a_timeout_at_once(app):
    @app.agent("in", name="silent")
    async def silent(stream):
        async for value in stream:
            if value:
                yield value

    async with TestDriver(app) as driver:
        with pytest.raises(TimeoutError, match="agent silent yielded nothing for 0"):
            await driver.ask(silent, 0)


async def test_an_answer_that_never_comes_is_a_timeout_when_its_time_has_come(app):
    @app.agent("inner")
    async def inner(stream):
        async for value in stream:
            if value:
                yield value

    seen = []

    @app.agent("outer")
    async def outer(stream):
        async for value in stream:
            try:
                seen.append(await inner.ask(value, timeout=30))
            except TimeoutError:
                seen.append("late")

    async with TestDriver(app) as driver:
        await driver.put(outer, 1)
        assert seen == [1]
        await driver.put(outer, 0)
        await driver.advance(29)
        assert seen == [1]
        await driver.advance(1)
        assert seen == [1, "late"]


async def test_agents_channels_and_chains_are_finished_when_a_call_returns(app):
    channel = app.channel()
    seen = []

    @app.agent("in", sink=[channel])
    async def first(stream):
        async for value in stream:
            yield value + 1

    @app.agent(channel)
    async def second(stream):
        async for value in stream:
            await asyncio.sleep(0.01)
            await third.send(value=value + 1)

    @app.agent()
    async def third(stream):
        async for value in stream:
            seen.append(value)

    async with TestDriver(app) as driver:
        await driver.put(first, 1)
        assert seen == [3]
        await driver.put(channel, 5)
        assert seen == [3, 6]
        assert driver.read_values(third) == [3 - 0, 6] or driver.read_values(third) == []


async def test_partitions_are_those_of_production_where_they_are_said(app):
    topic = app.topic("in", partitions=4, key_type=str)
    seen = {}

    @app.agent(topic)
    async def agent(stream):
        async for event in stream.events():
            seen[event.value] = event.message.partition

    async with TestDriver(app) as driver:
        await driver.put(topic, 1, partition=3)
        await driver.put(topic, 2, key="same")
        await driver.put(topic, 3, key="same")
        assert seen[1] == 3
        assert seen[2] == seen[3]
        with pytest.raises(ConfigError, match="in has 4 partitions here, so there is no partition 4"):
            await driver.put(topic, 1, partition=4)


async def test_topics_that_come_to_match_a_pattern_are_waited_for(app, monkeypatch):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.02)
    seen = []

    @app.agent(app.topic(pattern="orders-.*"))
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    async with TestDriver(app) as driver:
        await driver.put("orders-new", 1)
        assert seen == [1]


async def test_an_application_that_never_finishes_is_named(app):
    @app.agent("in", name="endless")
    async def endless(stream):
        async for _ in stream:
            await asyncio.sleep(60)

    driver = TestDriver(app, timeout=0.05, shutdown_timeout=0.05)
    async with driver:
        with pytest.raises(NotIdle, match=r"agent endless works on in/0 at offset 0\.  Does it wait"):
            await driver.put("in", 1)


async def test_what_is_wrong_with_the_use_of_the_driver_is_said(app):
    with pytest.raises(UnknownSetting, match="topic_partitons"):
        TestDriver(app, topic_partitons=3)
    driver = TestDriver(app)
    with pytest.raises(ConfigError, match="the application does not run"):
        await driver.settle()
    async with driver:
        with pytest.raises(ConfigError, match="runs already"):
            await TestDriver(app).__aenter__()
        with pytest.raises(KeyError):
            driver.table("none")


# -- one agent


async def test_one_agent_can_be_tested_alone(counting):
    app, _, totals, counts, count = counting

    @app.timer(1)
    async def never():
        raise AssertionError("other parts of the application do not run")

    async with count.test_context() as agent:
        event = await agent.put("a", key="k", headers={"h": "v"})
        assert (event.key, event.value, event.headers, event.message.offset) == ("k", "a", {"h": b"v"}, 0)
        assert agent.results[event.message.offset] == 1
        await agent.put("a")
        assert agent.results == {0: 1, 1: 2}
        assert (agent.sent_offset, agent.processed_offset) == (1, 1)
        assert agent.name == "count"
        assert agent.driver.table(counts) == {"a": 2}
        assert agent.driver.read_values(totals) == [1, 2]
    assert app.jobs
    async with count.test_context() as agent:
        assert agent.results == {}


async def test_the_result_of_an_agent_that_yields_nothing_is_its_input(app):
    sent = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            sent.append(value)
            if value == "bad":
                raise ValueError("bad")

    async with agent.test_context() as tested:
        event = await tested.put("x")
        assert tested.results[event.message.offset] == "x"
        with pytest.raises(ValueError, match="bad"):
            await tested.put("bad")
        await tested.put("later", wait=False)
        assert sent == ["x", "bad"]
        await tested.settle()
    assert sent == ["x", "bad", "later"]


async def test_sinks_and_answers_of_one_agent_are_visible(app):
    seen = []

    @app.agent("in", sink=[seen.append, app.topic("out")])
    async def agent(stream):
        async for value in stream:
            yield value + 1

    async with agent.test_context() as tested:
        await tested.put(1, reply_to="answers", correlation_id="c")
        assert seen == tested.driver.read_values("out") == [2]
        (answer,) = tested.driver.read_values("answers")
    assert (answer["value"], answer["correlation_id"]) == (2, "c")
