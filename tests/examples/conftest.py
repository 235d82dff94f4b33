"""Running examples, and leaving a shared broker as it was."""

from __future__ import annotations

import fcntl
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.examples.programs import EXAMPLES, Example
from tests.services.patience import PATIENCE
from tests.services.process import GuardedProcess
from tests.services.schema_registry import SchemaRegistryServer

WAIT_S = 45.0 * PATIENCE


class Run:
    """A running example."""

    def __init__(self, example: Example, folder: Path, environment: dict[str, str]) -> None:
        """Start it in `folder`, where its output goes too."""
        self._stdout = folder / "stdout"
        arguments = ["worker", "-l", "info"] if example.worker else []
        self._process = GuardedProcess(
            # What is printed apart from what is logged: otherwise lines could get mixed up.
            ["sh", "-c", 'exec "$@" > stdout', "sh", sys.executable, example.path, *arguments],
            log=folder / "stderr",
            cwd=folder,
            env={"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **environment},
        )

    @property
    def output(self) -> str:
        """What it has printed so far, in whole lines."""
        text = self._stdout.read_text(encoding="utf-8") if self._stdout.exists() else ""
        return text[: text.rfind("\n") + 1]

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._process.log.read_text(encoding="utf-8")

    def wait_until(self, complete: Callable[[str], bool]) -> None:
        """Wait until it has printed what `complete` asks for."""
        deadline = time.monotonic() + WAIT_S
        while not complete(self.output):
            ended = self._process.returncode
            assert ended is None, f"ended with {ended}:\n{self.output}{self.log}"
            assert time.monotonic() < deadline, f"not complete after {WAIT_S:g} s:\n{self.output}{self.log}"
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        return self._process.terminate(WAIT_S)

    def end(self) -> int:
        """Wait until it ends; its exit code."""
        return self._process.wait(WAIT_S)

    def close(self) -> None:
        """Kill it if it still runs."""
        self._process.close()


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts an example in an empty folder; it is killed at the end if it still runs."""

    def registry_url(broker_url: str) -> str:
        """Return a real one where the broker is, else one of this process."""
        if broker_url.startswith("memory:"):
            ours: SchemaRegistryServer = request.getfixturevalue("schema_registry")
            return ours.url
        url: str = request.getfixturevalue("schema_registry_url")
        return url

    with ExitStack() as runs:

        def run(example: Example, broker_url: str, **environment: str) -> Run:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            if example.registry:
                environment["SCHEMA_REGISTRY_URL"] = registry_url(broker_url)
            started = Run(example, folder, {"BROKER_URL": broker_url, **environment})
            runs.callback(started.close)
            return started

        yield run


@pytest.fixture
def as_new(kafka: str) -> Iterator[dict[str, str]]:
    """An environment in which each application has an id that the broker has not seen; its topics are deleted after.

    Topics without the id in their name are kept where they existed before.  Examples have such topics in common, so
    that only one of them runs on a broker at a time, however many processes test.
    """
    lock = Path(tempfile.gettempdir(), f"examples-on-{re.sub(r'[^0-9A-Za-z.]+', '-', kafka)}.lock")
    with lock.open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        yield from _new_names(kafka)


def _new_names(kafka: str) -> Iterator[dict[str, str]]:
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
