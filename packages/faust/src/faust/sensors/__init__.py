"""Who is told what happens, and the numbers of an application."""

from faust_core.sensors import Monitor, Sensor, SensorDelegate, TableState, performance_metrics

__all__ = ["Monitor", "Sensor", "SensorDelegate", "TableState", "performance_metrics"]
