"""Asking agents and being answered."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.engine.rpc import AgentError
from faust_core.errors import ConfigError


@pytest.fixture
def doubler(lab):
    """Make an application whose agent doubles numbers, refuses 13 and does not answer 0."""

    def make(worker="w1", **options):
        app = lab.app(worker, **options)

        @app.agent("numbers", name="double")
        async def double(stream):
            async for value in stream:
                if value == 13:
                    raise ValueError("unlucky")
                if value != 0:
                    yield value * 2

        return app, double

    return make


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_asking_returns_what_the_agent_yields(doubler, guarantee):
    app, double = doubler(processing_guarantee=guarantee)
    async with app:
        assert await double.ask(21, timeout=5) == 42
        assert await asyncio.gather(*(double.ask(n, timeout=5) for n in range(14, 60))) == [
            2 * n for n in range(14, 60)
        ]


async def test_a_client_can_ask_an_application_that_runs_elsewhere(doubler):
    app, _ = doubler()
    client, double = doubler("client")
    async with app:
        await client.start_client()
        assert await double.ask(21, timeout=5) == 42
        await client.stop()


async def test_no_answer_in_time_is_a_timeout_that_says_what_to_look_at(doubler):
    app, double = doubler()
    async with app:
        with pytest.raises(TimeoutError, match=r"agent double has not answered within 0.05 s"):
            await double.ask(0, timeout=0.05)
        assert await double.ask(1, timeout=5) == 2


async def test_an_agent_that_raises_answers_with_its_error(lab, doubler):
    app, double = doubler()
    async with app:
        with pytest.raises(AgentError, match="ValueError: unlucky"):
            await double.ask(13, timeout=5)
        assert lab.values("app-dead-letter") == [13]


async def test_an_agent_that_succeeds_when_tried_again_answers_with_its_result(lab):
    app = lab.app(on_error="retry")
    tried = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            tried.append(value)
            if len(tried) < 3:
                raise ValueError("not yet")
            yield value

    async with app:
        assert await agent.ask("a", timeout=5) == "a"
    assert tried == ["a"] * 3


async def test_cast_sends_and_forgets(lab, doubler, eventually):
    app, double = doubler()
    seen = []
    double.add_sink(seen.append)
    async with app:
        await double.cast(4, key="k", headers={"h": "v"})
        await eventually(lambda: seen == [8])
    (record,) = lab.records("numbers")
    assert (record.key, dict(record.headers)) == (b"k", {"h": b"v"})


async def test_replies_can_go_to_a_topic_or_an_agent(lab, doubler, eventually):
    app, double = doubler()
    lab.broker.create_topic("replies", 1)
    answers = []

    @app.agent("answers", name="answers")
    async def collect(stream):
        async for value in stream:
            answers.append(value["value"])

    async with app:
        await double.send(value=3, reply_to="replies", correlation_id="c1")
        await double.send(value=4, reply_to=collect)
        await double.send(value=5, reply_to=app.topic("replies"))
        await eventually(lambda: answers == [8])
        await eventually(lambda: [v["value"] for v in lab.values("replies")] == [6, 10])
    reply = lab.values("replies")[0]
    assert reply["correlation_id"] == "c1"
    assert dict(lab.records("replies")[0].headers) == {"Faust-Ag-CorrelationId": b"c1"}


async def test_something_else_on_the_reply_topic_is_ignored(lab, doubler, caplog):
    app, double = doubler()
    async with app:
        assert await double.ask(1, timeout=5) == 2
        for junk in (b"{", {"no": "id"}, [1], {"correlation_id": "unknown", "value": 1}, None):
            lab.put(app.conf.reply_to, junk)
        assert await double.ask(2, timeout=5) == 4
    assert "is not one" in caplog.text


async def test_asking_needs_a_connection(doubler):
    _, double = doubler()
    with pytest.raises(ConfigError, match=r"await app\.start_client"):
        await double.ask(1, timeout=1)


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_an_agent_may_ask_another_one(doubler, lab, eventually, guarantee):
    app, double = doubler(processing_guarantee=guarantee)
    seen = []

    @app.agent("in", name="asks")
    async def asks(stream):
        async for value in stream:
            seen.append(await double.ask(value, timeout=5))

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: seen == [2, 4])
