"""Windows of tables."""

from faust_core.windows import HoppingWindow, LateEvent, SessionWindow, SlidingWindow, TumblingWindow, Window

__all__ = ["HoppingWindow", "LateEvent", "SessionWindow", "SlidingWindow", "TumblingWindow", "Window"]
