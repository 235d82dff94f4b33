"""A worker that a program starts itself: `faust.Worker(app)`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

from faust_cli.apps import prepare
from faust_cli.failures import INTERRUPTED, CommandFailed, in_one_line
from faust_cli.logs import LogWriter, configure, level_of, set_up
from faust_cli.running import run
from faust_cli.workers.banner import announce
from faust_cli.workers.single import run_worker
from faust_core.app import App
from faust_core.errors import ConfigError

__all__ = ["Worker"]


class Worker:
    """Runs an application as `faust worker` does, from inside a program.

    `execute_from_commandline()` is the whole program.  `await start()` runs it on the event loop at hand, and returns
    when a signal or `stop()` has ended it.

    Args:
        app: the application.
        services: objects with async `start` and `stop` that run beside the agents, as with `@app.service`.
        loglevel, logfile: set up the log; without both it is left as the program has it.
        workdir: a directory to go to first.
        quiet: print nothing at the start.
        loop: for `execute_from_commandline`; a new one where None.
        daemon: False lets `start()` return as soon as the application runs; `stop()` ends it then.
        redirect_stdouts, redirect_stdouts_level, logging_config: in place of the settings of these names
            (`worker_redirect_stdouts` …).
        sensors: are added to the application's.
        debug, stdout, stderr, blocking_timeout, console_port: accepted for existing programs, without effect.

    Raises:
        ConfigError: `app` is no application.
    """

    def __init__(
        self,
        app: App,
        *services: Any,
        sensors: Iterable[Any] | None = None,
        debug: bool = False,  # noqa: ARG002
        quiet: bool = False,
        loglevel: str | int | None = None,
        logfile: str | Path | None = None,
        stdout: TextIO | None = None,  # noqa: ARG002
        stderr: TextIO | None = None,  # noqa: ARG002
        blocking_timeout: float | None = None,  # noqa: ARG002
        workdir: str | Path | None = None,
        console_port: int | None = None,  # noqa: ARG002
        loop: asyncio.AbstractEventLoop | None = None,
        redirect_stdouts: bool | None = None,
        redirect_stdouts_level: str | int | None = None,
        logging_config: Mapping[str, Any] | None = None,
        daemon: bool = True,
    ) -> None:
        if not isinstance(app, App):
            raise ConfigError(f"faust.Worker runs an App, not {app!r}")
        self.app = app
        self.quiet = quiet
        self.loop = loop
        self.daemon = daemon
        self._loglevel = loglevel
        self._logfile = None if logfile is None else Path(logfile)
        self._workdir = None if workdir is None else Path(workdir)
        self._stop: asyncio.Event | None = None
        self._stopped: asyncio.Event | None = None
        for service in services:
            app.service(service)
        told: Any = app
        for sensor in sensors or ():
            told.sensors.add(sensor)
        given = {
            "worker_redirect_stdouts": redirect_stdouts,
            "worker_redirect_stdouts_level": redirect_stdouts_level,
            "logging_config": logging_config,
        }
        for name, value in given.items():
            if value is not None:
                setattr(app.conf, name, value)

    def execute_from_commandline(self) -> NoReturn:
        """Run until SIGTERM or SIGINT, then end the process: code 0, or 1 with the reason on stderr if it failed."""
        try:
            self._prepare()
            announce(self.app, quiet=self.quiet, loop="aio")
            if self.loop is None:
                run(self._run(alone=True))
            else:
                self.loop.run_until_complete(self._run(alone=True))
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except CommandFailed as exc:
            self._say(exc.format_message())
            raise SystemExit(1) from None
        except Exception as exc:  # noqa: BLE001  it is the end of the program
            self._say(in_one_line(exc, "the worker failed"))
            raise SystemExit(1) from None
        finally:
            self._close_loop()
        raise SystemExit(0)

    @staticmethod
    def _say(reason: str) -> None:
        print(f"Error: {reason}", file=sys.stderr)  # noqa: T201  for the person at the terminal

    async def start(self) -> None:
        """Run the application until it is stopped; with `daemon=False` return when it runs.

        Raises:
            Exception: what it failed with.
        """
        self._prepare()
        if self.daemon:
            await self._run(alone=False)
        else:
            self._stop = self._stopped = None
            await self.app.start(serve=self.app.conf.web_enabled)

    async def stop(self) -> None:
        """Finish what is in flight, commit, leave the group; idempotent."""
        if self._stop is None or self._stopped is None:
            await self.app.stop()
        else:
            self._stop.set()
            await self._stopped.wait()

    def stop_and_shutdown(self) -> None:
        """Stop it from outside of its loop, which `loop=` gave, and close that loop."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.run_until_complete(self.stop())
            self._close_loop()

    stop_and_shutdown_loop = stop_and_shutdown

    def _close_loop(self) -> None:
        if self.loop is not None and not self.loop.is_running() and not self.loop.is_closed():
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _prepare(self) -> None:
        if self._workdir is not None:
            os.chdir(self._workdir)
        if self._loglevel is not None or self._logfile is not None:
            set_up(str(self._loglevel or "info"), self._logfile)
        self.app.in_worker = True
        self.app.finalize()
        configure(self.app.conf)
        prepare(self.app, None)

    async def _run(self, *, alone: bool) -> None:
        self._stop, self._stopped = asyncio.Event(), asyncio.Event()
        conf = self.app.conf
        with contextlib.ExitStack() as stack:
            if conf.worker_redirect_stdouts:
                writer: Any = LogWriter(level_of(str(conf.worker_redirect_stdouts_level)))
                stack.enter_context(contextlib.redirect_stdout(writer))
            try:
                await run_worker(
                    self.app,
                    serve=conf.web_enabled,
                    asked=self._stop,
                    signals=threading.current_thread() is threading.main_thread(),
                    alone=alone,
                )
            finally:
                self._stopped.set()
