"""A real Redis server for tests, on the loopback interface."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.services.errors import ServiceUnavailableError
from tests.services.ports import free_port, wait_until_ready
from tests.services.process import GuardedProcess


class RedisServer:
    """A server whose port and data directory stay the same from start to start.

    By default nothing is written to disk and a restart finds it empty.  With `persistent` every write is on disk
    before it is answered, so that a killed server comes back with all that it confirmed.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        persistent: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the server; nothing runs yet.

        Args:
            directory: takes data and log; made if missing.
            port: a free one if not given.
            persistent: keep the data over a restart.
            settings: lines of redis.conf, such as `{"maxmemory": "10mb"}`.
        """
        self.directory = directory.absolute()
        self.log = self.directory / "redis.log"
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if persistent else "no",
            "appendfsync": "always",
            **(settings or {}),
        }
        self._process: GuardedProcess | None = None
        self.directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process(self) -> GuardedProcess:
        """The server's process.

        Raises:
            RuntimeError: it was not started, or was stopped.
        """
        if self._process is None:
            raise RuntimeError(f"the Redis server in {self.directory} is not started")
        return self._process

    def is_running(self) -> bool:
        """Whether the process runs; a paused one does."""
        return self._process is not None and self._process.is_running()

    def start(self) -> None:
        """Start the server and wait until it answers.  Does nothing if it runs.

        Raises:
            ServiceUnavailableError: Redis is not installed, or does not come up.
        """
        if self.is_running():
            return
        self.close()
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceUnavailableError(
                "there is no `redis-server` on the PATH: install Redis (Debian, Ubuntu: apt-get install redis-server),"
                " or set REDIS_URL to a server of your own, or leave these tests out with --without-redis"
            )
        arguments = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        self._process = GuardedProcess([program, *arguments], log=self.log, cwd=self.directory)
        if not wait_until_ready(self.answers, alive=self.is_running, timeout_s=30.0):
            tail = self._process.tail()
            self.close()
            raise ServiceUnavailableError(f"Redis does not start in {self.directory}; end of its log:\n{tail}")

    def answers(self) -> bool:
        """Whether the server answers a ping within a second; one that is still loading its data does not.

        Raises:
            OSError: it cannot be reached.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    def stop(self) -> None:
        """Shut the server down in good order."""
        if self._process is not None:
            self._process.terminate()
        self.close()

    def kill(self) -> None:
        """SIGKILL the server."""
        self.close()

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT after `pause()`."""
        self.process.resume()

    def close(self) -> None:
        """Kill the server if it runs."""
        if self._process is not None:
            self._process.close()
            self._process = None
