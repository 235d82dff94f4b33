"""The numbers of a worker in one document."""

from faust_core.sensors import performance_metrics

__all__ = ["performance_metrics"]
