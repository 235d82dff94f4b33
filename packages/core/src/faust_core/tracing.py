"""Traces: the W3C trace context that goes from an event to what is sent for it.

https://www.w3.org/TR/trace-context/: the header `traceparent` is `00-{trace id}-{span id}-{flags}`; `tracestate` goes
with it.  Nobody records anything here.  What records (OpenTelemetry) is a `Tracer`, given as `app.tracer`.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from faust_core._context import current_claim
from faust_core.errors import ConfigError
from faust_core.records import Headers

__all__ = ["TRACEPARENT", "TRACESTATE", "TraceContext", "Tracer", "Tracing", "current_trace"]

F = TypeVar("F", bound=Callable[..., Any])

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
#: The standard allows so many characters, and a broken sender must not make every record large.
MAX_STATE = 512

PARENT = re.compile(r"^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where in a trace something happens.

    Attributes:
        trace_id: 32 hexadecimal digits, the same for all that one cause brings about.
        span_id: 16 of them: the step that this is part of.
        sampled: whether those who record shall.
        state: what vendors add, as it came.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""

    @classmethod
    def new(cls, *, sampled: bool = True) -> TraceContext:
        """Begin a trace."""
        return cls(os.urandom(16).hex(), os.urandom(8).hex(), sampled)

    @classmethod
    def parse(cls, parent: bytes | str | None, state: bytes | str | None = None) -> TraceContext | None:
        """Read the headers; None where they are none, as the standard has it."""
        match = PARENT.match(_text(parent))
        if match is None:
            return None
        version, trace_id, span_id, flags, rest = match.groups()
        if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
            return None
        text = _text(state)
        return cls(trace_id, span_id, bool(int(flags, 16) & 1), text if len(text) <= MAX_STATE else "")

    @classmethod
    def of(cls, headers: Headers) -> TraceContext | None:
        """Read the headers of a record."""
        parent = next((value for name, value in headers if name == TRACEPARENT), None)
        if parent is None:
            return None
        return cls.parse(parent, next((value for name, value in headers if name == TRACESTATE), None))

    def child(self) -> TraceContext:
        """Return a step within this one."""
        return TraceContext(self.trace_id, os.urandom(8).hex(), self.sampled, self.state)

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def headers(self) -> list[tuple[str, bytes]]:
        """Return it as headers of a record."""
        pairs = [(TRACEPARENT, self.traceparent.encode())]
        return [*pairs, (TRACESTATE, self.state.encode())] if self.state else pairs


def _text(value: bytes | str | None) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""


#: Set by `app.trace`.  What is sent inside belongs to it, rather than to the event in hand.
_trace: ContextVar[TraceContext | None] = ContextVar("faust_trace", default=None)


def current_trace() -> TraceContext | None:
    """Return the trace of what is going on: that of the innermost `app.trace`, else that of the event in hand."""
    trace = _trace.get()
    if trace is not None:
        return trace
    claim = current_claim.get()
    if claim is None or claim.index >= claim.stop:
        return None
    return TraceContext.of(claim.headers)


class Tracer(Protocol):
    """Records spans; `faust_sensors` has one for OpenTelemetry."""

    def trace(self, name: str, /, **attributes: Any) -> AbstractContextManager[Any]:
        """Return a span that is current inside of the block, and ends with it."""
        ...

    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Return the headers by which what is sent now belongs to the current span; none where there is none."""
        ...


class Tracing:
    """What `app.trace`, `app.traced` and the headers of what is sent go by."""

    def __init__(self, carries: Callable[[], bool]) -> None:
        """Args:
        carries: whether sent records get the trace of the event that they are sent for: `trace_propagation`.
        """
        self._carries = carries
        self.tracer: Tracer | None = None

    @property
    def carries(self) -> bool:
        return self._carries()

    @property
    def active(self) -> bool:
        """Whether sent records may get headers."""
        return self.carries or self.tracer is not None

    def trace(self, name: str, *, enabled: bool, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        """Return the block of `app.trace`."""
        if not enabled:
            return nullcontext()
        if self.tracer is not None:
            return self.tracer.trace(name, **attributes)
        return self._span() if self.carries else nullcontext()

    @contextmanager
    def _span(self) -> Iterator[TraceContext]:
        around = current_trace()
        span = TraceContext.new() if around is None else around.child()
        token = _trace.set(span)
        try:
            yield span
        finally:
            _trace.reset(token)

    def traced(self, function: F, name: str | None, sample_rate: float, attributes: dict[str, Any]) -> F:
        """Return a function of which that share of calls runs inside of a span."""
        if not 0.0 <= sample_rate <= 1.0:
            raise ConfigError(f"traced(sample_rate={sample_rate!r}): give the share of calls, from 0.0 to 1.0")
        shown = name or f"{function.__module__}.{function.__qualname__}"

        def block() -> AbstractContextManager[Any]:
            chosen = sample_rate >= 1.0 or random.random() < sample_rate
            return self.trace(shown, enabled=chosen, attributes=attributes)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def in_span(*args: Any, **kwargs: Any) -> Any:
                with block():
                    return await function(*args, **kwargs)

            return cast("F", in_span)

        @functools.wraps(function)
        def in_plain_span(*args: Any, **kwargs: Any) -> Any:
            with block():
                return function(*args, **kwargs)

        return cast("F", in_plain_span)

    def carried(self, headers: Headers | None) -> Headers | None:
        """Return headers with those of the current trace, unless they have their own."""
        if not self.active:
            return headers
        own = list(headers or ())
        mine = self._current_headers()
        event = _event_trace_headers()
        # What an event's own headers were handed on with is older than a span that was opened meanwhile.
        if any(name == TRACEPARENT for name, _ in own):
            inherited = event is not None and all(pair in own for pair in event)
            if not inherited or not mine or mine == event:
                return headers
            own = [pair for pair in own if pair[0] not in (TRACEPARENT, TRACESTATE)]
        return [*own, *mine] if mine else headers

    def _current_headers(self) -> list[tuple[str, bytes]]:
        if self.tracer is not None and (pairs := list(self.tracer.headers())):
            return pairs
        if not self.carries:
            return []
        trace = current_trace()
        return [] if trace is None else trace.headers()


def _event_trace_headers() -> list[tuple[str, bytes | None]] | None:
    """Return the trace headers of the event in hand, as they came."""
    claim = current_claim.get()
    if claim is None or claim.index >= claim.stop:
        return None
    pairs = [pair for pair in claim.headers if pair[0] in (TRACEPARENT, TRACESTATE)]
    return pairs or None
