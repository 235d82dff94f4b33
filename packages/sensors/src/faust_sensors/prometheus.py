"""Metrics in a registry of `prometheus_client`, and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from faust_core.sensors import Histogram, families
from faust_core.sensors.metrics import Family
from faust_sensors.clients import client

__all__ = ["PrometheusCollector", "setup_prometheus_sensors"]

_collectors: WeakKeyDictionary[Any, PrometheusCollector] = WeakKeyDictionary()


def setup_prometheus_sensors(
    app: Any, pattern: str = "/metrics", registry: Any = None, name_prefix: str | None = None
) -> PrometheusCollector:
    """Show the metrics of an application in a registry, and the registry at `pattern` of what serves its HTTP.

    They are read when the registry is: events cost nothing more.  Several applications may share a registry; the label
    `app` tells them apart.

    Args:
        registry: `prometheus_client.REGISTRY` where None.
        name_prefix: of the metrics' names, instead of `faust`.

    Raises:
        PluginMissing: prometheus_client is not installed.
    """
    prometheus = client("prometheus_client", "prometheus", "setup_prometheus_sensors")
    registry = prometheus.REGISTRY if registry is None else registry
    collector = _collectors.get(registry)
    if collector is None:
        collector = _collectors[registry] = PrometheusCollector()
        registry.register(collector)
    collector.add(app, name_prefix)

    def render() -> tuple[str, bytes]:
        return prometheus.CONTENT_TYPE_LATEST, prometheus.generate_latest(registry)

    app.served.metrics.serve(pattern, render)
    return collector


class PrometheusCollector:
    """Reads monitors when a registry asks.  Any thread may."""

    def __init__(self) -> None:
        self._core = client("prometheus_client.core", "prometheus", "PrometheusCollector")
        self._apps: dict[int, tuple[Any, str | None]] = {}

    def add(self, app: Any, name_prefix: str | None = None) -> None:
        """Show one more application.  Idempotent."""
        self._apps[id(app)] = (app, name_prefix)

    def describe(self) -> Sequence[Any]:
        """Return nothing: which names there are is seen when they are collected."""
        return ()

    def collect(self) -> Iterator[Any]:
        merged: dict[str, tuple[Family, list[tuple[str, Family]]]] = {}
        for app, prefix in list(self._apps.values()):
            for family in families(app.monitor):
                name = family.name if prefix is None else f"{prefix}_{family.name.removeprefix('faust_')}"
                merged.setdefault(name, (family, []))[1].append((app.conf.id, family))
        for name, (family, found) in merged.items():
            if any(one.samples for _, one in found):
                yield self._metric(name, family, found)

    def _metric(self, name: str, family: Family, found: list[tuple[str, Family]]) -> Any:
        labels = ["app", *next(iter(one.samples[0].labels for _, one in found if one.samples))]
        kinds = {
            "counter": self._core.CounterMetricFamily,
            "gauge": self._core.GaugeMetricFamily,
            "histogram": self._core.HistogramMetricFamily,
        }
        metric = kinds[family.kind](name, family.help, labels=labels)
        for app_id, one in found:
            for sample in one.samples:
                values = [app_id, *sample.labels.values()]
                if isinstance(sample.value, Histogram):
                    bounds = [*map(str, sample.value.bounds), "+Inf"]
                    buckets = list(zip(bounds, sample.value.cumulative(), strict=True))
                    metric.add_metric(values, buckets, sum_value=sample.value.sum)
                else:
                    metric.add_metric(values, sample.value)
        return metric
