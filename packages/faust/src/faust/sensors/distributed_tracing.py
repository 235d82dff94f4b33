"""Traces."""

from faust_sensors.tracing import TracingSensor

__all__ = ["TracingSensor"]
