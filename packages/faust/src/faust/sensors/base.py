"""Sensors."""

from faust_core.sensors import Sensor, SensorDelegate

__all__ = ["Sensor", "SensorDelegate"]
