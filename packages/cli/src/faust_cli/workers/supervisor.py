"""Several worker processes under one parent.

The parent runs nothing of the application.  It starts the same command again for each process, passes signals
on, and when one process ends it stops the others: whatever watches the parent then starts all of them anew.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from faust_cli.failures import CommandFailed
from faust_cli.workers.child import Child
from faust_cli.workers.signals import stopping_on_signals

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A child that was started."""

    child: Child
    process: asyncio.subprocess.Process

    def send(self, number: int) -> None:
        """Pass a signal on; one that has ended already gets none."""
        if self.process.returncode is None:
            try:
                self.process.send_signal(number)
            except ProcessLookupError:
                log.debug("worker process %d has ended already", self.child.index)

    def end(self) -> str:
        """Say how it ended."""
        code = self.process.returncode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        reason = self.child.reason.read_text(encoding="utf-8") if self.child.reason.exists() else ""
        return f"worker process {self.child.index} (pid {self.process.pid}) ended: {how}{reason and ': ' + reason}"


class Supervisor:
    """Runs `count` worker processes until a signal comes or one of them ends.

    Args:
        started_in: the directory in which this program was started, where its command line makes sense.
        patience_s: how long processes may take to stop before they are killed.
    """

    def __init__(self, count: int, started_in: Path, *, patience_s: float) -> None:
        self._count = count
        self._started_in = started_in
        self._patience_s = patience_s
        self._running: list[Running] = []

    async def run(self) -> None:
        """Raises:
        CommandFailed: a process ended by itself, or not well; says which and why.
        """
        asked = asyncio.Event()
        with (
            tempfile.TemporaryDirectory(prefix="faust-") as folder,
            stopping_on_signals(asked.set, before_exit=lambda: self._send_all(signal.SIGKILL)),
        ):
            try:
                for index in range(self._count):
                    self._running.append(await self._start(Child(index, Path(folder) / str(index))))
                await self._until_one_ends_or(asked)
                ended = [running for running in self._running if running.process.returncode is not None]
                self._tell(ended)
            finally:
                await self._stop_all()
            ended += [running for running in self._running if running.process.returncode and running not in ended]
            if ended:
                raise CommandFailed(ended[0].end())

    async def _start(self, child: Child) -> Running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *sys.orig_argv[1:],
            cwd=self._started_in,
            env=child.environment(),
            stdin=asyncio.subprocess.PIPE,  # its end tells the child that this process is gone
            process_group=0,  # Ctrl-C reaches this process alone, which passes it on
        )
        log.info("worker process %d: pid %d", child.index, process.pid)
        return Running(child, process)

    async def _until_one_ends_or(self, asked: asyncio.Event) -> None:
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(asked.wait())]
        waits += [asyncio.create_task(running.process.wait()) for running in self._running]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _tell(self, ended: list[Running]) -> None:
        for running in ended:
            log.error("%s; stopping the others", running.end())

    def _send_all(self, number: int) -> None:
        for running in self._running:
            running.send(number)

    async def _stop_all(self) -> None:
        """Stop what still runs, gracefully at first."""
        self._send_all(signal.SIGTERM)
        ends = asyncio.gather(*(running.process.wait() for running in self._running))
        try:
            async with asyncio.timeout(self._patience_s):
                await ends
        except TimeoutError:
            click.echo(f"faust: worker processes did not stop within {self._patience_s:g} s: killing them", err=True)
            self._send_all(signal.SIGKILL)
            await asyncio.gather(*(running.process.wait() for running in self._running))
