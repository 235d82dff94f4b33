"""Asking for what a table holds, wherever it is: `await table.query(key)`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from faust_core.errors import AnswerTooLarge, DecodeError, EncodeError, QueryError
from faust_core.partitioner import partition_for
from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, QueryOptions, Scan

if TYPE_CHECKING:
    from faust_core.tables.table import Table

__all__ = ["MAX_KEYS", "MAX_PAGE", "Answer", "Answers", "Found", "Page", "find", "find_page", "find_rows", "inner_key"]

K = TypeVar("K")
V = TypeVar("V")

#: Keys of one question, and rows of one page: more come in several.
MAX_KEYS = 10_000
MAX_PAGE = 10_000
MAX_KEY_BYTES = 64 * 1024
#: Elements of one set, windows of one key.
MAX_ROWS = 1_000_000
#: A partition, and the key behind which its rows go on where some were read already.
CURSOR = re.compile(rb"(\d{1,9})(?::|;(.*))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """The answer to a question for one key.

    Attributes:
        value: the table's default where it is not `found`; None where it has none.
        partition: where it was found; where it belongs if it was not.
        owner: False where a standby has answered.
        lag: how many changelog records of this partition the one who answered had not read; 0 for the owner, None where
            that is not known.
    """

    value: V | None
    found: bool
    partition: int
    owner: bool = True
    lag: int | None = 0


class Answers(dict[K, V]):
    """The values of those keys that have one.

    Attributes:
        owner: False where a standby has answered for any of them.
        lag: the largest of all partitions that were asked; None where one is not known.
    """

    owner: bool = True
    lag: int | None = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[K, V]):
    """Some items of a table.

    Attributes:
        cursor: give it to the next call as `after`; None at the end.  A page may be short, even empty, without being
            the last.
    """

    items: Sequence[tuple[K, V]]
    cursor: str | None
    owner: bool = True
    lag: int | None = 0


@dataclass(slots=True)
class Found:
    """What was found for some keys, as bytes.

    Attributes:
        values: value and partition of those keys that have one.
        worst: of all partitions that were asked: whether all were the owner's, and the largest lag.
    """

    values: dict[bytes, tuple[bytes, PartitionAnswer]] = field(default_factory=dict)
    expected: dict[bytes, PartitionAnswer] = field(default_factory=dict)
    owner: bool = True
    lag: int | None = 0

    def note(self, answer: PartitionAnswer | Found) -> None:
        self.owner = self.owner and answer.owner
        self.lag = None if self.lag is None or answer.lag is None else max(self.lag, answer.lag)


def checked(table: Table[Any, Any], key: Any, *, codec: Any = None) -> bytes:
    """Return a key as bytes.

    Raises:
        QueryError: it is not of the table's type.
    """
    codec = codec or table.codec
    try:
        data: bytes = codec.encode_key(key)
        codec.decode_key(data)
    except (EncodeError, DecodeError, TypeError, ValueError) as exc:
        raise QueryError(f"{key!r} is no key of table {table.name!r}: {exc}", code="bad_key") from exc
    if len(data) > MAX_KEY_BYTES:
        raise QueryError(f"a key of {len(data)} bytes is longer than {MAX_KEY_BYTES}", code="bad_key")
    return data


def partitions_of(table: Table[Any, Any], options: QueryOptions) -> range:
    """Return the partitions to look in.

    Raises:
        QueryError: there is no such partition.
        ConfigError: the application does not run.
    """
    count = table.app.queries.partition_count(table)
    if options.partition is None:
        return range(count)
    if not 0 <= options.partition < count:
        raise QueryError(
            f"table {table.name!r} has partitions 0 to {count - 1}, not {options.partition}", code="bad_partition"
        )
    return range(options.partition, options.partition + 1)


def route_of(table: Table[Any, Any], key: Any, written: bytes) -> bytes:
    """Return the bytes whose hash says where a key is expected."""
    if table.use_partitioner or not isinstance(key, str | bytes):
        return written
    return key.encode() if isinstance(key, str) else key


async def find(
    table: Table[Any, Any],
    keys: Mapping[bytes, bytes],
    options: QueryOptions,
) -> Found:
    """Look keys up.

    A key is looked for where its hash says.  One that is not there is looked for in all other partitions, since a
    stream may be partitioned by something else than the table's key; not so with `use_partitioner`.

    Args:
        keys: each with the bytes that its hash is made of.

    Raises:
        QueryError: more than `MAX_KEYS`.
        QueryUnavailable: not every partition that had to be asked could answer.
    """
    if len(keys) > MAX_KEYS:
        raise QueryError(f"{len(keys)} keys are more than the {MAX_KEYS} of one question", code="too_many_keys")
    found = Found()
    partitions = partitions_of(table, options)
    deadline = table.app.queries.deadline(options)
    wanted: dict[int, list[bytes]] = {}
    for key, route in keys.items():
        expected = partitions[0] if len(partitions) == 1 else partition_for(route, len(partitions))
        wanted.setdefault(expected, []).append(key)
    missing = await _look(table, wanted, options, deadline, found, first=True)
    if missing and len(partitions) > 1 and not table.use_partitioner:
        at = {key: partition for partition, listed in wanted.items() for key in listed}
        others = {p: [key for key in missing if at[key] != p] for p in partitions}
        await _look(table, {p: listed for p, listed in others.items() if listed}, options, deadline, found)
    return found


async def _look(
    table: Table[Any, Any],
    wanted: Mapping[int, Sequence[bytes]],
    options: QueryOptions,
    deadline: float,
    found: Found,
    *,
    first: bool = False,
) -> list[bytes]:
    """Return the keys that were in none of the partitions where they were looked for."""
    queries = [PartitionQuery(partition, keys=tuple(keys)) for partition, keys in wanted.items()]
    missing = []
    for partition, answer in (await table.app.queries.ask(table, queries, options, deadline)).items():
        found.note(answer)
        for key, value in zip(wanted[partition], answer.values, strict=True):
            if value is not None:
                found.values.setdefault(key, (value, answer))
            else:
                missing.append(key)
            if first:
                found.expected[key] = answer
    return missing


async def find_page(
    table: Table[Any, Any],
    criteria: Mapping[str, bytes],
    limit: int,
    cursor: str | None,
    options: QueryOptions,
) -> tuple[list[tuple[bytes, bytes]], str | None, Found]:
    """Return up to `limit` rows, partition by partition, and where the next page begins.

    Raises:
        QueryError: the limit or the cursor is none.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise QueryError(f"a page has 1 to {MAX_PAGE} items, not {limit}", code="bad_limit")
    partitions = partitions_of(table, options)
    deadline = table.app.queries.deadline(options)
    partition, after = (partitions[0], None) if cursor is None else _read_cursor(cursor, partitions)
    rows: list[tuple[bytes, bytes]] = []
    noted = Found()
    while True:
        scan = Scan(criteria, after, limit - len(rows))
        query = PartitionQuery(partition, scan=scan)
        answer = (await table.app.queries.ask(table, [query], options, deadline))[partition]
        noted.note(answer)
        rows += answer.rows
        after = answer.after
        if after is None:
            partition += 1
            if partition not in partitions:
                return rows, None, noted
        if len(rows) >= limit or after is not None:
            return rows, _write_cursor(partition, after), noted


async def find_rows(
    table: Table[Any, Any], key: Any, options: QueryOptions
) -> tuple[list[tuple[bytes, bytes]], int, Found]:
    """Return all rows of one key of a table that has several for each, and the partition that has them.

    Raises:
        QueryError: no such key can be in the table.
        AnswerTooLarge: there are more than `MAX_ROWS`.
    """
    of = inner_key(table, key)
    partitions = partitions_of(table, options)
    deadline = table.app.queries.deadline(options)
    expected = partitions[partition_for(route_of(table, key, of), len(partitions))]
    found = Found()
    rows: dict[bytes, bytes] = {}
    cursors: dict[int, bytes | None] = {expected: None}
    at, first = expected, True
    while cursors:
        queries = [PartitionQuery(p, scan=Scan({"of": of}, after, MAX_PAGE)) for p, after in cursors.items()]
        answers = await table.app.queries.ask(table, queries, options, deadline)
        cursors = {p: answer.after for p, answer in answers.items() if answer.after is not None}
        for partition, answer in answers.items():
            found.note(answer)
            rows.update(answer.rows)
            at = partition if answer.rows else at
        if len(rows) > MAX_ROWS:
            raise AnswerTooLarge(f"{table.name}[{key!r}] has more than {MAX_ROWS} rows")
        if first and not rows and not cursors:
            cursors = dict.fromkeys(p for p in partitions if p != expected)
        first = False
    return sorted(rows.items()), at, found


def inner_key(table: Table[Any, Any], key: Any) -> bytes:
    """Return the key of a set, or of windows, as bytes.

    Raises:
        QueryError: it is not of the table's type.
    """
    codec: Any = table.codec
    try:
        data: bytes = codec.encode_inner_key(key)
        codec.decode_inner_key(data)
    except (EncodeError, DecodeError, TypeError, ValueError) as exc:
        raise QueryError(f"{key!r} is no key of table {table.name!r}: {exc}", code="bad_key") from exc
    if len(data) > MAX_KEY_BYTES:
        raise QueryError(f"a key of {len(data)} bytes is longer than {MAX_KEY_BYTES}", code="bad_key")
    return data


def _write_cursor(partition: int, after: bytes | None) -> str:
    data = b"%d:" % partition if after is None else b"%d;" % partition + after
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read_cursor(cursor: str, partitions: Collection[int]) -> tuple[int, bytes | None]:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    read = CURSOR.fullmatch(data)
    if read is None or int(read[1]) not in partitions:
        raise QueryError(f"{cursor[:100]!r} is no cursor of this table", code="bad_cursor")
    return int(read[1]), read[2]


class Queried(Generic[K, V]):
    """The questions of a `Table`.

    They go to the worker that owns the key's partition, in this process or by HTTP, which needs faust-web on the
    workers.  While a partition moves or is restored they wait and try again, until `timeout` (seconds; the setting
    `query_timeout`).  All of them take:

        stale: a standby may answer where the owner cannot; the answer has its `lag`.
        committed: leave out what the next checkpoint may take back; by default under exactly once only.
        partition: look there only.

    All of them raise `QueryError` for what is no key of the table, `QueryUnavailable` where nobody could answer in
    time, and `ConfigError` where the application does not run.
    """

    __slots__ = ()

    async def query(
        self: Any,
        key: K,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> V:
        """Return `table[key]` of whichever worker has it: its default where it has none.

        Raises:
            KeyError: there is no such key, and the table has no default.
            QueryError, QueryUnavailable, ConfigError: see `Queried`.
        """
        options = QueryOptions(stale, committed, partition, timeout)
        answer: Answer[V] = await self.query_answer(key, **_as_keywords(options))
        if not answer.found and self.default is None:
            raise KeyError(key)
        return answer.value  # type: ignore[return-value]  # it is the default where nothing was found

    async def query_answer(
        self: Any,
        key: K,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Answer[V]:
        """Return the value of a key together with who has answered, and how old it may be."""
        options = QueryOptions(stale, committed, partition, timeout)
        written = checked(self, key)
        found = await find(self, {written: route_of(self, key, written)}, options)
        if written in found.values:
            value, answer = found.values[written]
            return Answer(self.codec.decode_value(value), True, answer.partition, answer.owner, answer.lag)
        default = None if self.default is None else self.default()
        return Answer(default, False, found.expected[written].partition, found.owner, found.lag)

    async def query_many(
        self: Any,
        keys: Iterable[K],
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Answers[K, V]:
        """Return the values of those of `keys` (10,000 at most) that have one: one request for each worker."""
        options = QueryOptions(stale, committed, partition, timeout)
        by_bytes = {checked(self, key): key for key in keys}
        found = await find(self, {data: route_of(self, key, data) for data, key in by_bytes.items()}, options)
        answers: Answers[K, V] = Answers()
        for data, key in by_bytes.items():
            if data in found.values:
                answers[key] = self.codec.decode_value(found.values[data][0])
        answers.owner, answers.lag = found.owner, found.lag
        return answers

    async def query_page(
        self: Any,
        *,
        prefix: Any = None,
        start: Any = None,
        end: Any = None,
        limit: int = 1000,
        after: str | None = None,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Page[K, V]:
        """Return some items, partition by partition, within each in the order of their keys' bytes.

        A page is no snapshot: what is changed while one goes from page to page may be seen or not.

        Args:
            prefix: of text and bytes; of tuples, their first parts.
            start, end: keys with start <= key < end.
            limit: at most so many (10,000 at most).
            after: the `cursor` of the page before.
        """
        options = QueryOptions(stale, committed, partition, timeout)
        given = {"prefix": prefix, "start": start, "end": end}
        criteria = {name: checked(self, key) for name, key in given.items() if key is not None}
        rows, cursor, found = await find_page(self, criteria, limit, after, options)
        decode_key, decode_value = self.codec.decode_key, self.codec.decode_value
        items = [(decode_key(key), decode_value(value)) for key, value in rows]
        return Page(items, cursor, found.owner, found.lag)

    async def query_items(
        self: Any,
        *,
        prefix: Any = None,
        start: Any = None,
        end: Any = None,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[K, V]]:
        """Yield all items that `query_page` would return, page by page; `timeout` is for each page."""
        options = QueryOptions(stale, committed, partition, timeout)
        after = None
        while True:
            page: Page[K, V] = await self.query_page(
                prefix=prefix, start=start, end=end, after=after, **_as_keywords(options)
            )
            for item in page.items:
                yield item
            after = page.cursor
            if after is None:
                return


def _as_keywords(options: QueryOptions) -> dict[str, Any]:
    return {
        "stale": options.stale,
        "committed": options.committed,
        "partition": options.partition,
        "timeout": options.timeout_s,
    }
