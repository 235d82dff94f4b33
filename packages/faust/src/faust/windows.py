"""Windows of tables."""

from faust_core.windows import HoppingWindow, SessionWindow, SlidingWindow, TumblingWindow, Window

__all__ = ["HoppingWindow", "SessionWindow", "SlidingWindow", "TumblingWindow", "Window"]
