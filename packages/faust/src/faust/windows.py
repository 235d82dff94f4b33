"""Windows of tables."""

from faust_core.windows import HoppingWindow, TumblingWindow, Window

__all__ = ["HoppingWindow", "TumblingWindow", "Window"]
