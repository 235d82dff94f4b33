"""The distributions of this repository, their wheels, and environments to install them in."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Distribution:
    """One folder of packages/."""

    project: Path

    @property
    def name(self) -> str:
        """What `pip install` calls it."""
        return str(self._metadata["name"])

    @property
    def version(self) -> str:
        """From pyproject.toml, the only place that has it."""
        return str(self._metadata["version"])

    @property
    def module(self) -> str:
        """What `import` calls it."""
        (module,) = (path.name for path in (self.project / "src").iterdir() if (path / "__init__.py").exists())
        return module

    @property
    def _metadata(self) -> dict[str, object]:
        project: dict[str, object] = tomllib.loads((self.project / "pyproject.toml").read_text())["project"]
        return project

    def wheel(self, folder: Path) -> "Wheel":
        """Its wheel in `folder`, the only one there."""
        (path,) = folder.glob(f"{self.name.replace('-', '_')}-*.whl")
        return Wheel(path)


@dataclass(frozen=True)
class Wheel:
    """A built wheel."""

    path: Path

    @cached_property
    def names(self) -> list[str]:
        """The files in it."""
        with zipfile.ZipFile(self.path) as archive:
            return archive.namelist()

    @cached_property
    def metadata(self) -> Message:
        """Its METADATA."""
        with zipfile.ZipFile(self.path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return BytesParser().parsebytes(archive.read(name))


class CleanEnvironment:
    """A virtual environment that has seen neither this checkout nor a package index."""

    def __init__(self, directory: Path, wheels: Path, requirements: Sequence[str]) -> None:
        """Install `requirements`, and what they declare to need, from the folder `wheels`.

        Raises:
            AssertionError: pip cannot; the message is pip's.
        """
        venv.create(directory, with_pip=False, symlinks=os.name != "nt")
        self.python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", "--disable-pip-version-check"]
        self._call([*pip, "install", "--no-index", "--find-links", str(wheels), *requirements], directory)
        self._call([*pip, "check"], directory)

    def run(self, program: str, *arguments: str) -> str:
        """Run a Python program, given as text, in isolation from the checkout; its output.

        Raises:
            AssertionError: it fails; the message is what it wrote.
        """
        return self._call([str(self.python), "-I", "-c", program, *arguments], self.python.parent)

    @staticmethod
    def _call(command: Sequence[str], cwd: Path) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=300, cwd=cwd, env=environment
        )
        assert done.returncode == 0, f"{' '.join(command[:6])} ...:\n{done.stdout}{done.stderr}"
        return done.stdout


DISTRIBUTIONS = [Distribution(path.parent) for path in sorted((ROOT / "packages").glob("*/pyproject.toml"))]
