"""The W3C trace context: read, carried from an event to what is sent for it, begun by `app.trace`."""

from contextlib import contextmanager

import pytest

from faust_core.app import App
from faust_core.errors import ConfigError
from faust_core.testing import TestDriver
from faust_core.tracing import TraceContext, current_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "parent",
    [
        "",
        None,
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        b"\xff\xfe",
    ],
)
def test_what_is_no_trace_context_is_none(parent):
    assert TraceContext.parse(parent) is None


def test_a_trace_context_is_read_and_written():
    trace = TraceContext.parse(PARENT, "vendor=1")
    assert trace == TraceContext(TRACE, SPAN, True, "vendor=1")
    assert trace.headers() == [("traceparent", PARENT.encode()), ("tracestate", b"vendor=1")]
    assert TraceContext.parse(f"01-{TRACE}-{SPAN}-00-later") == TraceContext(TRACE, SPAN, False)
    assert TraceContext.parse(PARENT, "x" * 513).state == "", "too long a state is left out"
    child = trace.child()
    assert (child.trace_id, child.state) == (TRACE, "vendor=1")
    assert child.span_id != SPAN
    assert TraceContext.parse(TraceContext.new().traceparent) is not None


def application(body, **options):
    app = App("traced", broker="memory://", **options)
    numbers, out = app.topic("numbers", value_type=int), app.topic("out", value_type=int)
    heard: list[dict] = []

    @app.agent(numbers)
    async def work(stream):
        async for event in stream.events():
            await body(app, event, out)

    @app.agent(out)
    async def hear(stream):
        async for event in stream.events():
            heard.append(dict(event.headers))

    return app, numbers, heard


async def send(_app, _event, out):
    await out.send(value=1)


async def test_what_an_event_sends_gets_its_trace_where_the_setting_is_on():
    app, numbers, heard = application(send, trace_propagation=True)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT, "tracestate": "vendor=1", "other": "x"})
        await driver.put(numbers, 2)
    assert heard == [{"traceparent": PARENT.encode(), "tracestate": b"vendor=1"}, {}]


async def test_without_the_setting_headers_are_what_the_program_says():
    app, numbers, heard = application(send)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT})
    assert heard == [{}]


async def test_a_header_of_the_programs_own_stays():
    async def own(_app, _event, out):
        await out.send(value=1, headers={"traceparent": "own"})

    app, numbers, heard = application(own, trace_propagation=True)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT})
    assert heard == [{"traceparent": b"own"}]


async def test_inside_of_a_block_what_is_sent_belongs_to_the_block():
    async def in_block(app, event, out):
        with app.trace("look up", customer="x") as span:
            assert current_trace() is span
            await event.forward(out)  # its own headers are those that it came with
        assert current_trace().span_id == SPAN
        with app.trace("not now", trace_enabled=False):
            assert current_trace().span_id == SPAN

    app, numbers, heard = application(in_block, trace_propagation=True)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT})
    trace = TraceContext.parse(heard[0]["traceparent"])
    assert trace.trace_id == TRACE
    assert trace.span_id != SPAN


async def test_what_is_sent_with_the_commit_has_the_trace_of_its_event():
    app, numbers, heard = application(send, trace_propagation=True, stream_publish_on_commit=True)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT})
        await app.commit()
        await driver.settle()
    assert heard == [{"traceparent": PARENT.encode()}]


async def test_a_repartitioned_record_keeps_its_trace():
    app = App("traced", broker="memory://", trace_propagation=True)
    numbers = app.topic("numbers", value_type=int)
    heard = []

    @app.agent(numbers)
    async def group(stream):
        async for event in stream.group_by(str, name="self").events():
            heard.append(event.headers["traceparent"])

    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, headers={"traceparent": PARENT})
    assert heard == [PARENT.encode()]


async def test_outside_of_everything_a_block_begins_a_trace():
    app = App("traced", trace_propagation=True)
    with app.trace("begin") as outer:
        with app.trace("within") as inner:
            assert inner.trace_id == outer.trace_id
        assert current_trace() is outer
    assert current_trace() is None


def test_without_tracer_and_setting_a_block_does_nothing():
    with App("traced").trace("nothing") as span:
        assert span is None
        assert current_trace() is None


class Spans:
    """A tracer of the test's own."""

    def __init__(self):
        self.spans = []

    @contextmanager
    def trace(self, name, /, **attributes):
        self.spans.append((name, attributes))
        yield name

    def headers(self):
        return [("traceparent", PARENT.encode())]


async def test_functions_are_spans_of_the_tracer():
    app = App("traced")
    app.tracer = spans = Spans()

    @app.traced
    def plain(x):
        return x + 1

    @app.traced(name="looked up", sample_rate=1.0, table="customers")
    async def looked_up(x):
        return x + 2

    @app.traced(sample_rate=0.0)
    def never():
        return 3

    assert (plain(1), await looked_up(1), never()) == (2, 3, 3)
    assert plain.__name__ == "plain"
    assert [name.rpartition(".")[2] for name, _ in spans.spans] == ["plain", "looked up"]
    assert spans.spans[1][1] == {"table": "customers"}
    with pytest.raises(ConfigError, match=r"sample_rate=2"):
        app.traced(plain, sample_rate=2)


async def test_a_tracer_gives_headers_to_what_is_sent():
    app, numbers, heard = application(send)
    app.tracer = Spans()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
    assert heard == [{"traceparent": PARENT.encode()}]
