"""The monitor."""

from faust_core.sensors import Monitor, TableState

__all__ = ["Monitor", "TableState"]
