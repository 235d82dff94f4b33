"""Traces for OpenTelemetry."""

from faust_sensors.tracing import OpenTelemetrySensor, setup_opentelemetry

__all__ = ["OpenTelemetrySensor", "setup_opentelemetry"]
