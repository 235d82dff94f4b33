"""Metrics for OpenTelemetry: instruments of a meter, read when its readers collect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from faust_core.sensors import Family, Monitor, families
from faust_sensors.clients import client

__all__ = ["OpenTelemetryMonitor"]

#: What the original calls them; all others are `faust.…`.
NAMES = {
    "faust_records_received": "faust.messages.received",
    "faust_records_active": "faust.messages.active",
    "faust_records_sent": "faust.messages.sent",
    "faust_send_errors": "faust.messages.send_errors",
    "faust_events": "faust.events.total",
    "faust_events_active": "faust.events.active",
    "faust_read_offset": "faust.offset.read",
    "faust_committed_offset": "faust.offset.committed",
    "faust_end_offset": "faust.offset.end",
    "faust_rebalances": "faust.rebalances",
    "faust_assignments": "faust.assignments",
    "faust_http_requests": "faust.http.requests",
    "faust_app_counts": "faust.custom.count",
}
#: One reading serves all instruments of a collection.
READING_FOR_S = 0.2


class OpenTelemetryMonitor(Monitor):
    """`App(monitor=OpenTelemetryMonitor())`: numbers go to the meter provider that the program has set.

    Counters and gauges are observed when the provider's reader collects, on its thread; durations are histograms in
    milliseconds, recorded as they come.
    """

    #: how often the ends of the partitions are asked for; there is nothing to report besides
    report_interval_s = 5.0

    def __init__(self, *, meter: Any = None, service_name: str = "faust", **options: Any) -> None:
        """Args:
            meter: that of the global provider, under `service_name`, where None.

        Raises:
            PluginMissing: the API of OpenTelemetry is not installed.
        """
        super().__init__(**options)
        self._api = client("opentelemetry.metrics", "opentelemetry", "OpenTelemetryMonitor")
        self.meter = self._api.get_meter(service_name) if meter is None else meter
        self._read_at = -READING_FOR_S
        self._families: dict[str, Family] = {}
        for family in families(self):
            if family.kind != "histogram":
                self._observe(family)
        self._histograms = {
            name: self.meter.create_histogram(f"faust.{name}", unit="ms", description=text)
            for name, text in (
                ("commit.latency", "From the first write of a checkpoint until its offsets are committed."),
                ("send.latency", "The wait of a checkpoint for the broker to have what was sent."),
                ("assignment.latency", "Dividing the partitions, where this worker leads its group."),
                ("rebalance.return_latency", "Until this worker had its partitions."),
                ("rebalance.end_latency", "Until their tables were restored."),
                ("http.latency", "An answer over HTTP."),
            )
        }
        self._flushes = 0

    def _observe(self, family: Family) -> None:
        create = (
            self.meter.create_observable_counter if family.kind == "counter" else self.meter.create_observable_gauge
        )
        name = NAMES.get(family.name, family.name.replace("_", ".", 1).removesuffix("_seconds"))
        create(name, [self._reader(family.name)], unit="s" if family.unit else "1", description=family.help)

    def _reader(self, name: str) -> Callable[[Any], Iterable[Any]]:
        def read(_options: Any) -> Iterable[Any]:
            observation = self._api.Observation
            return [observation(sample.value, dict(sample.labels)) for sample in self._current()[name].samples]

        return read

    def _current(self) -> dict[str, Family]:
        now = time.monotonic()
        if now - self._read_at > READING_FOR_S:
            self._families = {family.name: family for family in families(self)}
            self._read_at = now
        return self._families

    def _took(self, name: str, seconds: float) -> None:
        self._histograms[name].record(self.secs_to_ms(seconds))

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        super().on_commit_completed(consumer, state)
        self._took("commit.latency", self.commit_latency[-1])
        flushes = self.counts.flush_s.count
        if flushes > self._flushes:
            self._flushes = flushes
            self._took("send.latency", self.send_latency[-1])

    def on_assignment_completed(self, assignor: Any, state: Any) -> None:
        super().on_assignment_completed(assignor, state)
        self._took("assignment.latency", self.assignment_latency[-1])

    def on_rebalance_return(self, app: Any, state: Any) -> None:
        super().on_rebalance_return(app, state)
        self._took("rebalance.return_latency", state["latency_return"])

    def on_rebalance_end(self, app: Any, state: Any) -> None:
        super().on_rebalance_end(app, state)
        self._took("rebalance.end_latency", state["latency_end"])

    def on_web_request_end(self, app: Any, request: Any, response: Any, state: Any, *, view: Any = None) -> None:
        super().on_web_request_end(app, request, response, state, view=view)
        self._took("http.latency", state["latency_end"])
