"""StatsD."""

from faust_sensors.statsd import StatsdMonitor

__all__ = ["StatsdMonitor"]
