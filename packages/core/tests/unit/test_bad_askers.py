"""Askers that are gone, or never made sense: the agent's work is done all the same."""

from __future__ import annotations

import pytest

BAD = {
    "a topic that does not exist": [("Faust-Ag-ReplyTo", b"gone"), ("Faust-Ag-CorrelationId", b"c")],
    "no name of a topic": [("Faust-Ag-ReplyTo", b"a b/c"), ("Faust-Ag-CorrelationId", b"c")],
    "no text": [("Faust-Ag-ReplyTo", b"\xff\xfe"), ("Faust-Ag-CorrelationId", b"\xff")],
    "no correlation": [("Faust-Ag-ReplyTo", b"answers")],
    "null headers": [("Faust-Ag-ReplyTo", None), ("Faust-Ag-CorrelationId", None)],
}


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("headers", BAD.values(), ids=BAD)
async def test_an_answer_that_cannot_be_sent_harms_nothing(lab, eventually, headers, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    counts = app.Table("counts", default=int)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            counts[value] += 1
            if value == "bad":
                raise ValueError(value)
            yield value

    lab.broker.create_topic("answers", 1)
    lab.put("in", "a", headers=headers)
    lab.put("in", "bad", headers=headers)
    lab.put("in", "b")
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        assert await agent.ask("c", timeout=5) == "c"
    assert lab.changelog("counts") == {"a": 1, "bad": 1, "b": 1, "c": 1}
    assert lab.values("app-dead-letter") == ["bad"]
    assert lab.values("answers") == []


async def test_an_answer_that_cannot_be_written_is_the_events_error(lab):
    app = lab.app()

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            yield object()

    async with app:
        from faust_core.engine.rpc import AgentError

        with pytest.raises(AgentError, match="cannot answer with a object"):
            await agent.ask(1, timeout=5)
    assert lab.values("app-dead-letter") == [1]
