"""Streams."""

from faust_core.events import current_event
from faust_core.stream import Stream

__all__ = ["Stream", "current_event"]
