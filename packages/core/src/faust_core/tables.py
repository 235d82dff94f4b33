"""Tables: sharded dicts whose every change is also a record in a changelog topic."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core._context import current_claim
from faust_core.errors import ConfigError, FencedError, NoCurrentEvent, PartitionsMismatch
from faust_core.protocols.store import Store
from faust_core.protocols.transport import TopicSpec
from faust_core.records import TopicPartition
from faust_core.table_partition import DELETED, MISSING, TableCodec, TablePartition, WindowedCodec

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.windows import LateEvent, Window, WindowedTable

    OnLate = Callable[[LateEvent], Any]

__all__ = ["Table", "TableOptions"]

K = TypeVar("K")
V = TypeVar("V")


class TableOptions(TypedDict, total=False):
    """What `app.Table` takes besides the name, the types and the default."""

    key_serializer: str | None
    value_serializer: str | None
    partitions: int | None
    help: str | None
    extra_topic_configs: Mapping[str, Any] | None
    on_recover: Callable[[], Any] | None
    options: Mapping[str, Any] | None
    window: Window | None
    on_window_close: Callable[[Any, Any], Any] | None


class Table(MutableMapping[K, V], Generic[K, V]):
    """A dict that survives: sharded over the workers like its topic, durable by its changelog.

    In a stream's body it is the event's partition.  Elsewhere it can be read only, and shows the
    partitions of this worker.  A value changed in place is not noticed: assign it again.
    """

    def __init__(
        self,
        app: App,
        name: str,
        *,
        default: Callable[[], V] | None = None,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        partitions: int | None = None,
        help: str | None = None,  # noqa: A002  the name that applications use
        extra_topic_configs: Mapping[str, Any] | None = None,
        on_recover: Callable[[], Any] | None = None,
        options: Mapping[str, Any] | None = None,
        window: Window | None = None,
        on_window_close: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        if default is not None and not callable(default):
            raise ConfigError(f"table {name!r}: default= is a function such as int, not {default!r}")
        self.app = app
        self.name = name
        self.default = default
        self.key_type = key_type
        self.value_type = value_type
        self.partitions = partitions
        self.help = help or ""
        self.options = dict(options or {})
        self.extra_topic_configs = dict(extra_topic_configs or {})
        self.window: Window | None = None
        self.on_window_close = on_window_close
        #: somebody waits for final results
        self.closes = on_window_close is not None
        self._on_recover: list[Callable[[], Any]] = [on_recover] if on_recover else []
        self._parts: dict[int, TablePartition] = {}
        self._codec_spec = (
            (key_serializer or getattr(key_type, "__faust_serializer__", None) or "json", key_type),
            (value_serializer or getattr(value_type, "__faust_serializer__", None) or "json", value_type),
        )
        self.codec = TableCodec(name, *self._codec_spec)
        self._opened = False
        if window is not None:
            self._split_by(window)
        if not name or not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
            raise ConfigError(
                f"table name {name!r}: letters, digits, '.', '_' and '-', as it is part of a topic's name"
            )

    @property
    def changelog_topic_name(self) -> str:
        return f"{self.app.conf.id}-{self.name}-changelog"

    def changelog_spec(self, partitions: int) -> TopicSpec:
        """Describe the changelog topic as it shall be created."""
        config = {"cleanup.policy": "compact"}
        if self.window is not None and self.window.expires is not None and not self.closes:
            # Where windows are closed none may be deleted before that, however long the stream stands still.
            # A window's first record is as old as the window, so that it must outlive that, too.
            kept_ms = round((self.window.length + self.window.expires) * 1000)
            config = {"cleanup.policy": "compact,delete", "retention.ms": str(kept_ms)}
        config.update({key: str(value) for key, value in self.extra_topic_configs.items()})
        return TopicSpec(self.changelog_topic_name, partitions, self.app.conf.topic_replication_factor, config)

    # -- the engine's side

    def open_partition(self, partition: int, store: Store, cache_size: int) -> TablePartition:
        self._opened = True
        changelog = TopicPartition(self.changelog_topic_name, partition)
        if self.window is None:
            return TablePartition(self, store, self.codec, changelog, cache_size)
        from faust_core.windows import WindowedPartition  # noqa: PLC0415  windows stand on tables

        return WindowedPartition(self, store, self.codec, changelog, cache_size, window=self.window, closes=self.closes)

    def attach(self, partition: int, part: TablePartition) -> None:
        """A partition is this worker's, restored and ready."""
        self._parts[partition] = part

    def detach(self, partition: int) -> None:
        self._parts.pop(partition, None)

    def on_recover(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Call `function` (which may be async) when this worker's partitions of the table are restored."""
        self._on_recover.append(function)
        return function

    @property
    def recover_callbacks(self) -> Iterable[Callable[[], Any]]:
        return tuple(self._on_recover)

    # -- the user's side

    def current_partition(self, *, change: bool = False) -> TablePartition:
        """Return the partition of the event in hand."""
        claim = current_claim.get()
        if claim is None:
            raise NoCurrentEvent(
                f"table {self.name!r} was changed outside of a stream: only inside `async for … in stream` is it known "
                "which partition a key belongs to. Send to an agent that makes the change"
            )
        if claim.task.closed:
            raise FencedError(
                f"table {self.name!r}: {claim.tp} was taken away from this worker; the event is repeated elsewhere"
            )
        part: TablePartition | None = claim.task.open_tables.get(self.name)
        if part is None:
            raise PartitionsMismatch(claim.task.describe_missing_table(self.name))
        if change:
            claim.wrote = claim.index
        return part

    def __getitem__(self, key: K) -> V:
        claim = current_claim.get()
        if claim is None:
            value = self._find(key)
        else:
            part = claim.task.open_tables.get(self.name) or self.current_partition()
            value = part.dirty.get(key, MISSING)
            if value is MISSING:
                value = part.settled(key)
        if value is MISSING or value is DELETED:
            if self.default is None:
                raise KeyError(key)
            return self.default()
        return value  # type: ignore[no-any-return]  # layers hold decoded values of V

    def _find(self, key: K) -> Any:
        for part in self._parts.values():
            value = part.get(key)
            if value is not MISSING:
                return value
        return MISSING

    def __setitem__(self, key: K, value: V) -> None:
        claim = current_claim.get()
        part = claim.task.open_tables.get(self.name) if claim is not None else None
        if claim is None or part is None:
            part = self.current_partition(change=True)
        else:
            claim.wrote = claim.index
        part.dirty[key] = value

    def __delitem__(self, key: K) -> None:
        part = self.current_partition(change=True)
        if part.get(key) is MISSING:
            raise KeyError(key)
        part.dirty[key] = DELETED

    def __contains__(self, key: object) -> bool:
        if current_claim.get() is None:
            return self._find(key) is not MISSING  # type: ignore[arg-type]  # any object may be asked for
        return self.current_partition().get(key) is not MISSING

    def visible(self) -> Iterable[TablePartition]:
        return [self.current_partition()] if current_claim.get() is not None else list(self._parts.values())

    def __iter__(self) -> Iterator[K]:
        for part in self.visible():
            for key, _ in part.items():  # noqa: PERF102  not a dict
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> Any:
        """Return keys and values of this worker's partitions (of the event's partition inside a stream)."""
        return TableItems(self)

    def iterate_items(self) -> Iterator[tuple[K, V]]:
        for part in self.visible():
            yield from part.items()

    def clear(self) -> None:
        part = self.current_partition(change=True)
        for key, _ in list(part.items()):
            part.dirty[key] = DELETED

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, or `default`; the table's own default is not used."""
        value = self.current_partition().get(key) if current_claim.get() is not None else self._find(key)
        return default if value is MISSING or value is DELETED else value

    def pop(self, key: K, default: Any = MISSING) -> Any:
        part = self.current_partition(change=True)
        value = part.get(key)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(key)
            return default
        part.dirty[key] = DELETED
        return value

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`; where it has none, set it to `default`, not to the table's own."""
        value = self.get(key, MISSING)
        if value is MISSING:
            self[key] = value = default
        return value

    def values(self) -> Any:
        """Return the values that `items()` has."""
        return TableValues(self)

    # -- windows

    def tumbling(
        self,
        size: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into windows of `size` that follow each other.

        Args:
            size: seconds, or a timedelta.
            expires: how long a window is kept after its end, in stream time; for ever where None, or until it is
                closed where somebody waits for that.
            grace: how long after its end a window still takes late events, in stream time.
            on_late: called with a `LateEvent` for each change that came later than that.
        """
        from faust_core.windows import TumblingWindow  # noqa: PLC0415  windows stand on tables

        return self.using_window(TumblingWindow(size, expires, grace), key_index=key_index, on_late=on_late)

    def hopping(
        self,
        size: float | dt.timedelta,
        step: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into windows of `size` that begin every `step`; they overlap."""
        from faust_core.windows import HoppingWindow  # noqa: PLC0415

        return self.using_window(HoppingWindow(size, step, expires, grace), key_index=key_index, on_late=on_late)

    def sliding(
        self,
        before: float | dt.timedelta,
        after: float | dt.timedelta,
        expires: float | dt.timedelta,
        key_index: bool = False,
        *,
        merge: Callable[[V, V], V] = operator.add,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table with, at each time, what happened from `before` until `after` it, merged by `merge`."""
        from faust_core.windows import SlidingWindow  # noqa: PLC0415

        window = SlidingWindow(before, after, expires, merge=merge)
        return self.using_window(window, key_index=key_index, on_late=on_late)

    def session(
        self,
        gap: float | dt.timedelta,
        expires: float | dt.timedelta | None = None,
        key_index: bool = False,
        *,
        merge: Callable[[V, V], V] = operator.add,
        grace: float | dt.timedelta | None = None,
        on_late: OnLate | None = None,
    ) -> WindowedTable[K, V]:
        """Return this table split into sessions: events of a key, none more than `gap` after the one before.

        Args:
            merge: makes one value of those of two sessions, the earlier one first, when an event joins them.
        """
        from faust_core.windows import SessionWindow  # noqa: PLC0415

        window = SessionWindow(gap, expires, grace, merge=merge)
        return self.using_window(window, key_index=key_index, on_late=on_late)

    def using_window(
        self, window: Window, *, key_index: bool = False, on_late: OnLate | None = None
    ) -> WindowedTable[K, V]:
        """Return this table split by `window`.

        Args:
            key_index: `items()` shows the keys and values of one window, not all windows.

        Raises:
            ConfigError: it is split by another window already, is in use, or has keys that are not written as JSON.
        """
        from faust_core.windows import split  # noqa: PLC0415

        self._split_by(window)
        return split(self, window, key_index=key_index, on_late=on_late)

    def _split_by(self, window: Window) -> None:
        from faust_core.windows import SlidingWindow, Window  # noqa: PLC0415

        if not isinstance(window, Window):
            raise ConfigError(f"table {self.name!r}: window= is a window such as TumblingWindow(60), not {window!r}")
        if self.closes and isinstance(window, SlidingWindow):
            raise ConfigError(f"table {self.name!r}: sliding windows have no final results; use hopping windows")
        if self.window == window:
            return
        if self.window is not None:
            raise ConfigError(
                f"table {self.name!r} is split by {self.window} already: declare another table for {window}"
            )
        if self._opened:
            raise ConfigError(f"table {self.name!r} is in use: say its window where it is declared")
        self.codec = WindowedCodec(self.name, *self._codec_spec)
        self.window = window

    def close_windows(self, what: str) -> None:
        """Somebody waits for final results: from the start on no window may go before it was handed out.

        Raises:
            ConfigError: the table is in use.
        """
        if self._opened and not self.closes:
            raise ConfigError(
                f"table {self.name!r} is in use: call {what} beside the declaration, before the application starts"
            )
        self.closes = True

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<Table: {self.name}>"


class TableValues(ValuesView[Any]):
    """`table.values()`: where several partitions have the same key, the value of each."""

    _mapping: Table[Any, Any]

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.iterate_items())

    def __contains__(self, value: object) -> bool:
        return any(value == other for other in self)


class TableItems:
    """`table.items()`: iterable any number of times, each time anew."""

    def __init__(self, table: Table[Any, Any]) -> None:
        self._table = table

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._table.iterate_items()

    def __len__(self) -> int:
        return len(self._table)
