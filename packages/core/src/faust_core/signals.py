"""Signals: functions of the application's user that are told what happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["Signal"]

Handler = Callable[..., Any]


class Signal:
    """Handlers, connected by `@app.on_….connect`, called with the application first.  They may be async.

    A handler may take fewer arguments than are sent: what it has no parameter for is left out.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: list[Handler] = []

    def connect(self, handler: Handler | None = None, **_options: Any) -> Handler:
        """Add a handler; usable as a decorator, with parentheses or without."""
        if handler is None:
            return self.connect
        self._handlers.append(handler)
        return handler

    def disconnect(self, handler: Handler) -> None:
        if handler in self._handlers:
            self._handlers.remove(handler)

    async def send(self, sender: Any, *args: Any, **kwargs: Any) -> None:
        """Call the handlers in the order in which they were connected; the first that raises ends it."""
        for handler in list(self._handlers):
            result = _call(handler, sender, args, kwargs)
            if inspect.isawaitable(result):
                await result

    def send_now(self, sender: Any, *args: Any, **kwargs: Any) -> None:
        """Call handlers that are not async."""
        for handler in list(self._handlers):
            result = _call(handler, sender, args, kwargs)
            if inspect.isawaitable(result):
                raise TypeError(f"a handler of {self.name} cannot be async: {handler!r}")

    def __repr__(self) -> str:
        return f"<Signal: {self.name}>"


def _call(handler: Handler, sender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    parameters = inspect.signature(handler).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        accepted = kwargs
    else:
        accepted = {name: value for name, value in kwargs.items() if any(p.name == name for p in parameters)}
    given: tuple[Any, ...] = (sender, *args)
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        given = given[: len([p for p in positional if p.name not in accepted])]
    return handler(*given, **accepted)
