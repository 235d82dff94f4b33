"""A real Apache Kafka broker for tests: one KRaft node on the loopback interface."""

import base64
import shutil
import socket
import struct
import subprocess
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.services.errors import ServiceUnavailableError
from tests.services.maven import JavaProgram
from tests.services.ports import free_port, wait_until_ready
from tests.services.process import GuardedProcess

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_START_TIMEOUT_S = 90.0  # 4 s on an idle laptop; machines that run tests are not idle
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # size, API key, version, correlation id, no client id


class KafkaBroker:
    """A broker with a data directory and ports that stay the same from start to start.

    Reachable at `bootstrap`.  With `advertised` it has one more listener per address given: the broker tells
    clients of that listener to connect to the advertised address, so that a proxy there sees all their traffic;
    the proxy forwards to the same place in `behind`.  Start it with `start()` or use it as a context manager.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        advertised: str | Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        heap: str = "512m",
    ) -> None:
        """Write the configuration; nothing runs yet.

        Args:
            directory: takes configuration, data and log; made if missing, and may hold an earlier broker's data.
            port: of the plain listener; a free one if not given.
            advertised: `host:port` of proxies that clients reach the broker through.
            settings: lines for server.properties, in addition to or instead of ours.
            heap: the Java heap's largest size.
        """
        self.directory = directory.absolute()
        self.log = self.directory / "broker.log"
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.advertised = (advertised,) if isinstance(advertised, str) else tuple(advertised)
        self.behind = tuple(f"127.0.0.1:{free_port()}" for _ in self.advertised)
        self._controller = f"127.0.0.1:{free_port()}"
        self._heap = heap
        self._process: GuardedProcess | None = None
        self.directory.mkdir(parents=True, exist_ok=True)
        self._properties = self.directory / "server.properties"
        lines = {**self._addresses(), "log.dirs": str(self.directory / "data"), **(settings or {})}
        self._properties.write_text(
            (_HERE / "server.properties").read_text() + "\n" + "".join(f"{k}={v}\n" for k, v in lines.items())
        )

    def _addresses(self) -> dict[str, str]:
        names = [f"PROXIED{n}" for n in range(len(self.advertised))]
        listeners = {"PLAINTEXT": self.bootstrap, **dict(zip(names, self.behind, strict=True))}
        told = {"PLAINTEXT": self.bootstrap, **dict(zip(names, self.advertised, strict=True))}
        protocols = dict.fromkeys([*listeners, "CONTROLLER"], "PLAINTEXT")
        return {
            "listeners": _join({**listeners, "CONTROLLER": self._controller}, "://"),
            "advertised.listeners": _join(told, "://"),
            "listener.security.protocol.map": _join(protocols, ":"),
            "controller.quorum.voters": f"1@{self._controller}",
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process(self) -> GuardedProcess:
        """The broker's process.

        Raises:
            RuntimeError: it was not started, or was stopped.
        """
        if self._process is None:
            raise RuntimeError(f"the broker in {self.directory} is not started")
        return self._process

    def is_running(self) -> bool:
        """Whether the process runs; a paused one does."""
        return self._process is not None and self._process.is_running()

    def start(self) -> None:
        """Start the broker and wait until it answers.  Does nothing if it runs.

        Raises:
            ServiceUnavailableError: Java, Maven or the jars are missing, or the broker does not come up.
        """
        if self.is_running():
            return
        self.close()
        java = _java(jars())
        self._format(java)
        options = [f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        self._process = GuardedProcess(
            [java[0], *options, *java[1:], "kafka.Kafka", self._properties], log=self.log, cwd=self.directory
        )
        if not wait_until_ready(self.answers, alive=self.is_running, timeout_s=_START_TIMEOUT_S):
            tail = self._process.tail()
            state = "does not answer" if self.is_running() else "ended at once"
            self.close()
            raise ServiceUnavailableError(f"the Kafka broker in {self.directory} {state}; end of its log:\n{tail}")

    def answers(self) -> bool:
        """Whether the broker answers a request within a second.

        Raises:
            OSError: it cannot be reached.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(8)) > 0

    def stop(self) -> None:
        """Shut the broker down in good order.  The data stays."""
        if self._process is not None:
            self._process.terminate()
        self.close()

    def kill(self) -> None:
        """SIGKILL the broker.  The data stays."""
        self.close()

    def restart(self) -> None:
        """Stop and start again: same ports, same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT after `pause()`."""
        self.process.resume()

    def close(self) -> None:
        """Kill the broker if it runs."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def delete(self) -> None:
        """Kill the broker and remove its data; configuration and log stay."""
        self.close()
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def _format(self, java: Sequence[str]) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # never starts with a dash
        command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_TIMEOUT_S)
        if done.returncode:
            raise ServiceUnavailableError(
                f"cannot format {self.directory} for Kafka, which needs Java 17 or later:\n{done.stdout}{done.stderr}"
            )


def kafka_version() -> str:
    """The version of Apache Kafka that the tests run, from pom.xml."""
    version = ET.parse(_POM).findtext(".//{*}properties/{*}kafka.version")
    assert version
    return version


def jars() -> Path:
    """The directory with Kafka's jars; fetched with Maven the first time and kept in the user's cache.

    Safe to call from several processes at once.

    Raises:
        ServiceUnavailableError: Maven is missing or cannot fetch them.
    """
    return _program().folder()


def _program() -> JavaProgram:
    return JavaProgram(
        "Apache Kafka",
        "faust-kafka",
        kafka_version(),
        ["--file", _POM, "dependency:copy-dependencies"],
        "set KAFKA_BOOTSTRAP_SERVERS to a broker of your own, or leave these tests out with --without-kafka",
    )


def _java(classpath: Path) -> list[str]:
    return [_program().java(), "-cp", f"{classpath}/*"]


def _join(entries: Mapping[str, str], separator: str) -> str:
    return ",".join(f"{name}{separator}{value}" for name, value in entries.items())
