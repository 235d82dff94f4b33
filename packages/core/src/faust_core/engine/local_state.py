"""Of which changelog the stores in the data directory are, so that none is taken for what it is not.

A store tells up to where it has its changelog.  Whether that is still the same topic - not one that was deleted and
made anew, nor that of another application which has used the directory - only the broker's id of the topic tells.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from faust_core.engine.backends import Backends
from faust_core.errors import StoreError
from faust_core.tables import Table

__all__ = ["LocalState", "origin_shown"]

log = logging.getLogger(__name__)

NOTE = "changelogs.json"


class LocalState:
    """A note beside the stores: the changelog of each table, and the broker's id of it."""

    def __init__(self, directory: Path, backends: Backends, tables: Iterable[Table[Any, Any]]) -> None:
        self._note = directory / NOTE
        self._backends = backends
        self._all = tables

    @property
    def _tables(self) -> list[Table[Any, Any]]:
        """Those that are kept here, also what joins keep, which is known once agents have begun."""
        of = self._backends.of
        return [table for table in self._all if of(table.name).persistent and not of(table.name).shared]

    @property
    def changelogs(self) -> list[str]:
        """The topics whose ids are to be checked."""
        return [table.changelog_topic_name for table in self._tables]

    def check(self, ids: Mapping[str, str]) -> None:
        """Delete the stores that are of other topics than the present ones, and write the note.

        Args:
            ids: of `changelogs`, from the broker; those that it cannot tell are left out and not checked.

        Raises:
            StoreError: the directory cannot be written; names it.
        """
        noted = self._read()
        present = dict(noted)
        tables = self._tables
        stored = self._backends.stored(table.name for table in tables)
        for table in tables:
            topic = table.changelog_topic_name
            if topic not in ids:
                continue
            wanted = [topic, ids[topic]]
            present[table.name] = wanted
            if noted.get(table.name) == wanted:
                continue
            partitions = sorted(partition for name, partition in stored if name == table.name)
            if partitions:
                log.warning(
                    "the local state of table %s is not of the changelog %s that there is now, but of %s: "
                    "it is deleted and rebuilt",
                    table.name, topic, origin_shown(noted.get(table.name), topic),
                )  # fmt: skip
            for partition in partitions:
                self._backends.of(table.name).destroy(table.name, partition)
        if present != noted:
            self._write(present)

    def _read(self) -> dict[str, Any]:
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            log.warning("%s cannot be read, so that no local state can be trusted: %s", self._note, exc)
            return {}
        return noted if isinstance(noted, dict) else {}

    def _write(self, note: Mapping[str, Any]) -> None:
        """Replace the note in one step."""
        new = self._note.with_suffix(f".{os.getpid()}")
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
            new.replace(self._note)
        except OSError as exc:
            raise StoreError(f"{self._note} cannot be written: {exc.strerror or exc}") from exc


def origin_shown(noted: Any, topic: str) -> str:
    """Say of which changelog a state is that is not of `topic` as it is now."""
    match noted:
        case [str(name), str()] if name != topic:
            return f"the changelog {name}, of another application"
        case [str(), str()]:
            return "one of the same name that was deleted"
        case _:
            return "one that nothing is noted of"
