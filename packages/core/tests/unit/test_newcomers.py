"""Mistakes that everybody makes once: each has one message, which says what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

import faust_core as faust
from faust_core.errors import ConfigError
from faust_core.memory import Broker


@pytest.fixture
def app() -> faust.App:
    broker = Broker()
    broker.create_topic("numbers", 1)
    return faust.App("app", broker=broker.url, topic_partitions=1, store="memory://")


def test_an_agent_that_is_a_plain_generator_is_refused(app: faust.App) -> None:
    with pytest.raises(ConfigError, match=r"agent .*plain is a plain generator: write `async def`"):

        @app.agent("numbers")
        def plain(numbers: Any) -> Any:
            yield from numbers


@pytest.mark.parametrize(
    ("function", "shown"),
    [(lambda: None, r"<lambda>\(\)"), (lambda app, stream: None, r"<lambda>\(app, stream\)")],
)
def test_an_agent_that_does_not_take_a_stream_alone_is_refused(app: faust.App, function: Any, shown: str) -> None:
    with pytest.raises(ConfigError, match=rf"agent .* is called with its stream and nothing else: .*not {shown}"):
        app.agent("numbers")(function)


def test_sinks_without_results_name_what_is_missing(app: faust.App) -> None:
    with pytest.raises(ConfigError, match="`yield` each result"):

        @app.agent("numbers", sink=[print])
        async def silent(numbers: Any) -> None:
            async for _ in numbers:
                pass


@pytest.mark.parametrize(("declare", "example"), [("timer", r"@app\.timer\(5\.0\)"), ("crontab", r"@app\.crontab\('")])
def test_a_job_without_its_time_is_refused(app: faust.App, declare: str, example: str) -> None:
    with pytest.raises(ConfigError, match=example):
        getattr(app, declare)(lambda: None)


async def test_a_stream_in_a_plain_loop_stops_the_worker_with_what_to_write(app: faust.App) -> None:
    @app.agent("numbers")
    async def plain(numbers: Any) -> None:
        for _ in numbers:
            pass

    with pytest.raises(ConfigError, match="a stream is read by `async for`"):
        async with app:
            await app.wait()


async def test_an_agent_that_cannot_be_awaited_stops_the_worker_with_what_to_write(app: faust.App) -> None:
    @app.agent("numbers")
    def plain(_numbers: Any) -> Any:
        return 5

    with pytest.raises(ConfigError, match=r"agent .*plain cannot wait for records: .* returned 5; write `async def`"):
        async with app:
            await app.wait()


async def test_an_agent_without_a_loop_is_named_in_the_log(
    app: faust.App, caplog: pytest.LogCaptureFixture, eventually: Any
) -> None:
    @app.agent("numbers")
    async def forgetful(_numbers: Any) -> None:
        pass

    async with app:
        await eventually(lambda: "forgetful returned, and reads no further: is its code behind" in caplog.text)


async def test_a_record_that_cannot_be_decoded_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture, lab: Any, eventually: Any
) -> None:
    app = lab.app()

    @app.agent(app.topic("in", value_type=int))
    async def read(numbers: Any) -> None:
        async for _ in numbers:
            pass

    lab.put("in", "text")
    async with app:
        await eventually(
            lambda: "in/0 offset 0 goes to app-dead-letter: cannot decode the value of in/0" in caplog.text
        )
    assert "Traceback" not in caplog.text
