"""Sensors: who is told what, and when; and that nobody pays who does not ask."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from faust_core.app import App
from faust_core.engine.watching import WatchedProducer
from faust_core.errors import ConfigError
from faust_core.sensors import Monitor, Sensor, SensorDelegate
from faust_core.table_overlay import Overlay
from faust_core.testing import TestDriver


class Log(Sensor):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def told(self, hook: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == hook]

    @property
    def hooks(self) -> list[str]:
        return [call[0] for call in self.calls]


class EventLog(Log):
    def on_message_in(self, tp, offset, message):
        self.calls.append(("message_in", tp.topic, offset, message.value))

    def on_message_out(self, tp, offset, message):
        self.calls.append(("message_out", tp.topic, offset, message.value))

    def on_stream_event_in(self, tp, offset, stream, event):
        self.calls.append(("event_in", stream.owner, offset, event.value))
        return {"offset": offset}

    def on_stream_event_out(self, tp, offset, stream, event, state=None):
        self.calls.append(("event_out", stream.owner, offset, state))


class TableLog(Log):
    def on_table_get(self, table, key):
        self.calls.append(("get", table.name, key))

    def on_table_set(self, table, key, value):
        self.calls.append(("set", table.name, key, value))

    def on_table_del(self, table, key):
        self.calls.append(("del", table.name, key))


class SendLog(Log):
    def on_send_initiated(self, producer, topic, message, keysize, valsize):
        message.headers.append(("from", b"sensor"))
        self.calls.append(("initiated", topic, message.value, keysize, valsize))
        return "state"

    def on_send_completed(self, producer, state, metadata):
        self.calls.append(("completed", state, metadata.topic, metadata.offset))

    def on_send_error(self, producer, exc, state):
        self.calls.append(("error", state, type(exc).__name__))


class RareLog(Log):
    def on_commit_initiated(self, consumer):
        self.calls.append(("commit_initiated",))
        return "commit"

    def on_commit_completed(self, consumer, state):
        self.calls.append(("commit_completed", state))

    def on_tp_commit(self, tp_offsets):
        self.calls.append(("tp_commit", dict(tp_offsets)))

    def on_assignment_start(self, assignor):
        self.calls.append(("assignment_start",))
        return "assignment"

    def on_assignment_completed(self, assignor, state):
        self.calls.append(("assignment_completed", state))

    def on_rebalance_start(self, app):
        self.calls.append(("rebalance_start",))
        return "rebalance"

    def on_rebalance_return(self, app, state):
        self.calls.append(("rebalance_return", state))

    def on_rebalance_end(self, app, state):
        self.calls.append(("rebalance_end", state))

    def on_topic_buffer_full(self, tp):
        self.calls.append(("full", tp.topic))


async def until(condition: Callable[[], object]) -> None:
    """Wait; the test's own time-out ends it."""
    while not condition():  # noqa: ASYNC110  whatever the condition is, no event tells of it
        await asyncio.sleep(0.001)


def application(sensor: Sensor | None = None, **options: Any) -> tuple[App, Any, Any]:
    app = App("watched", broker="memory://", **options)
    numbers = app.topic("numbers", key_type=str, value_type=int)
    counts = app.Table("counts", default=int)

    @app.agent(numbers)
    async def count(stream):
        async for number in stream:
            counts["sum"] += number

    if sensor is not None:
        app.sensors.add(sensor)
    return app, numbers, counts


async def test_each_event_is_told_when_it_begins_and_when_the_next_one_is_asked_for():
    app, numbers, _ = application(log := EventLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, 3, key="k")
    who = next(name for name in app.agents)
    assert log.told("event_in") == [(who, 0, 1), (who, 1, 2), (who, 2, 3)]
    assert log.told("event_out") == [(who, offset, {"offset": offset}) for offset in range(3)]
    in_order = [call[:1] + call[2:3] for call in log.calls if call[0].startswith("event")]
    assert in_order == [(what, at) for at in range(3) for what in ("event_in", "event_out")]


async def test_a_record_is_out_when_all_streams_are_through_with_it():
    app, numbers, _ = application(log := EventLog())
    held = asyncio.Event()

    @app.agent(numbers)
    async def slow(stream):
        async for _ in stream:
            await held.wait()

    async with TestDriver(app, raise_errors=False) as driver:
        putting = asyncio.create_task(driver.put(numbers, 1, key="k"))
        await until(lambda: log.told("event_out"))
        assert log.told("message_in") == [("numbers", 0, b"1")]
        assert log.told("message_out") == []
        held.set()
        await putting
        assert log.told("message_out") == [("numbers", 0, b"1")]


async def test_all_of_a_batch_are_out_when_the_next_batch_is_asked_for():
    app = App("watched", broker="memory://")
    numbers = app.topic("numbers", value_type=int)
    outs: list[int] = []

    @app.agent(numbers)
    async def take(stream):
        async for batch in stream.take(2, within=10):
            outs.append(len(log.told("event_out")))
            assert len(batch) == 2

    app.sensors.add(log := EventLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, 3, 4, key=b"k")
    assert outs == [0, 2]
    assert len(log.told("event_out")) == 4


async def test_an_event_that_is_tried_again_is_told_again():
    app = App("watched", broker="memory://", error_retry_backoff=0.0)
    numbers = app.topic("numbers", value_type=int)
    tries: list[int] = []
    failed: list[bool] = []

    @app.agent(numbers, on_error="retry")
    async def fails_once(stream):
        async for number in stream:
            tries.append(number)
            if len(tries) == 1:
                raise ValueError("once")

    class Failures(EventLog):
        def on_stream_event_out(self, tp, offset, stream, event, state=None):
            failed.append(event.failed)

    app.sensors.add(log := Failures())
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, 7)
    assert [offset for _, offset, _ in log.told("event_in")] == [0, 0]
    assert failed == [True, False]


async def test_looks_into_tables_and_changes_are_told_one_by_one():
    app, numbers, counts = application(log := TableLog())

    @app.agent(app.topic("deletions", value_type=int))
    async def delete(stream):
        async for _ in stream:
            counts.pop("sum")

    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, key="k")
        assert log.calls == [
            ("get", "counts", "sum"), ("set", "counts", "sum", 1),
            ("get", "counts", "sum"), ("set", "counts", "sum", 3),
        ]  # fmt: skip
        log.calls.clear()
        await driver.put("deletions", 1)
        assert ("del", "counts", "sum") in log.calls


async def test_sends_are_told_with_headers_that_a_sensor_may_add_and_with_their_fate():
    app = App("watched", broker="memory://")
    numbers, out = app.topic("numbers", value_type=int), app.topic("out", value_type=int)
    heard: list[Any] = []

    @app.agent(numbers)
    async def forward(stream):
        async for number in stream:
            await out.send(key=b"kk", value=number)

    @app.agent(out)
    async def hear(stream):
        async for event in stream.events():
            heard.append(event.headers)

    app.sensors.add(log := SendLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 42)
    assert log.told("initiated") == [("out", b"42", 2, 2)]
    assert log.told("completed") == [("state", "out", 0)]
    assert heard == [{"from": b"sensor"}]


async def test_a_send_that_the_broker_refuses_is_an_error():
    app = App("watched", broker="memory://", producer_max_request_size=100)
    app.sensors.add(log := SendLog())
    out = app.topic("out")

    @app.task
    async def send():
        with pytest.raises(Exception, match="over the limit"):
            await out.send(value="x" * 200)

    async with TestDriver(app):
        await until(lambda: log.told("error"))
    assert log.told("error") == [("state", "RecordTooLarge")]


async def test_commits_assignments_and_rebalances_are_told_from_beginning_to_end():
    app, numbers, _ = application(log := RareLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, key="k")
        await app.commit()
        assert log.told("commit_completed")[-1] == ("commit",)
        assert log.told("tp_commit")[-1][0] == {("numbers", 0): 1}
    hooks = log.hooks
    assert log.told("assignment_completed")[0] == ("assignment",)
    assert hooks.index("rebalance_start") < hooks.index("rebalance_return") < hooks.index("rebalance_end")
    assert log.told("rebalance_end")[0] == ("rebalance",)


async def test_a_full_buffer_is_told_and_counted():
    app = App("watched", broker="memory://", stream_buffer_maxsize=2)
    numbers = app.topic("numbers", value_type=int)
    go = asyncio.Event()

    @app.agent(numbers)
    async def wait(stream):
        async for _ in stream:
            await go.wait()

    app.sensors.add(log := RareLog())
    async with TestDriver(app) as driver:
        putting = asyncio.create_task(driver.put(numbers, *range(50)))
        await until(lambda: log.told("full"))
        go.set()
        await putting
        assert app.monitor.topic_buffer_full["numbers", 0] >= 1


async def test_a_sensor_that_raises_is_said_once_and_the_work_goes_on(caplog):
    class Broken(Sensor):
        def on_stream_event_in(self, tp, offset, stream, event):
            raise ValueError("broken sensor")

    app, numbers, counts = application(Broken())
    async with TestDriver(app) as driver:
        with caplog.at_level(logging.ERROR):
            await driver.put(numbers, 1, 2, 3, key="k")
        assert driver.table(counts)["sum"] == 6
    assert [r.message for r in caplog.records if "on_stream_event_in" in r.message] == [
        "on_stream_event_in of sensor <Broken> raised; the work goes on, and this is said once"
    ]


async def test_without_a_sensor_that_wants_events_nothing_stands_in_their_way():
    app, numbers, counts = application(RareLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, key="k")
        assert app.worker is not None
        assert not isinstance(app.active_producer, WatchedProducer)
        assert app.worker.fetcher.watch is None
        assert all(subscription.watch is None for subscription in app.worker.streams.single_subscriptions())
        assert not isinstance(counts._parts[0].dirty, Overlay)


async def test_a_sensor_may_be_added_and_removed_while_the_application_runs():
    app, numbers, _ = application()
    log = EventLog()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, key="k")
        app.sensors.add(log)
        app.sensors.add(log)
        await driver.put(numbers, 2, key="k")
        app.sensors.remove(log)
        await driver.put(numbers, 3, key="k")
    assert [value for _, _, value in log.told("event_in")] == [2]
    with pytest.raises(ValueError):
        app.sensors.remove(log)


def test_the_delegate_is_a_collection_of_what_is_told():
    sensors = SensorDelegate()
    log = EventLog()
    sensors.add(log)
    assert list(sensors) == [log]
    assert log in sensors
    assert len(sensors) == 1
    assert sensors.watches("on_message_in")
    assert not sensors.watches("on_table_get")
    assert sensors.asdict() == {"EventLog": {}}
    with pytest.raises(AttributeError, match="on_nothing"):
        sensors.on_nothing()
    sensors.on_message_in(type("TP", (), {"topic": "t"})(), 1, type("M", (), {"value": b""})())
    assert log.told("message_in") == [("t", 1, b"")]


class Own(Monitor):
    pass


@pytest.mark.parametrize("given", [Own, f"{__name__}:Own", f"{__name__}.Own"])
def test_the_setting_says_which_monitor(given, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or type(sys)(__name__))
    monkeypatch.setattr(sys.modules[__name__], "Own", Own, raising=False)
    assert isinstance(App("watched", Monitor=given).monitor, Own)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere:Thing", "there is no module .nowhere."),
        ("Thing", "there is no module .Thing."),
        (dict, "no subclass"),
        (5, "no subclass"),
    ],
)
def test_a_monitor_that_is_none_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        App("watched", Monitor=given)


def test_another_monitor_takes_the_place_of_the_first():
    app = App("watched", monitor=Own())
    first = app.monitor
    assert isinstance(first, Own)
    app.monitor = second = Monitor()
    assert list(app.sensors) == [second]
    with pytest.raises(ConfigError, match=r"no faust.Monitor"):
        app.monitor = object()  # type: ignore[assignment]


async def test_a_sensor_that_comes_in_the_middle_of_an_event_takes_nothing_from_the_others():
    app = App("watched", broker="memory://")
    numbers = app.topic("numbers", value_type=int)
    second = EventLog()

    @app.agent(numbers)
    async def add(stream):
        async for _ in stream:
            app.sensors.add(second)

    app.sensors.add(first := EventLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
    assert [offset for _, offset, _ in first.told("event_out")] == [0]
    assert second.told("event_out")[0][2] is None, "it was not told of the beginning"


def test_answers_that_no_standard_knows_are_counted():
    monitor = Monitor()
    response = type("Response", (), {"status": 599})
    monitor.on_web_request_end(None, None, response, monitor.on_web_request_start(None, None))
    monitor.on_web_request_end(None, None, None, monitor.on_web_request_start(None, None))
    assert monitor.http_response_codes == {599: 1, 499: 1}


async def test_under_exactly_once_commits_and_sends_are_told_too():
    app = App("watched", broker="memory://", processing_guarantee="exactly_once", broker_commit_interval=0.02)
    numbers, out = app.topic("numbers", value_type=int), app.topic("out", value_type=int)

    @app.agent(numbers)
    async def forward(stream):
        async for number in stream:
            await out.send(value=number)

    app.sensors.add(sends := SendLog())
    app.sensors.add(rare := RareLog())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2)
        await app.commit()
        await until(lambda: len(sends.told("completed")) == 2)
        assert rare.told("tp_commit")[-1][0]["numbers", 0] == 2
        assert app.monitor.counts.checkpoints >= 1
    assert [value for _, value, *_ in sends.told("initiated")] == [b"1", b"2"]


async def test_a_full_producer_is_told_of_each_record_once():
    app = App("watched", broker="memory://")
    numbers, out = app.topic("numbers", value_type=int), app.topic("out", value_type=int)

    @app.agent(numbers)
    async def forward(stream):
        async for number in stream:
            await out.send(value=number)

    app.sensors.add(log := SendLog())
    async with TestDriver(app, raise_errors=False) as driver:
        driver.broker.faults.clog()
        putting = asyncio.create_task(driver.put(numbers, 1))
        await until(lambda: log.told("initiated"))
        await asyncio.sleep(0.02)
        driver.broker.faults.unclog()
        await putting
    assert len(log.told("initiated")) == 1
    assert len(log.told("completed")) == 1
