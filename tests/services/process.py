"""A child process that dies with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services import guard
from tests.services.patience import PATIENCE


class GuardedProcess:
    """A running command; it starts when the object is made and is gone at the latest when this process is.

    Output goes to the end of the `log` file.  The process has a session of its own, so Ctrl-C at a terminal
    does not reach it.  Any thread may call any method.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start `command`.

        Args:
            command: program and arguments; the program is looked up on the PATH.
            log: file that standard output and standard error are appended to.
            env: variables set in addition to this process's own.
            cwd: working directory; this process's own if not given.

        Raises:
            FileNotFoundError: there is no such program.
        """
        self.command = [str(part) for part in command]
        self.log = log
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        pid = self._guard.stdout.readline()
        if not pid:
            self.close()
            raise FileNotFoundError(f"cannot run {self.command[0]}: {self.tail(1)}")
        self.pid = int(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def is_running(self) -> bool:
        """Whether the process has not ended; a paused one runs."""
        return self._guard.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit code, minus the signal's number if a signal ended it, None while it runs."""
        return self._guard.poll()

    def wait(self, timeout_s: float) -> int:
        """Wait for the end and give the exit code.

        Raises:
            TimeoutError: it still runs after `timeout_s`.
        """
        timeout_s *= PATIENCE
        try:
            return self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.command[0]} (pid {self.pid}) still runs after {timeout_s} s") from None

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self.is_running():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended just now

    def terminate(self, timeout_s: float = 30.0) -> int:
        """SIGTERM (waking a paused process), then wait; after `timeout_s` SIGKILL.  Gives the exit code."""
        self.send_signal(signal.SIGTERM)
        self.resume()
        try:
            return self.wait(timeout_s)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, then wait.  Gives the exit code."""
        self.send_signal(signal.SIGKILL)
        return self.wait(10.0)

    def pause(self) -> None:
        """SIGSTOP: the process keeps its connections and answers nothing, from the moment that this returns."""
        self.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10.0  # a busy machine stops a thread only when it would run next
        while self.is_running() and not _is_stopped(self.pid):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.command[0]} (pid {self.pid}) does not stop")
            time.sleep(0.005)

    def resume(self) -> None:
        """SIGCONT: the process goes on where it was paused."""
        self.send_signal(signal.SIGCONT)

    def wait_for_log(self, text: str, timeout_s: float) -> None:
        """Wait until `text` is in the log.

        Raises:
            TimeoutError: it is not there after `timeout_s`; the message has the end of the log.
            RuntimeError: the process ended without writing it.
        """
        timeout_s *= PATIENCE
        deadline = time.monotonic() + timeout_s
        while True:
            running = self.is_running()  # asked before reading, so that the last words of a process count
            if text in self.log.read_text(errors="replace"):
                return
            if not running:
                raise RuntimeError(f"{self.command[0]} ended without {text!r} in {self.log}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in {self.log} after {timeout_s} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Kill the process if it runs, and free what this object holds.  May be called again."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()  # the guard kills the command and ends
        self._guard.wait(10.0)
        if self._guard.stdout is not None:
            self._guard.stdout.close()


def _is_stopped(pid: int) -> bool:
    """Whether every thread of a process is; True where the system does not tell."""
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False  # a thread ended while we looked
    return all(state in "Tt" for state in states)
