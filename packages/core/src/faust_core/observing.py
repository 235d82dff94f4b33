"""What an application lets itself be observed by: sensors, the monitor, traces."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from faust_core._symbols import symbol
from faust_core.engine.observed import Observed
from faust_core.engine.watching import SENDS, TABLES, WatchedProducer
from faust_core.errors import ConfigError
from faust_core.protocols.transport import Producer
from faust_core.sensors import Counts, Monitor, SensorDelegate
from faust_core.settings import Settings
from faust_core.telling import TellingProducer
from faust_core.tracing import Tracer, Tracing

if TYPE_CHECKING:
    from faust_core.engine.worker import Worker

__all__ = ["Observes"]

F = TypeVar("F", bound=Callable[..., Any])


class Observes:
    """Sensors, the monitor and traces of an application.

    Attributes:
        sensors: told of what happens: `app.sensors.add(…)`.  Those with hooks for sends should be added before the
            application starts: otherwise they miss what `group_by` and `attach` send.
        counts: what the engine counts.
        active_producer: what is sent with; None while the application is not started.  Plain, as each send reads it.
    """

    conf: Settings
    tables: dict[str, Any]
    on_produce_message: Any  # a `ClassSignal`
    _worker: Worker | None

    def _observe(self, monitor: Monitor | None) -> None:
        """Begin; before anything is declared."""
        self.sensors = SensorDelegate()
        self.counts = Counts()
        self.tracing = Tracing(lambda: self.conf.trace_propagation)
        self.active_producer: Producer | None = None
        self._plain_producer: Producer | None = None
        self._observed: tuple[Worker, Observed] | None = None
        self._monitor = Monitor()
        self.monitor = monitor if monitor is not None else _made(self.conf.Monitor)
        self.sensors.on_change.append(self._sensors_changed)

    # -- the monitor

    @property
    def monitor(self) -> Monitor:
        """The numbers of this application; set another one before the application starts."""
        return self._monitor

    @monitor.setter
    def monitor(self, monitor: Monitor) -> None:
        if not isinstance(monitor, Monitor):
            raise ConfigError(f"monitor={monitor!r} is no faust.Monitor; other sensors: app.sensors.add(…)")
        if self._monitor in self.sensors:
            self.sensors.remove(self._monitor)
        self._monitor = monitor
        monitor.bind(self.counts, self._readings, self.tables)
        self.sensors.add(monitor)

    def _readings(self) -> Observed | None:
        worker = self._worker
        if worker is None:
            return None
        if self._observed is None or self._observed[0] is not worker:
            self._observed = worker, Observed(worker)
        return self._observed[1]

    # -- sensors

    def use_producer(self, producer: Producer | None) -> None:
        """Send with `producer` from now on; with one around it where somebody wants to know of each record."""
        self._plain_producer = producer
        self.active_producer = None if producer is None else self.telling(self.watched(producer))

    def watched(self, producer: Producer) -> Producer:
        """Return the producer, or one around it that tells sensors, and gives records the headers of their traces."""
        if not self.tracing.active and not self.sensors.watches(*SENDS):
            return producer
        return WatchedProducer(producer, self.sensors, self.tracing.carried)

    def telling(self, producer: Producer, /) -> Producer:
        """Return the producer, or one that tells `on_produce_message` of each record where somebody listens."""
        if not self.on_produce_message.handlers:
            return producer

        def tell(
            key: bytes | None,
            value: bytes | None,
            partition: int | None,
            timestamp: float | None,
            headers: list[tuple[str, bytes | None]],
        ) -> None:
            self.on_produce_message.send_now(
                self, key=key, value=value, partition=partition, timestamp=timestamp, headers=headers
            )

        return TellingProducer(producer, tell)

    def watch_tables(self) -> None:
        """Have tables tell sensors, where one wants to know; from the next checkpoint on, where they are in use."""
        watch = self.sensors if self.sensors.watches(*TABLES) else None
        for table in self.tables.values():
            table.watch = watch

    def _sensors_changed(self) -> None:
        self.watch_tables()
        self.use_producer(self._plain_producer)
        if self._worker is not None:
            self._worker.streams.look_at_sensors()

    # -- traces

    @property
    def tracer(self) -> Tracer | None:
        """What records spans; None where nothing does.  See `faust_sensors` for OpenTelemetry."""
        return self.tracing.tracer

    @tracer.setter
    def tracer(self, tracer: Tracer | None) -> None:
        self.tracing.tracer = tracer
        self.use_producer(self._plain_producer)

    def trace(self, name: str, trace_enabled: bool = True, **extra_context: Any) -> AbstractContextManager[Any]:
        """Return a block that is a span of the current trace: `with app.trace("look up", customer=…):`.

        What is sent inside belongs to the span.  Where there is no tracer and `trace_propagation` is off, it does
        nothing.

        Args:
            trace_enabled: False for a block that does nothing.
            extra_context: attributes of the span.
        """
        return self.tracing.trace(name, enabled=trace_enabled, attributes=extra_context)

    @overload
    def traced(self, fun: F, /, *, name: str | None = None, sample_rate: float = 1.0, **context: Any) -> F: ...

    @overload
    def traced(
        self, fun: None = None, /, *, name: str | None = None, sample_rate: float = 1.0, **context: Any
    ) -> Callable[[F], F]: ...

    def traced(self, fun: Any = None, /, *, name: str | None = None, sample_rate: float = 1.0, **context: Any) -> Any:
        """Run each call of a function, async or not, as a span; usable as a decorator.

        Args:
            name: of the span; that of the function where None.
            sample_rate: the share of calls that are spans.
            context: attributes of the spans.

        Raises:
            ConfigError: the share is none.
        """
        if fun is None:
            return lambda function: self.traced(function, name=name, sample_rate=sample_rate, **context)
        return self.tracing.traced(fun, name, sample_rate, context)


def _made(spec: Any) -> Monitor:
    """Make the monitor that the setting `Monitor` names.

    Raises:
        ConfigError: it names none.
    """
    if spec is None:
        return Monitor()
    found = symbol(spec, "setting Monitor") if isinstance(spec, str) else spec
    try:
        monitor = found() if callable(found) else found
    except TypeError as exc:
        raise ConfigError(
            f"setting Monitor: {found!r} cannot be made without arguments: give an object, App(monitor=…): {exc}"
        ) from exc
    if not isinstance(monitor, Monitor):
        raise ConfigError(f"setting Monitor: {found!r} is no subclass of faust.Monitor")
    return monitor
