"""OpenTelemetry's own SDK, with exporters that collect."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from faust_core.app import App
from faust_core.testing import TestDriver
from faust_sensors import OpenTelemetryMonitor, TracingSensor, setup_opentelemetry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[tuple[InMemorySpanExporter, otel.Tracer]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider.get_tracer("test")
    provider.shutdown()


async def test_metrics_are_observed_when_they_are_collected(make_application):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monitor = OpenTelemetryMonitor(meter=provider.get_meter("test"))
    app, numbers = make_application(monitor=monitor)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2)
        await app.commit()
        await monitor.refresh()
        data = await asyncio.to_thread(reader.get_metrics_data)
    provider.shutdown()
    found = {
        metric.name: metric
        for found in data.resource_metrics
        for scope in found.scope_metrics
        for metric in scope.metrics
    }
    values = {
        (name, *sorted(point.attributes.items())): getattr(point, "value", None)
        for name, metric in found.items()
        for point in metric.data.data_points
    }
    assert values["faust.messages.received", ("topic", "numbers")] == 2
    assert values["faust.events.total", ("stream", "count")] == 2
    assert values["faust.messages.sent", ("topic", "out")] == 2
    assert values["faust.offset.committed", ("partition", "0"), ("topic", "numbers")] == 2
    assert values["faust.lag_records", ("partition", "0"), ("topic", "numbers")] == 0
    assert values["faust.table_keys_updated", ("table", "counts")] == 1
    assert found["faust.commit.latency"].unit == "ms"
    assert found["faust.commit.latency"].data.data_points[0].count == len(monitor.commit_latency)
    assert found["faust.rebalance.end_latency"].data.data_points[0].count == 1


async def test_an_event_is_a_span_of_the_trace_that_it_came_with_and_what_it_sends_goes_on_with_it(spans):
    exporter, tracer = spans
    app = App("traced", broker="memory://")
    numbers, out = app.topic("numbers", value_type=int), app.topic("out", value_type=int)
    heard = []

    @app.agent(numbers, name="forward")
    async def forward(stream):
        async for event in stream.events():
            with app.trace("look up", customer=7):
                await event.forward(out)

    @app.agent(out, name="hear")
    async def hear(stream):
        async for event in stream.events():
            heard.append(event.headers)

    setup_opentelemetry(app, tracer=tracer)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, key=b"k", headers={"traceparent": PARENT})
        await app.commit()
    done = {span.name: span for span in exporter.get_finished_spans()}
    assert set(done) == {"numbers process", "look up", "out send", "out process"}
    assert {f"{span.context.trace_id:032x}" for span in done.values()} == {TRACE}
    process, block, send, heard_by = (done[n] for n in ("numbers process", "look up", "out send", "out process"))
    assert f"{process.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert block.parent.span_id == process.context.span_id
    assert send.parent.span_id == block.context.span_id
    assert heard_by.parent.span_id == send.context.span_id
    assert heard[0]["traceparent"].decode() == f"00-{TRACE}-{send.context.span_id:016x}-01"
    assert (process.kind, send.kind) == (SpanKind.CONSUMER, SpanKind.PRODUCER)
    assert process.attributes["messaging.destination.name"] == "numbers"
    assert process.attributes["messaging.kafka.message.key"] == "k"
    assert process.attributes["messaging.consumer.group.name"] == "traced"
    assert process.attributes["faust.stream"] == "forward"
    assert send.attributes["messaging.kafka.offset"] == 0
    assert block.attributes["customer"] == 7


async def test_each_event_has_a_span_of_its_own_and_none_is_current_afterwards(spans):
    exporter, tracer = spans
    app = App("traced", broker="memory://")
    numbers = app.topic("numbers", value_type=int)
    current = []

    @app.agent(numbers)
    async def work(stream):
        async for _ in stream:
            current.append(otel.get_current_span().get_span_context().span_id)

    app.sensors.add(TracingSensor(tracer=tracer))
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, 3)
    finished = exporter.get_finished_spans()
    assert [span.context.span_id for span in finished] == current
    assert [span.parent for span in finished] == [None] * 3
    assert len({span.context.trace_id for span in finished}) == 3
    assert not otel.get_current_span().get_span_context().is_valid


async def test_an_event_that_fails_is_an_error(spans):
    exporter, tracer = spans
    app = App("traced", broker="memory://")
    numbers = app.topic("numbers", value_type=int)

    @app.agent(numbers)
    async def fail(stream):
        async for _ in stream:
            raise ValueError("no")

    setup_opentelemetry(app, tracer=tracer)
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, 1)
    assert [span.status.status_code for span in exporter.get_finished_spans()] == [StatusCode.ERROR]


async def test_a_send_that_fails_is_an_error(spans):
    exporter, tracer = spans
    app = App("traced", broker="memory://", producer_max_request_size=50)
    setup_opentelemetry(app, tracer=tracer)
    out = app.topic("out")
    tried = asyncio.Event()

    @app.task
    async def send():
        try:
            await out.send(value="x" * 100)
        except Exception:
            tried.set()

    async with TestDriver(app):
        await tried.wait()
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].name == "exception"


async def test_without_a_provider_spans_go_nowhere_and_everything_works(make_application):
    app, numbers = make_application()
    setup_opentelemetry(app)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2)
        assert app.monitor.events_total == 2
