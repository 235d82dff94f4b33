"""Spans of a tracer of the program's own: `app.trace`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

__all__ = ["Traces"]

F = TypeVar("F", bound=Callable[..., Any])


class Traces:
    """What an application offers to trace by.

    Attributes:
        tracer: begins spans: an object with `trace(name, **extra)`, which returns a context; None traces nothing.
    """

    tracer: Any = None

    def trace(self, name: str, trace_enabled: bool = True, **extra: Any) -> AbstractContextManager[Any]:
        """Return a context that is a span of `app.tracer`; of nothing where there is no tracer."""
        if self.tracer is None or not trace_enabled:
            return nullcontext()
        span: AbstractContextManager[Any] = self.tracer.trace(name, **extra)
        return span

    def traced(self, function: F | None = None, name: str | None = None, **extra: Any) -> Any:
        """Run each call of a function in a span; usable as a decorator, with parentheses or without."""
        if function is None:
            return lambda found: self.traced(found, name, **extra)
        title = name or function.__qualname__

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_async(*args: Any, **kwargs: Any) -> Any:
                with self.trace(title, **extra):
                    return await function(*args, **kwargs)

            return traced_async

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with self.trace(title, **extra):
                return function(*args, **kwargs)

        return traced
