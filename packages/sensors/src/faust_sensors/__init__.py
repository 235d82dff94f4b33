"""Prometheus, OpenTelemetry, StatsD, Datadog and Sentry.  Importing this imports none of their clients."""

from faust_sensors.datadog import DatadogMonitor
from faust_sensors.otel import OpenTelemetryMonitor
from faust_sensors.prometheus import PrometheusCollector, setup_prometheus_sensors
from faust_sensors.pushing import PushingMonitor
from faust_sensors.sentry import handler_from_dsn
from faust_sensors.statsd import StatsdMonitor
from faust_sensors.tracing import OpenTelemetrySensor, OpenTelemetryTracer, TracingSensor, setup_opentelemetry

__all__ = [
    "DatadogMonitor",
    "OpenTelemetryMonitor",
    "OpenTelemetrySensor",
    "OpenTelemetryTracer",
    "PrometheusCollector",
    "PushingMonitor",
    "StatsdMonitor",
    "TracingSensor",
    "handler_from_dsn",
    "setup_opentelemetry",
    "setup_prometheus_sensors",
]
