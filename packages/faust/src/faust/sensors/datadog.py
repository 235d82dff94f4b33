"""Datadog."""

from faust_sensors.datadog import DatadogMonitor

__all__ = ["DatadogMonitor"]
