"""Smaller things that applications of the original use of `app`."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest

import faust_core
from faust_core import App
from faust_core.boot import BootStrategy


async def test_a_queue_waits_while_the_flow_is_suspended():
    app = App("shop")
    queue = app.FlowControlQueue(maxsize=5, clear_on_resume=True)
    other = app.FlowControlQueue()
    await queue.put(1)
    await other.put(1)
    app.flow_control.suspend()
    assert not app.flow_control.is_active()
    putting = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    assert (queue.qsize(), putting.done()) == (1, False)
    app.flow_control.resume()  # empties what says so
    await putting
    assert (queue.get_nowait(), other.qsize()) == (2, 1)
    app.flow_control.clear()
    assert other.empty()


async def test_an_event_can_be_waited_for():
    event = App("shop").create_event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()


class Tracer:
    def __init__(self) -> None:
        self.spans: list[object] = []

    @contextmanager
    def trace(self, name, **extra):
        self.spans.append((name, extra))
        yield name
        self.spans.append("end")


async def test_a_tracer_gets_spans_and_without_one_nothing_happens():
    app = App("shop")

    @app.traced
    def plain(n):
        return n + 1

    @app.traced(name="slow", kind="x")
    async def slow():
        return 1

    with app.trace("nothing"):
        assert plain(1) == 2
    app.tracer = tracer = Tracer()
    assert plain(1) == 2
    assert await slow() == 1
    with app.trace("here", trace_enabled=False):
        pass
    assert tracer.spans == [
        (f"{__name__}.test_a_tracer_gets_spans_and_without_one_nothing_happens.<locals>.plain", {}),
        "end",
        ("slow", {"kind": "x"}),
        "end",
    ]


async def test_an_application_tells_its_state(lab, eventually):
    app = lab.app()
    assert [app.rebalancing, app.in_recovery, app.unassigned, app.in_worker] == [False] * 4
    assert app.rebalancing_count == 0

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    lab.broker.create_topic("in", 1)
    async with app:
        await eventually(lambda: not app.unassigned and not app.rebalancing)
        assert app.rebalancing_count >= 1
        assert not app.in_recovery


async def test_an_application_is_in_recovery_while_its_tables_are_restored(lab, eventually):
    seen = []

    def declare():
        app = lab.app()
        table = app.Table("t", default=int, on_changelog_event=lambda event: seen.append(app.in_recovery))

        @app.agent("in")
        async def agent(stream):
            async for value in stream:
                table["n"] += value

        return app

    lab.put("in", 1)
    async with declare():
        await eventually(lambda: lab.changelog("t"))
    app = declare()
    async with app:
        assert seen == [True]
        assert not app.in_recovery


async def test_a_worker_without_a_partition_is_unassigned(lab, eventually):
    apps = [lab.app(worker) for worker in ("w1", "w2")]
    for app in apps:

        @app.agent("in")
        async def agent(stream):
            async for _ in stream:
                pass

    lab.broker.create_topic("in", 1)
    async with apps[0], apps[1]:
        await eventually(lambda: sorted(app.unassigned for app in apps) == [False, True])


@pytest.mark.parametrize("how", ["client_only", "producer_only", "boot_strategy"])
async def test_an_application_may_be_started_for_sending_only(lab, how):
    class SendsOnly(BootStrategy):
        enable_kafka_consumer = False

    class Sender(App):
        BootStrategy = SendsOnly if how == "boot_strategy" else BootStrategy

    app = Sender("sender", broker=lab.broker.url)
    if how != "boot_strategy":
        setattr(app, how, True)
    lab.broker.create_topic("out", 1)

    @app.agent("in")
    async def never(stream):
        raise AssertionError("runs")

    await app.start()
    assert app.worker is None
    await app.send("out", value=1)
    await app.stop()
    assert lab.values("out") == [1]
    assert "in" not in lab.broker.topics


def test_a_boot_strategy_takes_its_flags():
    strategy = BootStrategy(App("shop"), enable_web=False, enable_kafka_consumer=False)
    assert (strategy.enable_web, strategy.enable_kafka_consumer, strategy.enable_kafka) == (False, False, True)


async def test_the_producer_is_started_when_it_is_asked_for(lab):
    app = lab.app()
    lab.broker.create_topic("out", 1)
    producer = await app.maybe_start_producer()
    assert producer is await app.maybe_start_producer()
    producer.send("out", b"1")
    await producer.flush()
    assert lab.values("out") == [1]
    await app.stop()


def test_names_that_belong_to_the_engine_say_what_to_use():
    app = App("shop")
    for name, hint in (
        ("consumer", r"app\.worker"),
        ("producer", "maybe_start_producer"),
        ("transport", "make_transport"),
        ("assignor", "no switches"),
        ("beacon", "no graph"),
        ("http_client", "any HTTP client"),
    ):
        with pytest.raises(AttributeError, match=hint):
            getattr(app, name)


def test_arguments_of_the_original_that_mean_nothing_here_are_taken():
    app = faust_core.App("shop", loop=None, beacon=None)
    assert app.id == "shop"


async def test_a_future_of_the_application_ends_with_it_and_its_error_stops_the_worker(lab):
    app = lab.app()
    with pytest.raises(faust_core.errors.ConfigError, match="running application"):
        app.add_future(asyncio.sleep(1))
    async with app:
        waiting = app.add_future(asyncio.Event().wait())
        assert app.loop is asyncio.get_running_loop()
    assert waiting.cancelled()

    async def fail():
        raise LookupError("mine")

    await app.start()
    app.add_future(fail())
    with pytest.raises(LookupError, match="mine"):
        await app.wait()
    with pytest.raises(LookupError, match="mine"):
        await app.stop()


async def test_an_application_can_be_crashed(lab):
    app = lab.app()
    await app.start()
    await app.crash(LookupError("enough"))
    with pytest.raises(LookupError, match="enough"):
        await app.wait()
    with pytest.raises(LookupError):
        await app.stop()


async def test_a_timer_of_the_application_can_be_iterated(lab, eventually):
    app = lab.app()
    times = []

    @app.task
    async def ticks():
        async for since in app.itertimer(0.01):
            times.append(since)
            if len(times) == 3:
                return

    async with app:
        await eventually(lambda: len(times) == 3)
    assert sum(times) >= 0.029


def test_a_stream_and_a_topic_tell_what_they_are_made_of(lab):
    app = lab.app()
    topic = app.topic("in", value_type=int, partitions=3)
    clone = topic.clone()
    assert clone is not topic
    assert (clone.topics, clone.value_type, clone.partitions) == (("in",), int, 3)
    stream = app.stream([1]).map(str)
    assert stream.app is app
    assert stream.channel is stream.topic
    assert stream.info()["processors"] == stream.processors


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("topic", "put", r"app\.channel"),
        ("topic", "deliver", "TestDriver"),
        ("topic", "prepare_key", "on_produce_message"),
        ("topic", "as_future_message", "attach"),
        ("channel", "send_soon", r"channel\.put"),
        ("channel", "decode", r"channel\.deliver"),
        ("channel", "on_decode_error", r"channel\.deliver"),
        ("stream", "outbox", r"stream\.join"),
        ("stream", "stop", "no service"),
        ("stream", "send", "its topic"),
        ("table", "send_changelog", r"table\[key\]"),
        ("table", "data", "engine alone"),
        ("table", "start", "no service"),
    ],
)
def test_inner_parts_of_the_original_say_what_to_use(lab, kind, name, hint):
    app = lab.app()
    found = {"topic": app.topic("in"), "channel": app.channel(), "stream": app.stream([1]), "table": app.Table("t")}
    with pytest.raises(AttributeError, match=hint):
        getattr(found[kind], name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing_at_all'"):
        _ = found[kind].nothing_at_all
