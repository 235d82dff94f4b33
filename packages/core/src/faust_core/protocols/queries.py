"""What workers ask each other, and what a worker shows to the outside.

Between workers keys and values are bytes, as the table's codecs write them: the asker encodes and decodes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "JsonAnswer",
    "JsonItem",
    "MetricsPage",
    "PartitionAnswer",
    "PartitionQuery",
    "Peers",
    "QueryOptions",
    "Scan",
    "Served",
    "TableInfo",
    "TableQuery",
    "WorkerState",
]


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows in the order of their keys' bytes.

    Attributes:
        criteria: which keys: `prefix`, `start` (included) and `end` (not included) of the decoded key, or `of`, the key
            that a set's rows belong to.  Each is a key as the table's codec writes it.
        after: only rows behind this one.
        limit: at most so many rows.
    """

    criteria: Mapping[str, bytes] = field(default_factory=dict)
    after: bytes | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class PartitionQuery:
    """What is wanted of one partition: the values of `keys`, or a `scan`."""

    partition: int
    keys: tuple[bytes, ...] = ()
    scan: Scan | None = None


@dataclass(frozen=True, slots=True)
class TableQuery:
    """What one worker asks another.

    Attributes:
        app: the application's id: a worker of another one, at an address that was ours once, must refuse.
        stale: a copy will do that is not the owner's.
        committed: what the next checkpoint may take back is not wanted.
        max_bytes: refuse rather than answer with more.
    """

    app: str
    table: str
    parts: tuple[PartitionQuery, ...]
    stale: bool = False
    committed: bool = False
    max_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartitionAnswer:
    """What a worker knows of one partition.

    Attributes:
        refusal: why it cannot answer: a word of `Refusal`; None where it does.
        detail: the same in a sentence.
        values: of the `keys` asked for, in their order; None where there is none.
        rows: of the scan.
        after: the scan goes on behind this key; None at the end.
        owner: whether the worker is the partition's owner.
        lag: changelog records that it had not read by then; 0 for the owner, None where the broker did not say.
    """

    partition: int
    refusal: str | None = None
    detail: str = ""
    values: tuple[bytes | None, ...] = ()
    rows: tuple[tuple[bytes, bytes], ...] = ()
    after: bytes | None = None
    owner: bool = True
    lag: int | None = 0


class Peers(Protocol):
    """The way to other workers."""

    async def ask(self, endpoint: str, query: TableQuery, /, *, timeout_s: float) -> Sequence[PartitionAnswer]:
        """Ask the worker at `endpoint`, which answers from what it has, and never passes a question on.

        Cancelling ends the request.

        Raises:
            PeerUnreachable: no answer in time, or none that can be read.
            QueryError: the other worker says that the question itself is wrong.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How a table is asked.

    Attributes:
        stale: a standby may answer where the owner cannot.
        committed: leave out what the next checkpoint may take back; None: as the processing guarantee says.
        partition: look there only, wherever the key's hash points.
        timeout_s: for the whole question; None: the setting `query_timeout`.
    """

    stale: bool = False
    committed: bool | None = None
    partition: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table as it was declared.

    Attributes:
        kind: `table`, `set` or `windowed`.
        partitions: None while the application does not run.
    """

    name: str
    kind: str
    help: str
    partitions: int | None
    is_global: bool


@dataclass(frozen=True, slots=True)
class WorkerState:
    """How a worker is.

    Attributes:
        healthy: False where it has failed.
        ready: it runs, and all that it was given is restored.
        reason: why it is not ready, or not healthy.
    """

    app: str
    healthy: bool
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JsonItem:
    """A key with its value, both JSON already.

    Attributes:
        window: start and end of the window, epoch seconds; None where the table has none.
    """

    key: bytes
    value: bytes
    window: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """An answer for the outside.

    Attributes:
        missing: keys (JSON) that have no value.
        cursor: where the next page begins; None at the end.
        owner, lag: as in `PartitionAnswer`; of several partitions the worst.
    """

    items: tuple[JsonItem, ...] = ()
    missing: tuple[bytes, ...] = ()
    cursor: str | None = None
    partition: int | None = None
    owner: bool = True
    lag: int | None = 0


class MetricsPage(Protocol):
    """An ability of `Served`, by the name `metrics`: what is measured, and who is told of requests."""

    @property
    def path(self) -> str | None:
        """Where to serve the metrics; None for nowhere."""
        ...

    async def document(self) -> tuple[str, bytes]:
        """Return the content type, and the metrics."""
        ...

    async def watched(self, method: str, path: str, answer: Callable[[], Awaitable[int | None]], /) -> None:
        """Have a request answered, and tell sensors; `answer` returns the status, None where the client has gone."""
        ...


class Served(Protocol):
    """A stream processor as HTTP shows it.  All calls on its event loop.

    Keys come as text: as they are where the table's keys are text or of no declared type; numbers and the like as JSON
    writes them.  With `as_json` they are JSON in any case.

    The methods that ask tables raise NoSuchTable, QueryError (the question is wrong), AnswerTooLarge, and
    QueryUnavailable (nobody could answer within the time-out).
    """

    def state(self) -> WorkerState: ...

    def tables(self) -> Sequence[TableInfo]: ...

    async def get_many(
        self, table: str, keys: Sequence[str], options: QueryOptions, /, *, as_json: bool = False
    ) -> JsonAnswer:
        """Return the values of those `keys` that have one."""
        ...

    async def windows(
        self,
        table: str,
        key: str,
        start: float | None,
        end: float | None,
        options: QueryOptions,
        /,
        *,
        as_json: bool = False,
    ) -> JsonAnswer:
        """Return a key's values in the windows between two times, or in the latest one that `start` is in.

        Args:
            start: epoch seconds; now where None.
            end: not included; None asks for the one window of `start`.
        """
        ...

    async def page(
        self,
        table: str,
        criteria: Mapping[str, str],
        limit: int,
        cursor: str | None,
        options: QueryOptions,
        /,
        *,
        as_json: bool = False,
    ) -> JsonAnswer:
        """Return up to `limit` items, partition by partition; fewer, even none, with a cursor, is no end.

        Args:
            criteria: `prefix`, `start`, `end`, as in `Scan`.
        """
        ...

    async def answer(self, query: TableQuery, /) -> Sequence[PartitionAnswer]:
        """Answer another worker from what is here."""
        ...


class HasServed(Protocol):
    """An application."""

    @property
    def served(self) -> Served: ...

    @property
    def conf(self) -> Any: ...
