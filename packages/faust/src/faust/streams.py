"""Streams."""

from faust_core.events import current_event
from faust_core.stream import Stream
from faust_core.stream import Stream as StreamT

__all__ = ["Stream", "StreamT", "current_event"]
