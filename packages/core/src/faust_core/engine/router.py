"""Which worker has what: `app.router`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faust_core.engine.plans import TaskId
from faust_core.engine.served import read_key
from faust_core.errors import EncodeError, NoSuchTable, QueryError
from faust_core.partitioner import partition_for
from faust_core.protocols.queries import Peers
from faust_core.protocols.web import Owner, WebRouter
from faust_core.tables import SetTable, Table
from faust_core.tables.queries import checked, inner_key, route_of

if TYPE_CHECKING:
    from faust_core.engine.worker import Worker

__all__ = ["Router"]

HostToPartitions = Mapping[str, Mapping[str, Sequence[int]]]


class Router:
    """Looks into the map that came with the last assignment, and for this worker at what runs.

    A map is as old as the last rebalance, so it says whom to ask: who is asked looks at itself.

    Args:
        worker: the running one; None where there is none.
    """

    def __init__(self, tables: Mapping[str, Table[Any, Any]], worker: Callable[[], Worker | None]) -> None:
        self._tables = tables
        self._worker = worker

    # -- what programs ask

    def key_store(self, table: str, key: Any) -> str:
        """Return the URL of the worker that has a key of a table; a global table's is this worker's own.

        Raises:
            KeyError: that is not known now.
            QueryError: there is no such table, or this is no key of it.
        """
        return self._url(self._owner_of(self._table(table), key))

    def external_topic_key_store(self, topic: Any, key: Any) -> str:
        """Return the URL of the worker that processes the events of a topic that have a key.

        Raises:
            KeyError: that is not known now.
            QueryError: no agent reads that topic.
        """
        return self._url(self._owner_in(topic, topic.encode_key(key)))

    def tables_metadata(self) -> HostToPartitions:
        return self._by_host({name: table.changelog_topic_name for name, table in self._tables.items()})

    def table_metadata(self, table: str, /) -> HostToPartitions:
        return self._by_host({table: self._table(table).changelog_topic_name})

    def external_topics_metadata(self) -> HostToPartitions:
        return self._by_host({})

    # -- what pages ask

    @property
    def peers(self) -> Peers | None:
        worker = self._worker()
        return None if worker is None else worker.queries.peers

    def table_owner(self, table: Any, key: str, /) -> Owner:
        asked = self._table(getattr(table, "name", table))
        return self._owner_of(asked, read_key(asked, key, as_json=False))

    def topic_owner(self, topic: Any, key: str, /) -> Owner:
        typed: Any = key
        if topic.key_type not in {None, str, bytes}:
            typed = read_key(topic, key, as_json=False, what="topic")
        try:
            return self._owner_in(topic, topic.encode_key(typed))
        except EncodeError as exc:
            raise QueryError(f"{key!r} is no key of topic {topic}: {exc}", code="bad_key") from exc

    def _table(self, name: str) -> Table[Any, Any]:
        try:
            return self._tables[name]
        except KeyError:
            raise NoSuchTable(f"this application has no table {name!r}") from None

    def _owner_of(self, table: Table[Any, Any], key: Any) -> Owner:
        worker = self._worker()
        if worker is None or table.partition_count is None:
            return Owner(refusal="not_running", reason="this worker is starting, or stopping")
        if table.is_global:
            return Owner(here=True)
        grouped = table.window is not None or isinstance(table, SetTable)
        written = inner_key(table, key) if grouped else checked(table, key)
        partition = partition_for(route_of(table, key, written), table.partition_count)
        if worker.queries.local.owns(table, partition):
            return Owner(here=True)
        task_id = worker.topics.task_of(table.name, partition)
        return _elsewhere(worker, task_id, f"partition {partition} of table {table.name!r}")

    def _owner_in(self, topic: Any, key: bytes | None) -> Owner:
        name = topic.get_topic_name()
        worker = self._worker()
        if worker is None:
            return Owner(refusal="not_running", reason="this worker is not started")
        for group in worker.topics.groups.values():
            if name in group.topics:
                task_id = TaskId(group.name, partition_for(key, group.partitions))
                if worker.queries.local.runs(task_id):
                    return Owner(here=True)
                return _elsewhere(worker, task_id, f"partition {task_id.partition} of topic {name!r}")
        raise QueryError(f"no agent of this application reads topic {name!r}", code="no_such_topic")

    def _url(self, owner: Owner) -> str:
        worker = self._worker()
        url = worker.member.endpoint if owner.here and worker is not None else owner.url
        if url is None:
            raise KeyError(owner.reason or "this worker serves no HTTP")
        return url

    def _by_host(self, changelogs: Mapping[str, str]) -> HostToPartitions:
        """Return partitions by URL and topic.

        Args:
            changelogs: of tables by name; without any, the topics that are read.
        """
        worker = self._worker()
        found: dict[str, dict[str, list[int]]] = {}
        if worker is None:
            return found
        hosts = dict(worker.member.plan.hosts)
        for group in worker.topics.groups.values():
            topics = [changelogs[t] for t in sorted(group.tables) if t in changelogs] if changelogs else group.topics
            for partition in range(group.partitions):
                task_id = TaskId(group.name, partition)
                url = hosts[task_id].owner if task_id in hosts else None
                if worker.queries.local.runs(task_id):
                    url = worker.member.endpoint
                for topic in sorted(topics) if url is not None else ():
                    found.setdefault(url or "", {}).setdefault(topic, []).append(partition)
        return found


def _elsewhere(worker: Worker, task_id: TaskId | None, what: str) -> Owner:
    hosts = None if task_id is None else worker.member.plan.hosts.get(task_id)
    if hosts is None:
        return Owner(refusal="no_owner", reason=f"{what} has no owner that this worker knows of")
    if hosts.owner is None:
        why = "is with a worker that serves no HTTP: install faust-web there, and leave web_enabled on"
        return Owner(refusal="no_endpoint", reason=f"{what} {why}")
    if hosts.owner == worker.member.endpoint:
        return Owner(refusal="restoring", reason=f"{what} is being restored, or moves")
    return Owner(url=hosts.owner)


if TYPE_CHECKING:
    _: type[WebRouter] = Router
