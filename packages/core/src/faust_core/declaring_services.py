"""Declaring what runs beside agents: services and commands of the application's own."""

from __future__ import annotations

import asyncio
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from faust_core.application import AppProtocol
from faust_core.engine.schedule import Job
from faust_core.errors import ConfigError
from faust_core.services import Service
from faust_core.settings import Settings

__all__ = ["CommandSpec", "DeclaresServices"]

log = logging.getLogger(__name__)

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A subcommand of the application's command line.

    Attributes:
        function: plain or async; its first parameter, if it is called `self`, gets the command.
        options: decorators of click: `click.option(…)`, `click.argument(…)`.
        daemon: go on, with the application's producer connected, until the program is interrupted.
    """

    name: str
    function: Callable[..., Any]
    options: tuple[Any, ...] = ()
    help: str = ""
    base: type | None = None
    daemon: bool = False


class DeclaresServices(ABC):
    """The services and commands of an application."""

    conf: Settings

    def __init__(self) -> None:
        super().__init__()
        self.commands: dict[str, CommandSpec] = {}
        #: those that run now
        self.services: list[Any] = []

    @abstractmethod
    def _application(self) -> AppProtocol:
        """Return the application that is declared."""

    @abstractmethod
    def _declare_job(self, job: Job) -> None:
        """Have a job run while the application runs."""

    @overload
    def service(self, service: S, /, *, on_error: str = "log") -> S: ...

    @overload
    def service(self, service: None = None, /, *, on_error: str = "log") -> Callable[[S], S]: ...

    def service(self, service: Any = None, /, *, on_error: str = "log") -> Any:
        """Run a service beside the agents: a class, made without arguments, or an object.

        It is started once the tables are restored, and stopped before the agents are.  Anything with async `start`
        and `stop` will do.  One that crashes, or cannot be started, is started again with back-off (of a class a new
        one is made); `on_error='crash'` stops the worker instead.

        Raises:
            ConfigError: it has no async `start` and `stop`.
        """
        if service is None:
            return lambda found: self.service(found, on_error=on_error)
        for name in ("start", "stop"):
            if not inspect.iscoroutinefunction(getattr(service, name, None)):
                raise ConfigError(f"app.service: {service!r} has no async method {name}()")
        if on_error not in {"log", "crash"}:
            raise ConfigError(f"app.service: on_error={on_error!r} is neither 'log' nor 'crash'")
        name = service.__qualname__ if isinstance(service, type) else type(service).__qualname__
        self._declare_job(Job(f"service {name}", lambda: self._run_service(service), on_error=on_error))
        return service

    async def add_runtime_dependency(self, service: S) -> S:
        """Run one more service; while the application runs, from now on."""
        return self.service(service)

    async def _run_service(self, service: Any) -> None:
        """Run a service until it has stopped by itself.

        Raises:
            Exception: it crashed.
        """
        running = service() if isinstance(service, type) else service
        if isinstance(running, Service):
            running.clock = self._application().clock
        try:
            await running.start()
            self.services.append(running)
            wait = getattr(running, "wait_until_stopped", None)
            await (asyncio.Event().wait() if wait is None else wait())
            crash = getattr(running, "crash_reason", None)
            if crash is not None:
                raise crash
        finally:
            if running in self.services:
                self.services.remove(running)
            async with asyncio.timeout(self.conf.shutdown_timeout):
                await running.stop()

    @overload
    def command(self, function: F, /) -> F: ...

    @overload
    def command(
        self, *options: Any, base: type | None = None, name: str | None = None, daemon: bool = False
    ) -> Callable[[F], F]: ...

    def command(
        self,
        *options: Any,
        base: type | None = None,
        name: str | None = None,
        daemon: bool = False,
        redirect_stdouts: bool | None = None,  # noqa: ARG002  for existing applications
        redirect_stdouts_level: Any = None,  # noqa: ARG002
    ) -> Any:
        """Make a function a subcommand of `faust -A app …` and `python app.py …`.

        Its name is the function's, with dashes; its help the docstring.

        Args:
            options: decorators of click: `click.option(…)`, `click.argument(…)`.
            base: a class to be made the function's `self`; it gets the application.
            daemon: go on until the program is interrupted.

        Raises:
            ConfigError: there is a command of that name.
        """
        if len(options) == 1 and inspect.isfunction(options[0]) and _is_command(options[0]):
            function: Any = options[0]  # used without parentheses
            self.command()(function)
            return function

        def declare(function: F) -> F:
            command_name = (name or function.__name__).replace("_", "-")
            if command_name in self.commands:
                raise ConfigError(f"there is a command {command_name!r} already: give one of them a name=")
            help_text = inspect.getdoc(function) or ""
            self.commands[command_name] = CommandSpec(command_name, function, options, help_text, base, daemon)
            return function

        return declare


def _is_command(function: Callable[..., Any]) -> bool:
    """Whether it is the command itself, and not one of click's decorators for one."""
    return not (function.__module__ or "").startswith(("click", "faust"))
