"""An application as HTTP shows it: keys come as text, values leave as JSON."""

from __future__ import annotations

import base64
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faust_core.engine.served_metrics import ServedMetrics
from faust_core.engine.task import TaskState
from faust_core.errors import DecodeError, EncodeError, NoSuchTable, QueryError
from faust_core.protocols.codec import Codec
from faust_core.protocols.queries import (
    JsonAnswer,
    JsonItem,
    PartitionAnswer,
    QueryOptions,
    Served,
    TableInfo,
    TableQuery,
    WorkerState,
)
from faust_core.registry import codec
from faust_core.tables import SetTable, Table
from faust_core.tables.queries import Found, checked, find, find_page, route_of
from faust_core.tables.set_queries import find_set
from faust_core.tables.windowed_queries import find_windows

if TYPE_CHECKING:
    from faust_core.engine.worker import Worker

__all__ = ["ServedApp", "read_key", "write_json"]


@functools.cache
def _json() -> Codec:
    return codec("json")


def write_json(value: Any) -> bytes:
    """Return a value as JSON, by the codec of values.

    Raises:
        EncodeError: JSON has nothing for it.
    """
    return _json().encode(value)


_write_json = write_json


class ServedApp:
    """Works whether or not the application runs; then every question to a table is refused.

    Args:
        worker: the running one; None where there is none.
    """

    def __init__(
        self,
        app_id: Callable[[], str],
        tables: Mapping[str, Table[Any, Any]],
        worker: Callable[[], Worker | None],
        metrics: ServedMetrics,
    ) -> None:
        self.metrics = metrics
        self._app_id = app_id
        self._tables = tables
        self._worker = worker

    def state(self) -> WorkerState:
        worker = self._worker()
        if worker is None:
            return WorkerState(self._app_id(), healthy=True, ready=False, reason="the application is not started")
        failure = worker.failure
        if failure is not None:
            return WorkerState(
                self._app_id(), healthy=False, ready=False, reason=f"it failed: {type(failure).__name__}"
            )
        reason = not_ready_because(worker)
        return WorkerState(self._app_id(), healthy=True, ready=not reason, reason=reason)

    def tables(self) -> Sequence[TableInfo]:
        return [
            TableInfo(name, _kind(table), table.help, table.partition_count, table.is_global)
            for name, table in sorted(self._tables.items())
        ]

    async def answer(self, query: TableQuery) -> Sequence[PartitionAnswer]:
        worker = self._worker()
        if worker is None:
            return [PartitionAnswer(part.partition, "stopped", "this worker is not started") for part in query.parts]
        return await worker.queries.local.answer(query)

    def _table(self, name: str) -> Table[Any, Any]:
        try:
            return self._tables[name]
        except KeyError:
            raise NoSuchTable(f"application {self._app_id()!r} has no table {name!r}") from None

    async def get_many(
        self, table: str, keys: Sequence[str], options: QueryOptions, *, as_json: bool = False
    ) -> JsonAnswer:
        asked = self._table(table)
        if asked.window is not None:
            raise QueryError(f"table {table!r} is windowed: ask for one key, at a time or between two", code="windowed")
        by_text = {text: read_key(asked, text, as_json=as_json) for text in dict.fromkeys(keys)}
        if isinstance(asked, SetTable):
            return await _sets(asked, by_text, options)
        written = {text: checked(asked, key) for text, key in by_text.items()}
        found = await find(asked, {written[t]: route_of(asked, key, written[t]) for t, key in by_text.items()}, options)
        items, missing = [], []
        partition = None
        for text, key in by_text.items():
            if written[text] in found.values:
                value, answer = found.values[written[text]]
                items.append(JsonItem(_write_json(key), value_as_json(asked, value)))
                partition = answer.partition
            else:
                missing.append(_write_json(key))
                partition = found.expected[written[text]].partition
        return JsonAnswer(tuple(items), tuple(missing), None, partition, found.owner, found.lag)

    async def windows(
        self,
        table: str,
        key: str,
        start: float | None,
        end: float | None,
        options: QueryOptions,
        *,
        as_json: bool = False,
    ) -> JsonAnswer:
        asked = self._table(table)
        if asked.window is None:
            raise QueryError(f"table {table!r} is not windowed: leave the time out", code="not_windowed")
        read = read_key(asked, key, as_json=as_json)
        values, found = await find_windows(asked, read, time.time() if start is None else start, end, options)
        shown = _write_json(read)
        items = tuple(JsonItem(shown, value_as_json(asked, value), at) for at, value in values.items())
        return JsonAnswer(items, () if items else (shown,), owner=found.owner, lag=found.lag)

    async def page(
        self,
        table: str,
        criteria: Mapping[str, str],
        limit: int,
        cursor: str | None,
        options: QueryOptions,
        *,
        as_json: bool = False,
    ) -> JsonAnswer:
        asked = self._table(table)
        if isinstance(asked, SetTable):
            raise QueryError(f"table {table!r} has sets: ask it by key", code="sets")
        if criteria and asked.window is not None:
            raise QueryError(f"table {table!r} is windowed: ask it by key and time", code="windowed")
        bounds = {name: checked(asked, read_key(asked, text, as_json=as_json)) for name, text in criteria.items()}
        rows, after, found = await find_page(asked, bounds, limit, cursor, options)
        items = []
        for key_bytes, value in rows:
            key, window = asked.codec.decode_key(key_bytes), None
            if asked.window is not None:
                key, window = key
            items.append(JsonItem(_write_json(key), value_as_json(asked, value), window))
        return JsonAnswer(tuple(items), cursor=after, owner=found.owner, lag=found.lag)


def not_ready_because(worker: Worker) -> str:
    """Return why a worker does not do all that it was given to do; nothing where it does."""
    if not worker.started:
        return "it is starting, or stopping"
    restoring = sum(task.state is TaskState.RESTORING for task in worker.rebalancer.tasks.values())
    if restoring:
        return f"{restoring} of {len(worker.member.plan.actives) or restoring} partitions are being restored"
    lease_s = getattr(worker.membership, "lease_s", lambda: None)()
    if worker.topics.inputs and lease_s is not None and lease_s <= 0:
        return "it has not reached its group for too long"
    return ""


def _kind(table: Table[Any, Any]) -> str:
    if isinstance(table, SetTable):
        return "set"
    return "table" if table.window is None else "windowed"


async def _sets(table: SetTable[Any, Any], by_text: Mapping[str, Any], options: QueryOptions) -> JsonAnswer:
    items, missing = [], []
    noted = Found()
    partition = None
    for key in by_text.values():
        elements, partition, found = await find_set(table, key, options)
        noted.note(found)
        if elements:
            items.append(JsonItem(_write_json(key), _write_json(_sorted(elements))))
        else:
            missing.append(_write_json(key))
    return JsonAnswer(tuple(items), tuple(missing), None, partition, noted.owner, noted.lag)


def _sorted(elements: set[Any]) -> list[Any]:
    try:
        return sorted(elements)
    except TypeError:
        return list(elements)


def read_key(table: Any, text: str, *, as_json: bool, what: str = "table") -> Any:
    """Return the key that a text stands for.

    Args:
        table: or a topic, which `what` then says.

    Raises:
        QueryError: it is none of the table's type.
    """
    key_type = table.key_type
    if not as_json:
        if key_type is None or key_type is str:
            return text
        if key_type is bytes:
            return text.encode()
    reader = codec("json", None if key_type is bytes else key_type)
    reasons = []
    # 5 and true as they are; what JSON has as text, such as dates, needs no quotation marks.
    for written in [text] if as_json else [text, None]:
        data = _write_json(text) if written is None else written.encode()
        try:
            return hashable_key(reader.decode(data), key_type)
        except (DecodeError, EncodeError, ValueError) as exc:
            reasons.append(str(exc))
    shown = getattr(key_type, "__name__", key_type)
    wanted = "JSON" if key_type is None else f"a key of type {shown}"
    raise QueryError(
        f"{text[:200]!r} is no key of {what} {table.name!r}: it takes {wanted} ({reasons[0]})", code="bad_key"
    )


def hashable_key(key: Any, key_type: Any) -> Any:
    """Return a key read from JSON as the table has it: lists stand for tuples, text for bytes.

    Raises:
        ValueError: objects are no keys.
    """
    if isinstance(key, list):
        return tuple(hashable_key(part, None) for part in key)
    if isinstance(key, dict):
        raise ValueError("an object is no key")
    return key.encode() if key_type is bytes and isinstance(key, str) else key


def value_as_json(table: Table[Any, Any], data: bytes) -> bytes:
    """Return a value as JSON; bytes that are no text as `{"base64": …}`.

    Raises:
        QueryError: JSON has nothing for it.
    """
    if table.writes_json:
        return data
    value = table.codec.decode_value(data)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            value = bytes(value).decode()
        except UnicodeDecodeError:
            value = {"base64": base64.b64encode(value).decode()}
    try:
        return _write_json(value)
    except EncodeError as exc:
        reason = f"values of table {table.name!r} cannot be shown as JSON: {exc}"
        raise QueryError(reason, code="not_json") from exc


if TYPE_CHECKING:
    _: type[Served] = ServedApp
