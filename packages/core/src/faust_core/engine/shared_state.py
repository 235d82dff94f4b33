"""Of which changelog the state in a store is that all workers share: noted in the store itself, by whoever opens it.

The same question as for local state, which has one note for all: see `local_state`.  Here each partition has a note
of its own, as it may have been written by any worker.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

from faust_core.engine.backends import Backends
from faust_core.engine.local_state import origin_shown
from faust_core.protocols.store import NotedStore, Store
from faust_core.tables import Table

__all__ = ["SharedState"]

log = logging.getLogger(__name__)


class SharedState:
    """The changelogs of the tables in shared stores, as the broker has them now."""

    def __init__(self, backends: Backends, tables: Iterable[Table[Any, Any]]) -> None:
        self._backends = backends
        self._all = tables
        self._ids: Mapping[str, str] = {}

    @property
    def changelogs(self) -> list[str]:
        """The topics whose ids are wanted."""
        tables = [table for table in self._all if not table.is_global]
        return [table.changelog_topic_name for table in tables if self._backends.of(table.name).shared]

    def learn(self, ids: Mapping[str, str]) -> None:
        """Args:
        ids: of `changelogs`, from the broker; those that it cannot tell are left out and not checked.
        """
        self._ids = ids

    def checked(self, table: Table[Any, Any], partition: int, store: Store) -> Store:
        """Return a store that was just opened, emptied where what it holds is of another changelog.

        Raises:
            StoreError: it cannot be reached, or another worker has it by now.
        """
        topic = table.changelog_topic_name
        if topic not in self._ids or not hasattr(store, "set_note"):
            return store
        noted = cast("NotedStore", store)
        wanted = json.dumps([topic, self._ids[topic]])
        found = noted.note
        if found == wanted:
            return store
        try:
            if store.changelog_offset is not None:
                log.warning(
                    "the state of %s/%d in %s is not of the changelog %s that there is now, but of %s: "
                    "it is deleted and rebuilt",
                    table.name, partition, store, topic, origin_shown(_read(found), topic),
                )  # fmt: skip
                store.close()
                backend = self._backends.of(table.name)
                backend.destroy(table.name, partition)
                store = self._backends.open(table, partition)
                noted = cast("NotedStore", store)
            noted.set_note(wanted)
        except BaseException:
            store.close()
            raise
        return store


def _read(note: str | None) -> Any:
    try:
        return None if note is None else json.loads(note)
    except ValueError:
        return None
