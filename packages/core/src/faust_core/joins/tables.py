"""What `table.join(…)` and its kin return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faust_core.errors import ConfigError
from faust_core.joins.foreign_key import ForeignKeyJoin
from faust_core.joins.table_changes import JoinOfTables, TableChanges
from faust_core.joins.window import Mode

__all__ = ["join_tables"]


def join_tables(
    left: Any, right: Any, mode: str, *, on: Any = None, joiner: Callable[[Any, Any], Any] | None, name: str | None
) -> TableChanges[Any, Any]:
    """Join two tables by their keys, or by the key that a value of the left one names.

    Raises:
        ConfigError: what was asked for is no join; says which argument and why.
    """
    if joiner is not None and not callable(joiner):
        raise ConfigError(f"join of table {left.name!r}: joiner= is a function of (left, right), not {joiner!r}")
    if on is None:
        return JoinOfTables(left, right, Mode[mode], joiner, name)
    return ForeignKeyJoin(left, right, Mode[mode], on, joiner, name)
