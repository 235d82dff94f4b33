"""`redis://`: every partition of every table as a hash of its own, which other programs may read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from faust_core.errors import ConfigError, StoreLocked
from faust_core.protocols.store import StoreContext
from faust_store_redis import scripts
from faust_store_redis.connection import Connection
from faust_store_redis.options import RedisOptions
from faust_store_redis.store import Keys, RedisStore

__all__ = ["RedisBackend", "create"]

Name = tuple[str, int]


def create(url: str, context: StoreContext, /) -> RedisBackend:
    """Make the backend for `redis://…` or `rediss://…`; connects when the first store is opened.

    Raises:
        ConfigError: the URL or an option is wrong.
    """
    return RedisBackend(Connection(RedisOptions.parse(url, context.options)), context.app_id)


class RedisBackend:
    """Opens the partitions of one application's tables in one Redis."""

    persistent = True
    shared = True
    remote = True

    def __init__(self, connection: Connection, app_id: str) -> None:
        self._connection = connection
        self._app = quote(app_id, safe="")
        self._index = f"faust:{self._app}:stores"
        self._lock = Lock()
        self._open: dict[Name, RedisStore | None] = {}  # None while it is being opened or destroyed

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> RedisStore:
        name = (table, partition)
        if options:
            raise ConfigError(
                f"the Redis store of table {table} has no options of its own ({', '.join(sorted(options))}): "
                "what can be set holds for all tables, in the URL"
            )
        self._reserve(name)
        try:
            self._connection.check_eviction()
            self._call(partial(self._connection.client.sadd, self._index, _member(name)), name)
            writer = uuid.uuid4().hex.encode()
            store = RedisStore(self._connection, _shown(name), self._keys(name), writer, partial(self._forget, name))
        except BaseException:
            del self._open[name]
            raise
        self._open[name] = store
        return store

    def destroy(self, table: str, partition: int, /) -> None:
        name = (table, partition)
        self._reserve(name)
        try:
            script = self._connection.client.register_script(scripts.DESTROY)
            self._call(partial(script, [*self._keys(name)]), name)
            self._call(partial(self._connection.client.srem, self._index, _member(name)), name)
        finally:
            del self._open[name]

    def stored(self) -> Mapping[Name, int | None]:
        members = self._connection.call(partial(self._connection.client.smembers, self._index), "listing stores")
        names = [name for name in map(_name, members) if name not in self._open]

        def work() -> list[Any]:
            with self._connection.client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.hmget(self._keys(name).meta, ["layout", "offset"])
                replies: list[Any] = pipeline.execute()
                return replies

        found = zip(names, self._connection.call(work, "listing stores"), strict=True)
        return {name: None if offset is None else int(offset) for name, (layout, offset) in found if layout}

    def close(self) -> None:
        for store in list(self._open.values()):
            if store is not None:
                store.close()
        self._connection.close()

    def _keys(self, name: Name) -> Keys:
        return Keys.of(f"faust:{{{self._app}:{_member(name)}}}")

    def _forget(self, name: Name) -> None:
        self._open.pop(name, None)

    def _call(self, work: Any, name: Name) -> Any:
        return self._connection.call(work, f"table {_shown(name)}")

    def _reserve(self, name: Name) -> None:
        with self._lock:
            if name in self._open:
                raise StoreLocked(f"table {_shown(name)} in {self._connection} is open already: close the store first")
            self._open[name] = None


def _member(name: Name) -> str:
    return f"{quote(name[0], safe='')}:{name[1]}"


def _name(member: bytes) -> Name:
    table, _, partition = member.decode().rpartition(":")
    return unquote(table), int(partition)


def _shown(name: Name) -> str:
    return f"{name[0]}/{name[1]}"
