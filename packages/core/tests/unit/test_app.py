"""The application: what it refuses, what it tells, how it sends, starts and stops."""

from __future__ import annotations

import asyncio

import pytest

import faust_core
from faust_core.errors import (
    BufferFull,
    ConfigError,
    EncodeError,
    PluginMissing,
    RetriableTransportError,
    TopicMissing,
    UnknownSetting,
)


def test_a_table_or_agent_that_exists_is_refused(lab):
    app = lab.app()
    app.Table("t")
    with pytest.raises(ConfigError, match="there is a table 't' already"):
        app.Table("t")


def test_an_unknown_setting_names_the_closest_one():
    with pytest.raises(UnknownSetting, match="broker_commit_interval"):
        faust_core.App("x", broker_comit_interval=1)


async def test_an_unknown_scheme_says_what_to_install():
    with pytest.raises(PluginMissing, match="no transport for rabbit://"):
        await faust_core.App("x", broker="rabbit://localhost").start()


async def test_a_store_that_is_not_installed_says_what_to_install(lab):
    with pytest.raises(PluginMissing, match="no store for floppy://"):
        await lab.app(store="floppy://").start()


@pytest.mark.parametrize("name", ["", "a b", "ä", ".", "..", "x" * 250, 7])
def test_a_topic_name_that_kafka_would_refuse_is_refused(lab, name):
    with pytest.raises(ConfigError, match="topic"):
        lab.app().topic(name)


def test_a_topic_needs_a_name(lab):
    with pytest.raises(ConfigError, match="needs a name"):
        lab.app().topic()
    topic = lab.app().topic("a", "b")
    with pytest.raises(ValueError, match="several: a, b"):
        topic.get_topic_name()
    assert (str(topic), repr(topic), topic.name) == ("a,b", "<Topic: a,b>", "a")
    assert topic.derive_topic(prefix="x-", suffix="-y").topics == ("x-a-y", "x-b-y")


async def test_starting_twice_is_an_error(lab):
    app = lab.app()
    async with app:
        with pytest.raises(ConfigError, match="runs already"):
            await app.start()


async def test_an_application_can_be_started_again(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    for n in range(3):
        async with app:
            assert app.worker is not None
            lab.put("in", n)
            await eventually(lambda n=n: seen == list(range(n + 1)))
        assert app.worker is None


async def test_a_start_that_fails_can_be_tried_again(lab):
    app = lab.app()
    lab.broker.faults.refuse_topic("in")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    with pytest.raises(TopicMissing):
        await app.start()
    lab.broker.faults.clear()
    async with app:
        pass


async def test_a_broker_that_does_not_answer_is_an_error_at_start(lab):
    app = lab.app(broker_start_timeout=0.1)
    lab.broker.faults.stop_broker()
    with pytest.raises(RetriableTransportError, match="did not answer"):
        await app.start()


async def test_a_start_that_is_cancelled_leaves_nothing_behind(lab):
    app = lab.app()
    lab.broker.faults.delay(0.2)
    starting = asyncio.create_task(app.start())
    await asyncio.sleep(0.05)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("faust ")]


async def test_signals_come_in_order(lab):
    app = lab.app()
    told = []

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    for signal in (
        app.on_started,
        app.on_partitions_revoked,
        app.on_partitions_assigned,
        app.on_rebalance_complete,
        app.on_before_shutdown,
    ):
        signal.connect(lambda the_app, *_args, signal=signal: told.append(signal.name))
    async with app:
        assert told == ["on_started", "on_partitions_revoked", "on_partitions_assigned", "on_rebalance_complete"]
    assert told[-1] == "on_before_shutdown"


# -- sending


async def test_sending_tells_where_the_record_stands(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("out", 2)
    topic = app.topic("out", key_serializer="json")
    reported = []
    async with app:
        sent = await topic.send(key=1, value="a", partition=1, timestamp=12.5, headers={"h": "x"}, report=True)
        assert (await sent)[:3] == ("out", 1, 0)
        await (await topic.send(value="b", partition=1, callback=lambda sent: reported.append(sent.result())))
        assert [m.offset for m in reported] == [1]
        assert (await (await topic.send(value="c", partition=1))).offset == 2
        assert (await (await topic.send(value="d", partition=1, report=False))).offset == -1
        await app.send("out", value="d", partition=1)
        topic.send_soon(value="e", partition=1, callback=lambda sent: reported.append(sent.result()))
        await eventually(lambda: [m.offset for m in reported] == [1, 5])
    record = lab.records("out")[0]
    assert (record.key, record.value, record.timestamp_ms, dict(record.headers)) == (b"1", b'"a"', 12500, {"h": b"x"})
    assert lab.values("out") == ["a", "b", "c", "d", "d", "e"]


async def test_sending_needs_no_running_worker(lab):
    app = lab.app()
    await app.topic("out").declare()
    await (await app.send("out", value=1))
    assert lab.values("out") == [1]
    await app.stop()
    with pytest.raises(ConfigError, match="not started"):
        app.topic("out").send_soon(value=1)


async def test_sending_waits_while_the_producer_is_full(lab):
    app = lab.app()
    lab.broker.create_topic("out", 1)
    async with app:
        lab.broker.faults.clog("w1")
        with pytest.raises(BufferFull):
            app.topic("out").send_soon(value=1)
        sending = asyncio.create_task(app.send("out", value=2))
        await asyncio.sleep(0.05)
        assert not sending.done()
        lab.broker.faults.unclog("w1")
        await (await sending)
    assert lab.values("out") == [2]


async def test_what_cannot_be_written_is_an_error_that_names_topic_and_codec(lab):
    app = lab.app()
    async with app:
        with pytest.raises(EncodeError, match="cannot write a object to out as json"):
            await app.send("out", value=object())
        with pytest.raises(EncodeError, match="cannot write the key"):
            await app.topic("out", key_serializer="json").send(key=object())


async def test_a_failed_record_is_told_to_who_awaits_it(lab):
    app = lab.app()
    lab.broker.create_topic("out", 1)
    await app.start_client()
    lab.broker.faults.fail_send(1)
    sent = await app.topic("out").send(value=1, report=True)
    with pytest.raises(faust_core.errors.TransportError, match="refused"):
        await sent
    await app.stop()


async def test_events_can_be_forwarded_as_they_are_or_sent_anew(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("out", 1)
    lab.broker.create_topic("anew", 1)

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            await event.forward("out")
            await event.forward(app.topic("out"), key=b"other", value={"b": 2}, headers={})
            await event.send("anew", key=b"key")
            assert repr(event) == "<Event: in/0 value={'a': 1}>"
            assert repr(event.message) == "<Message: in/0 offset=0>"
            assert event.topic.name == "in"

    lab.put("in", b'{"a":  1}', key="k", headers=[("h", b"1")])
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert [(r.key, r.value, list(r.headers)) for r in lab.records("out")] == [
        (b"k", b'{"a":  1}', [("h", b"1")]),
        (b"other", b'{"b":2}', []),
    ]
    assert [(r.key, r.value) for r in lab.records("anew")] == [(b"key", b'{"a":1}')]
    assert not lab.records("app-dead-letter")


async def test_a_topic_can_be_iterated_as_events_in_a_task(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async for event in app.topic("in"):
            seen.append(event.value)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: seen == [1])


async def test_wait_returns_when_the_worker_has_stopped(lab):
    app = lab.app()
    await app.wait()
    await app.start()
    waiting = asyncio.create_task(app.wait())
    await app.stop()
    await waiting
    await app.commit()
    assert not app.is_leader()
    assert repr(app) == "<App: app>"


@pytest.mark.parametrize(("reset", "expected"), [("earliest", [1, 2]), ("latest", [2])])
async def test_without_a_committed_offset_reading_begins_as_set(lab, eventually, reset, expected):
    app = lab.app(consumer_auto_offset_reset=reset)
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", 1)
    async with app:
        lab.put("in", 2)
        await eventually(lambda: seen == expected)


async def test_without_a_committed_offset_the_worker_stops_where_none_is_allowed(lab):
    app = lab.app(consumer_auto_offset_reset="none")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    lab.put("in", 1)
    with pytest.raises(TopicMissing, match="no committed offset for in/0"):
        await app.start()
