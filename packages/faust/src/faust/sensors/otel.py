"""OpenTelemetry."""

from faust_sensors.otel import OpenTelemetryMonitor

__all__ = ["OpenTelemetryMonitor"]
