"""Sensors: who is told what happens in an application, and the monitor that knows the numbers."""

from faust_core.sensors.base import EACH_EVENT, Sensor
from faust_core.sensors.counts import Counts, Histogram, SendCount, StreamCount, TableCount
from faust_core.sensors.delegate import SensorDelegate
from faust_core.sensors.exposition import exposition
from faust_core.sensors.metrics import Family, families
from faust_core.sensors.monitor import Monitor, TableState
from faust_core.sensors.summary import performance_metrics

__all__ = [
    "EACH_EVENT",
    "Counts",
    "Family",
    "Histogram",
    "Monitor",
    "SendCount",
    "Sensor",
    "SensorDelegate",
    "StreamCount",
    "TableCount",
    "TableState",
    "exposition",
    "families",
    "performance_metrics",
]
