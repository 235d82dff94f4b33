"""Programs to run, in a folder of their own."""

import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from faust_cli.main import cli
from faust_cli.options import Options
from tests.services.patience import PATIENCE

WAIT_S = 15.0 * PATIENCE


@dataclass
class Program:
    """A running `faust`, and what it has said so far."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def stdout(self) -> str:
        return self.out.read_text()

    @property
    def stderr(self) -> str:
        return self.err.read_text()

    @property
    def last_line(self) -> str:
        return self.stderr.splitlines()[-1]

    def saying(self, text: str, times: int = 1) -> None:
        """Wait until it has said `text`."""
        deadline = time.monotonic() + WAIT_S
        while (self.stdout + self.stderr).count(text) < times:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.stdout}{self.stderr}"
            assert time.monotonic() < deadline, f"did not say {text!r}:\n{self.stdout}{self.stderr}"
            time.sleep(0.02)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def code(self, timeout: float = WAIT_S) -> int:
        """Wait until it ends; its exit code."""
        return self.process.wait(timeout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which commands run; nothing that they change in this process stays."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("FAUST_DATADIR", "FAUST_DEBUG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return place


@pytest.fixture
def module(folder: Path) -> Callable[[str], str]:
    """Writes a module, and returns its name, which no other test has."""

    def write(text: str, name: str = "") -> str:
        name = name or f"program_{uuid.uuid4().hex[:8]}"
        (folder / f"{name}.py").write_text(dedent(text))
        return name

    return write


@pytest.fixture
def faust(folder: Path) -> Iterator[Callable[..., Result]]:
    """Runs a command line in this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments: str, options: Options | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, obj=options or Options(), prog_name="faust")

    yield run
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts `python …` in a process of its own; it is killed at the end if it still runs."""
    started: list[Program] = []

    def run(*arguments: str, **environment: str) -> Program:
        out, err = tmp_path / f"out-{len(started)}", tmp_path / f"err-{len(started)}"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            )
        started.append(Program(process, out, err))
        return started[-1]

    yield run
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait()
