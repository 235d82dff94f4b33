"""The note beside a database: who wrote it last, and where it stood when it was closed.

A database of a newer RocksDB looks damaged to an older one.  The note tells the two apart before
anybody deletes anything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Marker", "rocksdb_version"]


@dataclass(frozen=True, slots=True)
class Marker:
    """What `store.json` beside the directory of a database says.

    Attributes:
        driver, driver_version: the binding that opened it last.
        rocksdb_version: the RocksDB library under that binding; empty where it is not known.
        closed: whether it has been closed since, so that `changelog_offset` holds.
    """

    driver: str
    driver_version: str
    rocksdb_version: str = ""
    closed: bool = False
    changelog_offset: int | None = None

    @classmethod
    def read(cls, path: Path) -> Marker | None:
        """Return what is in the file, or None where there is none that can be understood."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Replace the file in one step.

        Raises:
            OSError: it cannot be written.
        """
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), "utf-8")
        new.replace(path)

    def __str__(self) -> str:
        library = f" (RocksDB {self.rocksdb_version})" if self.rocksdb_version else ""
        return f"{self.driver} {self.driver_version}{library}"


def rocksdb_version(database: Path) -> str:
    """Return the version of the library that last opened `database`, from the options file that it left."""
    files = sorted(database.glob("OPTIONS-*[0-9]"), key=lambda path: path.name)
    if files:
        for line in files[-1].read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "rocksdb_version":
                return value.strip()
    return ""
