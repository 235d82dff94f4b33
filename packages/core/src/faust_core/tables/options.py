"""What may be said of a table when it is declared."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from faust_core.errors import ConfigError
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.windows import Window

__all__ = [
    "GlobalTableOptions",
    "SetTableOptions",
    "TableOptions",
    "check_count",
    "check_mapping",
    "check_name",
    "check_observer",
    "check_options",
    "check_store",
]


class TableOptions(TypedDict, total=False):
    """What `app.Table` takes besides the name, the types and the default; see `Table`."""

    window: Window | None
    partitions: int | None
    help: str | None
    key_serializer: Any
    value_serializer: Any
    schema: Any
    store: str | None
    options: Mapping[str, Any] | None
    changelog_topic: Topic[Any, Any] | str | None
    extra_topic_configs: Mapping[str, Any] | None
    on_recover: Callable[[], Any] | None
    on_changelog_event: Callable[[Any], Any] | None
    on_change: Callable[[Any, Any, Any], Any] | None
    on_window_close: Callable[[Any, Any], Any] | None
    recovery_buffer_size: int | None
    standby_buffer_size: int | None
    use_partitioner: bool


class GlobalTableOptions(TableOptions, total=False):
    """What `app.GlobalTable` takes besides."""

    synchronize_all_active_partitions: bool


class SetTableOptions(TableOptions, total=False):
    """What `app.SetTable` takes besides."""

    start_manager: bool
    manager_topic_name: str | None
    manager_topic_suffix: str | None


NAMED = frozenset({"default", "key_type", "value_type"})


def check_options(kind: str, name: str, given: Mapping[str, Any], options: Any) -> None:
    """Raises:
    ConfigError: an option that does not exist; the message offers the closest one.
    """
    known = NAMED | set(options.__annotations__)  # those of its bases are among them
    for option in given:
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
            raise ConfigError(f"table {name!r}: {kind} has no option {option!r}: {hint}")


def check_name(name: Any) -> None:
    if not isinstance(name, str) or not name or not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
        raise ConfigError(f"table name {name!r}: letters, digits, '.', '_' and '-', as it is part of a topic's name")


def check_count(table: str, option: str, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ConfigError(f"table {table!r}: {option}={value!r} must be a whole number, at least 1")


def check_observer(table: str, option: str, function: Any) -> None:
    if function is not None and not callable(function):
        raise ConfigError(f"table {table!r}: {option}= is a function, not {function!r}")


def check_mapping(table: str, option: str, given: Any) -> None:
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"table {table!r}: {option}= is a dictionary, not {given!r}")


def check_store(table: str, store: Any) -> str | None:
    if store is None:
        return None
    url = str(store)
    if "://" not in url:
        raise ConfigError(f"table {table!r}: store={store!r} is no URL such as 'rocksdb://', 'memory://', 'redis://…'")
    return url
