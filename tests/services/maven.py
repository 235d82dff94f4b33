"""Java programs for tests: fetched with Maven the first time, kept in the user's cache."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.services.errors import ServiceUnavailableError

_FETCH_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class JavaProgram:
    """A release of a Java program.

    Attributes:
        name: for people: "Apache Kafka".
        cache: the folder of its releases in the user's cache.
        version: of the release; each has a folder of its own in the cache.
        goal: what Maven does to fetch it; `-DoutputDirectory` is added.
        otherwise: what somebody can do who has no Java or Maven.
    """

    name: str
    cache: str
    version: str
    goal: Sequence[str | Path]
    otherwise: str

    def folder(self) -> Path:
        """Return where the program is, which is fetched if it is not there.  Several processes may call at once.

        Raises:
            ServiceUnavailableError: Java or Maven is missing, or cannot fetch it.
        """
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / self.cache
        found = cache / self.version
        complete = found / ".complete"
        if complete.exists():
            return found
        maven = self._command("mvn", "Apache Maven", "maven")
        self.java()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
            fetched = Path(folder, "fetched")
            command = [maven, "--quiet", "--batch-mode", *self.goal, f"-DoutputDirectory={fetched}"]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_FETCH_TIMEOUT_S, cwd=folder
            )
            if done.returncode:
                raise ServiceUnavailableError(
                    f"Maven cannot fetch {self.name} {self.version}; {self.otherwise}.\n"
                    f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
                )
            (fetched / complete.name).touch()
            with suppress(OSError):  # another process was faster
                fetched.rename(found)
        if not complete.exists():
            raise ServiceUnavailableError(f"{found} is not complete: delete it, and it will be fetched again")
        return found

    def java(self) -> str:
        """Return the path of `java`.

        Raises:
            ServiceUnavailableError: there is none.
        """
        return self._command("java", "Java 17 or later", "default-jre-headless")

    def _command(self, name: str, what: str, debian: str) -> str:
        path = shutil.which(name)
        if path is None:
            raise ServiceUnavailableError(
                f"{what} is needed to start {self.name}, and there is no `{name}` on the PATH: install it"
                f" (Debian, Ubuntu: apt-get install {debian}), or {self.otherwise}"
            )
        return path
