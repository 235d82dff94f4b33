"""Events: one record each."""

from faust_core.events import Event, current_event
from faust_core.events import Event as EventT

__all__ = ["Event", "EventT", "current_event"]
