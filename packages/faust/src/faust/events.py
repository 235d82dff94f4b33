"""Events: one record each."""

from faust_core.events import Event, current_event

__all__ = ["Event", "current_event"]
