"""Signals: functions of the application's user that are told what happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["ClassSignal", "Signal"]

Handler = Callable[..., Any]


class Signal:
    """Handlers, connected by `@app.on_….connect`, called with the application first.  They may be async.

    A handler may take fewer arguments than are sent: what it has no parameter for is left out.
    """

    def __init__(self, name: str, above: Callable[[], Iterator[Signal]] = lambda: iter(())) -> None:
        """Args:
        above: signals whose handlers are called before: those of the application's classes.
        """
        self.name = name
        self._above = above
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

    @property
    def handlers(self) -> list[Handler]:
        """Those that are called, in their order."""
        return [handler for signal in (*self._above(), self) for handler in signal._handlers]  # noqa: SLF001

    async def send(self, sender: Any, *args: Any, **kwargs: Any) -> None:
        """Call the handlers in the order in which they were connected; the first that raises ends it."""
        for handler in self.handlers:
            result = _call(handler, sender, args, kwargs)
            if inspect.isawaitable(result):
                await result

    def send_now(self, sender: Any, *args: Any, **kwargs: Any) -> None:
        """Call handlers that are not async."""
        for handler in self.handlers:
            result = _call(handler, sender, args, kwargs)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError(f"a handler of {self.name} cannot be async: {handler!r}")

    async def __call__(self) -> None:
        """Do nothing: what `await super().on_started()` calls in a subclass that has a method of this name."""

    def __repr__(self) -> str:
        return f"<Signal: {self.name}>"


class ClassSignal:
    """An attribute of a class of applications: `App.on_x` is for all of them, `app.on_x` for one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._of_class: WeakKeyDictionary[type, Signal] = WeakKeyDictionary()

    def __get__(self, app: Any, owner: type) -> Signal:
        return self.of_class(owner) if app is None else self.of(app)

    def __set__(self, app: Any, value: Any) -> None:
        raise AttributeError(f"app.{self._name} is a signal: connect a handler by @app.{self._name}.connect")

    def of_class(self, owner: type) -> Signal:
        """Return the signal whose handlers are told of all applications of a class."""
        if owner not in self._of_class:
            self._of_class[owner] = Signal(self._name)
        return self._of_class[owner]

    def of(self, app: Any) -> Signal:
        """Return the signal of one application, whatever its class has under that name."""
        own: dict[str, Signal] = app.__dict__.setdefault("_signals", {})
        if self._name not in own:
            classes = type(app).__mro__[::-1]
            own[self._name] = Signal(
                self._name, lambda: (self._of_class[each] for each in classes if each in self._of_class)
            )
        return own[self._name]


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
