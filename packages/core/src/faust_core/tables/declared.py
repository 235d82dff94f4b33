"""A table as it was declared: its options, its changelog, and what the engine does with its partitions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from faust_core.claims import TaskView
from faust_core.errors import ConfigError
from faust_core.protocols.store import Store
from faust_core.protocols.transport import TopicSpec
from faust_core.records import TopicPartition
from faust_core.schema import CodecArg, Schema
from faust_core.table_overlay import Overlay
from faust_core.table_partition import TableCodec, TablePartition, WindowedCodec
from faust_core.table_watch import TableWatch
from faust_core.tables.options import check_count, check_name, check_observer, check_store
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.windows import Window

__all__ = ["DeclaredTable"]

K = TypeVar("K")
V = TypeVar("V")


class DeclaredTable(Generic[K, V]):
    """What all kinds of tables are before they are dicts or sets.

    Attributes:
        partition_count: how many partitions it has; known while the application runs.
    """

    #: whether every worker has all partitions
    is_global = False
    overlay_type: type[Overlay] | None = None
    watch: TableWatch | None = None

    def __init__(
        self,
        app: App,
        name: str,
        *,
        default: Callable[[], V] | None = None,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
        schema: Schema[K, V] | Any = None,
        partitions: int | None = None,
        help: str | None = None,  # noqa: A002  the name that applications use
        store: str | None = None,
        options: Mapping[str, Any] | None = None,
        changelog_topic: Topic[Any, Any] | str | None = None,
        extra_topic_configs: Mapping[str, Any] | None = None,
        on_recover: Callable[[], Any] | None = None,
        on_changelog_event: Callable[[Any], Any] | None = None,
        on_change: Callable[[K, V | None, V | None], Any] | None = None,
        on_window_close: Callable[[Any, Any], Any] | None = None,
        recovery_buffer_size: int | None = None,
        standby_buffer_size: int | None = None,
        use_partitioner: bool = False,
        window: Window | None = None,
    ) -> None:
        """Args:
            default: makes the value of a key that has none; reading does not store it.
            key_type, value_type, key_serializer, value_serializer: what keys and values are, and how they are
                written; JSON by default.
            schema: an object that has these four as attributes; what is given by name wins.
            partitions: of the changelog; as many as the topics have that are read where None.
            store: a store's URL, where this table is kept elsewhere than the setting `store` says.
            options: for the store, of this table alone.
            changelog_topic: another topic than `{id}-{name}-changelog`, or just its name.
            extra_topic_configs: of the changelog where it must be created.
            on_recover: called, and awaited if need be, when this worker's partitions are restored.
            on_changelog_event: called with an `Event` for each changelog record that is read, when restoring and as
                a standby; where it raises, the worker stops.
            on_change: called with key, old and new value (None for none) for each change made here.
            recovery_buffer_size, standby_buffer_size: at most so many changelog records are applied to the store at
                once, by an active worker that restores and by a standby; up to 10,000 where None.
            use_partitioner: a key belongs to the partition that its hash says, not to that of the event in hand.

        Raises:
            ConfigError: an option has a value that it cannot have.
        """
        check_name(name)
        if default is not None and not callable(default):
            raise ConfigError(f"table {name!r}: default= is a function such as int, not {default!r}")
        for option, number in {
            "partitions": partitions,
            "recovery_buffer_size": recovery_buffer_size,
            "standby_buffer_size": standby_buffer_size,
        }.items():
            check_count(name, option, number)
        for option, function in {
            "on_recover": on_recover,
            "on_changelog_event": on_changelog_event,
            "on_change": on_change,
            "on_window_close": on_window_close,
        }.items():
            check_observer(name, option, function)
        if inspect.iscoroutinefunction(on_change):
            raise ConfigError(f"table {name!r}: on_change= is called while a key is assigned, so it cannot be async")
        if isinstance(schema, Schema) and (own := schema.overrides()):
            raise ConfigError(
                f"table {name!r}: a table takes the types and codecs of a schema; {type(schema).__name__} overrides "
                f"{', '.join(own)}, which would have no effect here"
            )
        self.app = app
        self.name = name
        self.default = default
        self.key_type = key_type if key_type is not None else getattr(schema, "key_type", None)
        self.value_type = value_type if value_type is not None else getattr(schema, "value_type", None)
        key_serializer = key_serializer or getattr(schema, "key_serializer", None)
        value_serializer = value_serializer or getattr(schema, "value_serializer", None)
        self.partitions = partitions
        self.help = help or ""
        self.store = check_store(name, store)
        self.options = dict(options or {})
        self.extra_topic_configs = dict(extra_topic_configs or {})
        self.on_changelog_event = on_changelog_event
        self.observer = on_change
        self.on_window_close = on_window_close
        #: somebody waits for final results
        self.closes = on_window_close is not None
        self.use_partitioner = use_partitioner
        self.partition_count: int | None = partitions
        self.strict = False
        self.window: Window | None = None
        self._buffers = recovery_buffer_size, standby_buffer_size
        self._changelog_topic = changelog_topic
        self._on_recover: list[Callable[[], Any]] = [on_recover] if on_recover else []
        self._parts: dict[int, TablePartition] = {}
        self._owners: dict[int, TaskView] = {}
        #: types of values that could be written
        self._known: set[type] = set()
        self._codec_spec = (
            (key_serializer or getattr(self.key_type, "__faust_serializer__", None) or "json", self.key_type),
            (value_serializer or getattr(self.value_type, "__faust_serializer__", None) or "json", self.value_type),
        )
        self.codec = self._make_codec()
        self._opened = False
        if window is not None:
            self._split_by(window)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    def _make_codec(self) -> TableCodec:
        return TableCodec(self.name, *self._codec_spec, topic=self.changelog_topic_name)

    @property
    def writes_json(self) -> bool:
        """Whether values are JSON in bytes."""
        return bool(self._codec_spec[1][0] == "json")

    def info(self) -> dict[str, Any]:
        """Return the options that make a table like this one."""
        (key_serializer, _), (value_serializer, _) = self._codec_spec
        return {
            "name": self.name,
            "default": self.default,
            "key_type": self.key_type,
            "value_type": self.value_type,
            "key_serializer": key_serializer,
            "value_serializer": value_serializer,
            "partitions": self.partitions,
            "help": self.help,
            "store": self.store,
            "options": self.options,
            "changelog_topic": self._changelog_topic,
            "extra_topic_configs": self.extra_topic_configs,
            "on_changelog_event": self.on_changelog_event,
            "on_change": self.observer,
            "on_window_close": self.on_window_close,
            "recovery_buffer_size": self._buffers[0],
            "standby_buffer_size": self._buffers[1],
            "use_partitioner": self.use_partitioner,
            "window": self.window,
        }

    def clone(self, **changes: Any) -> Self:
        """Return a table like this one that is not declared, so that no worker fills it; `changes` are options."""
        return type(self)(self.app, **{**self.info(), **changes})

    # -- the changelog

    @property
    def changelog_topic_name(self) -> str:
        given = self._changelog_topic
        if given is None:
            return f"{self.app.conf.id}-{self.name}-changelog"
        return given if isinstance(given, str) else given.get_topic_name()

    @property
    def changelog_topic(self) -> Topic[Any, Any]:
        """The changelog as a topic."""
        if isinstance(self._changelog_topic, Topic):
            return self._changelog_topic
        (key_serializer, key_type), (value_serializer, value_type) = self._codec_spec
        return Topic(
            self.app,
            self.changelog_topic_name,
            key_type=None if self.window else key_type,
            value_type=value_type,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            partitions=self.partitions,
            compacting=True,
            allow_empty=True,
            internal=True,
            config=self.extra_topic_configs,
        )

    def changelog_spec(self, partitions: int) -> TopicSpec:
        """Describe the changelog topic as it shall be created."""
        config = {"cleanup.policy": "compact"}
        if self.window is not None and self.window.expires is not None and not self.closes:
            # Where windows are closed none may be deleted before that, however long the stream stands still.
            # A window's first record is as old as the window, so that it must outlive that, too.
            kept_ms = round((self.window.length + self.window.expires) * 1000)
            config = {"cleanup.policy": "compact,delete", "retention.ms": str(kept_ms)}
        replicas = self.app.conf.topic_replication_factor
        if isinstance(self._changelog_topic, Topic):
            spec = self._changelog_topic.spec(self.changelog_topic_name, partitions)
            config.update(spec.config)
            replicas = spec.replication_factor
        config.update({key: str(value) for key, value in self.extra_topic_configs.items()})
        return TopicSpec(self.changelog_topic_name, partitions, replicas, config)

    # -- the engine's side

    def open_partition(
        self, partition: int, store: Store, cache_size: int, *, resident: bool = True, remote: bool = False
    ) -> TablePartition:
        self._opened = True
        changelog = TopicPartition(self.changelog_topic_name, partition)
        if self.window is None:
            return TablePartition(self, store, self.codec, changelog, cache_size, resident=resident, remote=remote)
        from faust_core.windows import WindowedPartition  # noqa: PLC0415  windows stand on tables

        return WindowedPartition(
            self,
            store,
            self.codec,
            changelog,
            cache_size,
            window=self.window,
            closes=self.closes,
            resident=resident,
            remote=remote,
        )

    def attach(self, partition: int, part: TablePartition, owner: TaskView | None = None) -> None:
        """A partition is this worker's to read, restored and ready; to change as well where it has an `owner`."""
        self._parts[partition] = part
        if owner is not None:
            self._owners[partition] = owner

    def detach(self, partition: int) -> None:
        self._parts.pop(partition, None)
        self._owners.pop(partition, None)

    def copy_of(self, partition: int) -> TablePartition | None:
        """Return a partition that can be read here; None where it cannot."""
        return self._parts.get(partition)

    def owns(self, partition: int) -> bool:
        """Whether a partition is this worker's to change."""
        owner = self._owners.get(partition)
        return owner is not None and not owner.closed

    def taken_over(self, part: TablePartition) -> None:
        """A partition is this worker's from now on, restored; no event has been processed yet."""

    def be_strict(self) -> None:
        self.strict = True

    def batch_size(self, *, standby: bool) -> int | None:
        return self._buffers[standby]

    def on_recover(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Call `function` (which may be async) when this worker's partitions of the table are restored."""
        self._on_recover.append(function)
        return function

    @property
    def recover_callbacks(self) -> Iterable[Callable[[], Any]]:
        return tuple(self._on_recover)

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
        self.codec = WindowedCodec(self.name, *self._codec_spec, topic=self.changelog_topic_name)
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
