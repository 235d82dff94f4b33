"""A real schema registry for tests: Apicurio Registry, which speaks the HTTP API of Confluent's.

Confluent's own is on a package repository of its own, under a licence of its own; this one is on Maven Central.
"""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from tests.services.errors import ServiceUnavailableError
from tests.services.maven import JavaProgram
from tests.services.ports import free_port, wait_until_ready
from tests.services.process import GuardedProcess

VERSION = "2.6.13.Final"  # the newest that runs on Java 17
_START_TIMEOUT_S = 90.0  # 4 s on an idle laptop; machines that run tests are not idle

#: 140 MB.
APICURIO = JavaProgram(
    "Apicurio Registry",
    "faust-apicurio",
    VERSION,
    ["dependency:unpack", f"-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"],
    "set SCHEMA_REGISTRY_URL to a registry of your own, or leave these tests out with --without-registry",
)

_SETTINGS = {
    "quarkus.http.host": "127.0.0.1",
    # Confluent's registry takes schemas for the same that differ in white space alone, and demands BACKWARD.
    "registry.ccompat.use-canonical-hash": "true",
    "registry.rules.global.compatibility": "BACKWARD",
}


class ApicurioRegistry:
    """A registry that keeps its schemas in memory: they are gone when it ends.

    Reachable at `url`.  Start it with `start()` or use it as a context manager.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Describe the registry; nothing runs yet.

        Args:
            directory: takes the log; made if missing.
            port: a free one if not given.
        """
        self.directory = directory.absolute()
        self.log = self.directory / "registry.log"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._process: GuardedProcess | None = None
        self.directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.is_running()

    def start(self) -> None:
        """Start the registry and wait until it answers.  Does nothing if it runs.

        Raises:
            ServiceUnavailableError: Java, Maven or the registry is missing, or it does not come up.
        """
        if self.is_running():
            return
        self.close()
        program = APICURIO.folder()
        settings = [f"-D{name}={value}" for name, value in {**_SETTINGS, "quarkus.http.port": self.port}.items()]
        quick = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # it serves a few hundred requests
        jar = program / f"apicurio-registry-app-{VERSION}-runner.jar"
        command: list[str | Path] = [APICURIO.java(), *quick, *settings, "-jar", jar]
        self._process = GuardedProcess(command, log=self.log, cwd=self.directory)
        if not wait_until_ready(self.answers, alive=self.is_running, timeout_s=_START_TIMEOUT_S):
            tail = self._process.tail()
            state = "does not answer" if self.is_running() else "ended at once"
            self.close()
            raise ServiceUnavailableError(f"the registry in {self.directory} {state}; end of its log:\n{tail}")

    def answers(self) -> bool:
        """Whether the registry answers within two seconds that it is ready.

        Raises:
            OSError: it cannot be reached.
        """
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=2.0) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def close(self) -> None:
        """Kill the registry if it runs.  The log stays."""
        if self._process is not None:
            self._process.close()
            self._process = None
