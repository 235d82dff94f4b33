"""Running examples, and leaving a shared broker as it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.examples.programs import EXAMPLES, Example

WAIT_S = 45.0


@dataclass
class Run:
    """A running example."""

    process: subprocess.Popen[bytes]
    example: Example
    stdout: Path
    stderr: Path

    @property
    def output(self) -> str:
        """What it has printed so far, in whole lines."""
        text = self.stdout.read_text(encoding="utf-8")
        return text[: text.rfind("\n") + 1]

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.stderr.read_text(encoding="utf-8")

    def wait_until(self, complete: Callable[[str], bool]) -> None:
        """Wait until it has printed what `complete` asks for."""
        deadline = time.monotonic() + WAIT_S
        while not complete(self.output):
            ended = self.process.poll()
            assert ended is None, f"ended with {ended}:\n{self.output}{self.log}"
            assert time.monotonic() < deadline, f"not complete after {WAIT_S:g} s:\n{self.output}{self.log}"
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> int:
        """Wait until it ends; its exit code."""
        return self.process.wait(WAIT_S)


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an example, in an empty folder; it is killed at the end if it still runs."""
    runs: list[Run] = []

    def run(example: Example, broker_url: str, **environment: str) -> Run:
        out, err = tmp_path / f"out-{len(runs)}", tmp_path / f"err-{len(runs)}"
        arguments = ["worker", "-l", "info"] if example.worker else []
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(example.path), *arguments],
                cwd=tmp_path,
                stdout=stdout,
                stderr=stderr,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONIOENCODING": "utf-8",
                    "BROKER_URL": broker_url,
                    **environment,
                },
            )
        runs.append(Run(process, example, out, err))
        return runs[-1]

    yield run
    for started in runs:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()


@pytest.fixture
def as_new(kafka: str) -> Iterator[dict[str, str]]:
    """An environment in which each application has an id that the broker has not seen; its topics are deleted after.

    Topics without the id in their name are kept where they existed before.
    """
    version = str(random.randrange(1_000_000, 10_000_000))
    admin = AdminClient({"bootstrap.servers": kafka})
    before = set(admin.list_topics(timeout=10).topics)
    yield {"APP_VERSION": version, "APP_REPLY_TO_PREFIX": f"f-reply-v{version}-"}
    named = {topic for example in EXAMPLES for topic in example.topics}
    made = set(admin.list_topics(timeout=10).topics) - before
    ours = [topic for topic in made if topic in named or f"-v{version}-" in topic]
    if ours:
        for deleted in admin.delete_topics(ours, operation_timeout=10).values():
            deleted.result()
