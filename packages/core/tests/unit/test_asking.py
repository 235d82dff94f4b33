"""Many questions, promises, batches of answers, and questions that are wrapped."""

from __future__ import annotations

import asyncio
import json

import pytest

from faust_core.agents import current_agent
from faust_core.engine.rpc import AgentError
from faust_core.errors import ConfigError


def doubling(lab, **options):
    app = lab.app()

    @app.agent("numbers", name="double", **options)
    async def double(stream):
        async for value in stream:
            if value == 13:
                raise ValueError("unlucky")
            if value != 0:
                yield value * 2

    return app, double


# -- promises


async def test_a_promise_is_awaited_when_it_is_convenient(lab):
    app, double = doubling(lab)
    async with app:
        promises = [await double.ask_nowait(n, key=str(n), timeout=5) for n in (3, 4)]
        assert promises[0].reply_to == app.conf.reply_to
        assert promises[0].correlation_id != promises[1].correlation_id
        assert [await promise for promise in promises] == [6, 8]


async def test_a_promise_without_an_answer_fails_in_time_and_is_forgotten(lab):
    app, double = doubling(lab)
    async with app:
        promise = await double.ask_nowait(0, timeout=0.05)
        assert app.rpc.waiting == 1
        with pytest.raises(TimeoutError, match=r"agent double has not answered within 0.05 s"):
            await promise
        await asyncio.sleep(0)
        assert app.rpc.waiting == 0


async def test_who_no_longer_waits_is_forgotten(lab, eventually):
    app, double = doubling(lab)
    async with app:
        asking = asyncio.create_task(double.ask(0, timeout=5))
        await eventually(lambda: app.rpc.waiting)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0)
        assert app.rpc.waiting == 0


async def test_an_answer_that_goes_elsewhere_cannot_be_awaited(lab, eventually):
    app, double = doubling(lab)
    lab.broker.create_topic("answers", 1)
    async with app:
        promise = await double.ask_nowait(5, reply_to="answers", correlation_id="c")
        assert (promise.reply_to, promise.correlation_id) == ("answers", "c")
        with pytest.raises(ConfigError, match="goes to answers, not here"):
            await promise
        await eventually(lambda: [v["value"] for v in lab.values("answers")] == [10])


async def test_an_agent_that_never_yields_cannot_be_asked(lab):
    app = lab.app()

    @app.agent("in", name="mute")
    async def mute(stream):
        async for _ in stream:
            pass

    with pytest.raises(ConfigError, match="agent mute yields nothing"):
        await mute.ask(1)


# -- many questions


async def test_join_answers_in_order_and_map_as_answers_come(lab):
    app, double = doubling(lab)
    async with app:
        assert await double.join(range(1, 6), key="k", timeout=5) == [2, 4, 6, 8, 10]
        assert sorted([v async for v in double.map(range(1, 6), timeout=5)]) == [2, 4, 6, 8, 10]
        pairs = [(f"k{n}", n) for n in range(1, 4)]
        assert await double.kvjoin(pairs, timeout=5) == [2, 4, 6]
        assert sorted([v async for v in double.kvmap(iter(pairs), timeout=5)]) == [2, 4, 6]
        assert await double.join([]) == []
    assert {r.key for r in lab.records("numbers")} == {b"k", None, b"k1", b"k2", b"k3"}


async def test_questions_may_come_from_an_async_iterator_and_be_more_than_wait_at_a_time(lab):
    app, double = doubling(lab)

    async def numbers():
        for n in range(1, 2501):
            yield n if n != 13 else 14

    async with app:
        found = await double.join(numbers(), timeout=10)
    assert found == [2 * (n if n != 13 else 14) for n in range(1, 2501)]


async def test_an_error_among_the_answers_is_raised_or_returned(lab):
    app, double = doubling(lab)
    async with app:
        with pytest.raises(AgentError, match="ValueError: unlucky"):
            await double.join([1, 13, 2], timeout=5)
        first, error, last = await double.join([1, 13, 2], timeout=5, return_exceptions=True)
        assert (first, last) == (2, 4)
        assert isinstance(error, AgentError)
        assert error.error_type == "ValueError"
        await asyncio.sleep(0)
        assert app.rpc.waiting == 0


async def test_leaving_a_map_forgets_the_other_questions(lab):
    app, double = doubling(lab)

    def endless():
        while True:
            yield 1

    async with app:
        answers = double.map(endless(), timeout=5)
        assert await anext(answers) == 2
        await answers.aclose()
        await asyncio.sleep(0)
        assert app.rpc.waiting == 0


async def test_items_that_cannot_be_iterated_to_their_end_raise(lab):
    app, double = doubling(lab)

    def broken():
        yield 1
        raise RuntimeError("no more")

    async with app:
        with pytest.raises(RuntimeError, match="no more"):
            await double.join(broken(), timeout=5)


# -- batches


def batching(lab, answer):
    """An application whose agent takes three values at a time and yields what `answer` does for them."""
    app = lab.app()

    @app.agent("in", name="batch")
    async def batch(stream):
        async for values in stream.take(3, within=5):
            for result in answer(values):
                yield result

    return app, batch


BATCHES = {
    "a list as long as the batch": (lambda values: [[v * 2 for v in values]], [2, 4, 6]),
    "a tuple": (lambda values: [tuple(v * 2 for v in values)], [2, 4, 6]),
    "one by one": (lambda values: [v * 2 for v in values], [2, 4, 6]),
    "one for all": (lambda values: [sum(values)], [6, 6, 6]),
    "another list for all": (lambda values: [[sum(values)]], [[6], [6], [6]]),
    "more than were asked for": (lambda values: [*values, "extra"], [1, 2, 3]),
}


@pytest.mark.parametrize(("answer", "expected"), BATCHES.values(), ids=BATCHES)
async def test_each_asker_of_a_batch_gets_its_answer(lab, answer, expected):
    app, batch = batching(lab, answer)
    async with app:
        for _ in range(2):  # the second batch is answered like the first
            promises = [await batch.ask_nowait(n, timeout=5) for n in (1, 2, 3)]
            assert await asyncio.gather(*promises) == expected


async def test_an_error_of_a_batch_is_everybodys(lab):
    app, batch = batching(lab, lambda values: [1 / 0])
    async with app:
        promises = [await batch.ask_nowait(n, timeout=5) for n in (1, 2, 3)]
        errors = await asyncio.gather(*promises, return_exceptions=True)
    assert [str(error) for error in errors] == ["ZeroDivisionError: division by zero"] * 3


async def test_values_nobody_asked_for_share_a_batch_with_questions(lab, eventually):
    app, batch = batching(lab, lambda values: [[v * 2 for v in values]])
    async with app:
        await batch.cast(1)
        promise = await batch.ask_nowait(2, timeout=5)
        await batch.cast(3)
        assert await promise == 4


# -- wrapped questions


async def test_a_question_can_be_wrapped_into_its_value(lab, eventually):
    app, double = doubling(lab, use_reply_headers=False)
    async with app:
        assert await double.ask(21, key="k", timeout=5) == 42
        await double.cast(4)
        assert await double.join([1, 2], timeout=5) == [2, 4]
        with pytest.raises(AgentError, match="unlucky"):
            await double.ask(13, timeout=5)
    record = lab.records("numbers")[0]
    assert record.headers == ()
    assert record.value is not None
    body = json.loads(record.value)
    assert (body["value"], body["reply_to"], body["__faust"]) == (21, app.conf.reply_to, {"ns": "@ReqRepRequest"})
    assert lab.values("numbers")[1] == 4


async def test_a_wrapped_question_needs_json(lab):
    with pytest.raises(ConfigError, match="which must be JSON, and numbers has raw"):
        doubling(lab, use_reply_headers=False, value_serializer="raw")


async def test_an_agent_over_typed_values_unwraps_before_it_decodes(lab):
    app = lab.app()

    @app.agent("in", value_type=int, use_reply_headers=False)
    async def agent(stream):
        async for value in stream:
            yield value + 1

    async with app:
        assert await agent.ask(1, timeout=5) == 2


# -- agents that ask agents


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_checkpoint_waits_for_no_answer_that_waits_for_the_checkpoint(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee, broker_commit_interval=0.01)
    counts = app.Table("counts", default=int)

    @app.agent("inner")
    async def inner(stream):
        async for value in stream:
            await asyncio.sleep(0.003)
            yield value + 1

    @app.agent("middle")
    async def middle(stream):
        async for value in stream:
            yield await inner.ask(value, timeout=5) + 1

    @app.agent("in", concurrency=3)
    async def outer(stream):
        async for value in stream:
            counts["asked"] += 1
            first, second = await asyncio.gather(middle.ask(value, timeout=5), inner.ask(value, timeout=5))
            await app.send("out", value=[first, second])

    lab.broker.create_topic("out", 1)
    lab.put("in", *range(30))
    async with app:
        await eventually(lambda: len(lab.values("out")) >= 20)
    assert sorted(lab.values("out"))[:20] == [[n + 2, n + 1] for n in range(20)]
    assert lab.changelog("counts")["asked"] == lab.committed("in")


# -- inspection


async def test_actors_can_be_looked_at(lab, eventually):
    app = lab.app(on_error="skip")
    go = asyncio.Event()
    inside = []

    @app.agent("in", name="slow", concurrency=2)
    async def slow(stream):
        """Takes its time."""
        async for value in stream:
            inside.append(current_agent())
            if value == "bad":
                raise ValueError("bad")
            await go.wait()

    assert slow.actors == []
    lab.put("in", "bad", 1)
    async with app:
        await eventually(lambda: sorted(a.state for a in slow.actors) == ["waiting", "working"])
        (working,) = (actor for actor in slow.actors if actor.state == "working")
        assert working.position == "in/0 at offset 1"
        assert working.name in {"slow[0]", "slow[1]"}
        assert "await go.wait()" in working.traceback
        assert sum(actor.errors for actor in slow.actors) == 1
        assert len(slow.actor_tracebacks()) == 2
        go.set()
    assert inside == [slow, slow]
    assert current_agent() is None
    info = slow.info()
    assert (info["name"], info["concurrency"], info["help"]) == ("slow", 2, "Takes its time.")
    clone = slow.clone(concurrency=1)
    assert (clone.concurrency, clone.topic) == (1, slow.topic)


async def test_a_cancelled_agent_reads_no_further(lab, eventually):
    app = lab.app(stream_buffer_maxsize=1)
    seen = []
    go = asyncio.Event()

    @app.agent("in", concurrency=2)
    async def agent(stream):
        async for value in stream:
            if value == "slow":
                await go.wait()
            seen.append(value)

    lab.put("in", 1, "slow")
    async with app:
        await eventually(lambda: [a.state for a in agent.actors].count("working") == 1 and seen == [1])
        agent.cancel()
        await eventually(lambda: sorted(a.state for a in agent.actors) == ["stopped", "working"])
        go.set()
        await eventually(lambda: [a.state for a in agent.actors] == ["stopped", "stopped"])
        lab.put("in", 2)
        await app.commit()
        assert lab.committed("in") == 2
    assert seen == [1, "slow"]


# -- supervision


@pytest.mark.parametrize("strategy", ["mode.CrashingSupervisor", type("CrashingSupervisor", (), {})])
async def test_a_crashing_supervisor_stops_the_worker(lab, strategy):
    app = lab.app()

    @app.agent("in", supervisor_strategy=strategy)
    async def agent(stream):
        async for _ in stream:
            raise ValueError("no")

    assert agent.policy == "crash"
    lab.put("in", 1)
    with pytest.raises(ValueError, match="no"):
        async with app:
            await app.wait()


def test_supervisors_of_the_original_are_known(lab):
    app = lab.app(agent_supervisor="mode.supervisors.CrashingSupervisor")
    assert app.agent("a")(lambda stream: stream).policy == "crash"
    other = app.agent("b", name="b", supervisor_strategy="OneForOneSupervisor")(lambda stream: stream)
    assert other.policy == "dead_letter"
    assert app.agent("c", name="c", on_error="skip")(lambda stream: stream).policy == "skip"
    with pytest.raises(ConfigError, match="is none of OneForOneSupervisor"):
        app.agent("d", name="d", supervisor_strategy="Other")(lambda stream: stream)


async def test_on_error_can_say_the_policy_for_each_error(lab, eventually, caplog):
    app = lab.app(error_retry_backoff=0.001)
    tried = []

    def judge(_agent, error):
        return {"again": "retry", "drop": "skip", "odd": "nonsense"}.get(str(error))

    @app.agent("in", on_error=judge)
    async def agent(stream):
        async for value in stream:
            tried.append(value)
            raise ValueError(value)

    lab.put("in", "again", "drop", "odd", "other")
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
    assert tried == ["again"] * 4 + ["drop", "odd", "other"]
    assert lab.values("app-dead-letter") == ["again", "odd", "other"]
    assert "returned 'nonsense', none of dead_letter" in caplog.text


async def test_an_agent_can_be_run_over_another_stream(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    channel = app.channel()
    await channel.put("directly")
    running = asyncio.create_task(agent(stream=channel.stream()))
    await eventually(lambda: seen == ["directly"])
    running.cancel()
    assert app.actor is not None


def test_options_that_do_not_exist_are_refused(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="no option concurency: did you mean concurrency"):
        app.agent("in", concurency=2)
    with pytest.raises(ConfigError, match="not 42"):
        app.agent(42)
