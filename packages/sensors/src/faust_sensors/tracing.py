"""Spans for OpenTelemetry: one for each event that an agent works on, one for each record that is sent."""

# ruff: noqa: ARG002  hooks have the parameters that they have
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from faust_core.sensors import Sensor
from faust_core.tracing import Tracer
from faust_sensors.clients import client

__all__ = ["OpenTelemetrySensor", "OpenTelemetryTracer", "TracingSensor", "setup_opentelemetry"]

NAME = "faust"
EXTRA = "opentelemetry"


def setup_opentelemetry(app: Any, *, tracer: Any = None) -> OpenTelemetrySensor:
    """Trace an application: spans for its events and sends, `app.trace` and `app.traced` as spans, W3C headers.

    Where spans go is said by the tracer provider that the program has set; without one they go nowhere.

    Args:
        tracer: that of the global provider where None.

    Raises:
        PluginMissing: the API of OpenTelemetry is not installed.
    """
    sensor = OpenTelemetrySensor(tracer=tracer)
    app.sensors.add(sensor)
    app.tracer = OpenTelemetryTracer(tracer)
    return sensor


class _Api:
    """The modules of OpenTelemetry's API, and the tracer."""

    def __init__(self, tracer: Any, wanted_by: str) -> None:
        self.trace = client("opentelemetry.trace", EXTRA, wanted_by)
        self.context = client("opentelemetry.context", EXTRA, wanted_by)
        self.propagate = client("opentelemetry.propagate", EXTRA, wanted_by)
        self._tracer = tracer

    @property
    def tracer(self) -> Any:
        # Asked for each time: a program may set its provider after this.
        return self.trace.get_tracer(NAME) if self._tracer is None else self._tracer

    def extracted(self, headers: Any) -> Any:
        """Return the context that a record's headers tell of."""
        carrier = {name.lower(): value.decode("utf-8", "replace") for name, value in headers if value is not None}
        return self.propagate.extract(carrier)

    def injected(self, context: Any = None) -> list[tuple[str, bytes]]:
        """Return the headers of a context."""
        carrier: dict[str, str] = {}
        self.propagate.inject(carrier, context)
        return [(name, value.encode()) for name, value in carrier.items()]


class OpenTelemetryTracer:
    """What `app.trace` opens spans by."""

    def __init__(self, tracer: Any = None) -> None:
        """Raises:
        PluginMissing: the API of OpenTelemetry is not installed.
        """
        self._api = _Api(tracer, type(self).__name__)

    def trace(self, name: str, /, **attributes: Any) -> AbstractContextManager[Any]:
        span: AbstractContextManager[Any] = self._api.tracer.start_as_current_span(name, attributes=_plain(attributes))
        return span

    def headers(self) -> Sequence[tuple[str, bytes]]:
        return self._api.injected()


class _Open:
    """A span that is current until its event is done."""

    __slots__ = ("context", "span", "task", "token")

    def __init__(self, span: Any, token: Any, task: Any) -> None:
        self.span = span
        self.token = token
        self.task = task


class OpenTelemetrySensor(Sensor):
    """Opens a span `{topic} process` for each event, child of whatever sent it, and `{topic} send` for each send.

    The first is current while the agent works on the event: what its code does is a part of it.
    """

    def __init__(self, *, tracer: Any = None) -> None:
        """Raises:
        PluginMissing: the API of OpenTelemetry is not installed.
        """
        self._api = _Api(tracer, type(self).__name__)

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> Any:
        api = self._api
        message = event.message
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": tp.topic,
            "messaging.destination.partition.id": str(tp.partition),
            "messaging.kafka.offset": offset,
            "messaging.consumer.group.name": event.app.conf.id,
            "faust.stream": stream.owner,
        }
        if isinstance(message.key, bytes):
            attributes["messaging.kafka.message.key"] = message.key.decode("utf-8", "replace")
        span = api.tracer.start_span(
            f"{tp.topic} process",
            context=api.extracted(message.headers),
            kind=api.trace.SpanKind.CONSUMER,
            attributes=attributes,
        )
        return _Open(span, api.context.attach(api.trace.set_span_in_context(span)), asyncio.current_task())

    def on_stream_event_out(self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None) -> None:
        if state is None:
            return
        if asyncio.current_task() is state.task:  # elsewhere there is nothing to go back from
            self._api.context.detach(state.token)
        if event.failed:
            state.span.set_status(self._api.trace.StatusCode.ERROR)
        state.span.end()

    def on_send_initiated(self, producer: Any, topic: str, message: Any, keysize: int, valsize: int) -> Any:
        api = self._api
        span = api.tracer.start_span(
            f"{topic} send",
            kind=api.trace.SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "messaging.message.body.size": valsize,
            },
        )
        headers = api.injected(api.trace.set_span_in_context(span))
        names = {name for name, _ in headers}
        message.headers[:] = [*(pair for pair in message.headers if pair[0] not in names), *headers]
        return span

    def on_send_completed(self, producer: Any, state: Any, metadata: Any) -> None:
        if state is not None:
            state.set_attribute("messaging.destination.partition.id", str(metadata.partition))
            state.set_attribute("messaging.kafka.offset", metadata.offset)
            state.end()

    def on_send_error(self, producer: Any, exc: BaseException, state: Any) -> None:
        if state is not None:
            state.record_exception(exc)
            state.set_status(self._api.trace.StatusCode.ERROR, str(exc))
            state.end()


class TracingSensor(OpenTelemetrySensor):
    """The same under the name that applications add; the original's speaks OpenTracing, which has ended."""


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | bool | int | float) else str(value)
        for name, value in attributes.items()
        if value is not None
    }


if TYPE_CHECKING:
    _: type[Tracer] = OpenTelemetryTracer
