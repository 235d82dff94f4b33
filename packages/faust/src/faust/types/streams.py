"""Streams."""

from collections.abc import Awaitable, Callable
from typing import Any

from faust_core.stream import Stream as StreamT
from faust_core.stream_joins import JoinableStream as JoinableT

__all__ = ["GroupByKeyArg", "JoinableT", "Processor", "StreamT"]

#: What `add_processor` takes.
Processor = Callable[[Any], Any | Awaitable[Any]]
#: What `group_by` takes: a field of a model, or a function.
GroupByKeyArg = Any
