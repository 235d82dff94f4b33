"""Joins: of two streams within an interval, of a stream with a table, of two tables."""

from faust_core.joins.declare import CombinedStream, combine, join, join_any
from faust_core.joins.sides import JoinedStream, TwoStreams, Values
from faust_core.joins.table_changes import TableChanges
from faust_core.joins.tables import join_tables
from faust_core.joins.window import JoinWindow, Mode

__all__ = [
    "CombinedStream",
    "JoinWindow",
    "JoinedStream",
    "Mode",
    "TableChanges",
    "TwoStreams",
    "Values",
    "combine",
    "join",
    "join_any",
    "join_tables",
]
