"""Declaring the tables of an application."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, Unpack, overload

from faust_core.application import AppProtocol
from faust_core.errors import ConfigError
from faust_core.tables import (
    GlobalTable,
    GlobalTableOptions,
    SetGlobalTable,
    SetTable,
    SetTableOptions,
    Table,
    TableOptions,
)
from faust_core.tables.options import check_options
from faust_core.tables.table import KeyPartitionedTable

__all__ = ["DeclaresTables"]

K = TypeVar("K")
V = TypeVar("V")
AnyTable = TypeVar("AnyTable", bound="Table[Any, Any]")
AnySetTable = TypeVar("AnySetTable", bound="SetTable[Any, Any]")


class DeclaresTables(ABC):
    """What a program says of its tables before it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, Table[Any, Any]] = {}

    @abstractmethod
    def _application(self) -> AppProtocol:
        """Return this application, as topics, tables and agents know it."""

    @property
    @abstractmethod
    def agent(self) -> Callable[..., Any]:
        """`app.agent(topic, …)`."""

    @overload
    def Table(
        self,
        name: str,
        *,
        key_type: type[K],
        value_type: type[V],
        default: Callable[[], V] | None = None,
        **options: Unpack[TableOptions],
    ) -> Table[K, V]: ...

    @overload
    def Table(
        self, name: str, *, key_type: type[K], default: type[V] | Callable[[], V], **options: Unpack[TableOptions]
    ) -> Table[K, V]: ...

    @overload
    def Table(
        self,
        name: str,
        *,
        value_type: type[V],
        default: Callable[[], V] | None = None,
        **options: Unpack[TableOptions],
    ) -> Table[Any, V]: ...

    @overload
    def Table(
        self, name: str, *, default: type[V] | Callable[[], V], **options: Unpack[TableOptions]
    ) -> Table[Any, V]: ...

    @overload
    def Table(
        self,
        name: str,
        *,
        key_type: Any = None,
        value_type: Any = None,
        default: Callable[[], Any] | None = None,
        **options: Unpack[TableOptions],
    ) -> Table[Any, Any]: ...

    def Table(self, name: str, **options: Any) -> Table[Any, Any]:  # noqa: N802  the name that applications use
        """Declare a table; see `faust_core.tables.Table` for the options.

        Raises:
            ConfigError: a table of that name exists, or an option does not, or has a value that it cannot have.
        """
        check_options("app.Table", name, options, TableOptions)
        kind = KeyPartitionedTable if options.get("use_partitioner") else Table
        return self._declare_table(kind(self._application(), name, **options))

    @overload
    def GlobalTable(
        self,
        name: str,
        *,
        key_type: type[K],
        value_type: type[V],
        default: Callable[[], V] | None = None,
        **options: Unpack[GlobalTableOptions],
    ) -> GlobalTable[K, V]: ...

    @overload
    def GlobalTable(
        self,
        name: str,
        *,
        key_type: Any = None,
        value_type: Any = None,
        default: Callable[[], Any] | None = None,
        **options: Unpack[GlobalTableOptions],
    ) -> GlobalTable[Any, Any]: ...

    def GlobalTable(self, name: str, **options: Any) -> GlobalTable[Any, Any]:  # noqa: N802  as above
        """Declare a table of which every worker has all; see `faust_core.tables.GlobalTable`.

        Raises:
            ConfigError: as for `Table`.
        """
        check_options("app.GlobalTable", name, options, GlobalTableOptions)
        return self._declare_table(GlobalTable(self._application(), name, **options))

    @overload
    def SetTable(
        self, name: str, *, key_type: type[K], value_type: type[V], **options: Unpack[SetTableOptions]
    ) -> SetTable[K, V]: ...

    @overload
    def SetTable(
        self, name: str, *, key_type: Any = None, value_type: Any = None, **options: Unpack[SetTableOptions]
    ) -> SetTable[Any, Any]: ...

    def SetTable(self, name: str, **options: Any) -> SetTable[Any, Any]:  # noqa: N802  as above
        """Declare a table of sets; see `faust_core.tables.SetTable`.

        Raises:
            ConfigError: as for `Table`.
        """
        check_options("app.SetTable", name, options, SetTableOptions)
        return self._declare_sets(SetTable(self._application(), name, **options))

    @overload
    def SetGlobalTable(
        self, name: str, *, key_type: type[K], value_type: type[V], **options: Unpack[SetTableOptions]
    ) -> SetGlobalTable[K, V]: ...

    @overload
    def SetGlobalTable(
        self, name: str, *, key_type: Any = None, value_type: Any = None, **options: Unpack[SetTableOptions]
    ) -> SetGlobalTable[Any, Any]: ...

    def SetGlobalTable(self, name: str, **options: Any) -> SetGlobalTable[Any, Any]:  # noqa: N802  as above
        """Declare a table of sets of which every worker has all; see `faust_core.tables.SetGlobalTable`.

        Raises:
            ConfigError: as for `Table`.
        """
        check_options("app.SetGlobalTable", name, options, SetTableOptions)
        return self._declare_sets(SetGlobalTable(self._application(), name, **options))

    def _declare_sets(self, table: AnySetTable) -> AnySetTable:
        declared = self._declare_table(table)
        if table.start_manager:
            agent = self.agent(table.manager.topic, name=f"{table.name}-setmanager")
            agent(table.manager.process)
        return declared

    def _declare_table(self, table: AnyTable) -> AnyTable:
        if table.name in self.tables:
            raise ConfigError(f"there is a table {table.name!r} already: its changelog can belong to one only")
        for other in self.tables.values():
            if other.changelog_topic_name == table.changelog_topic_name:
                raise ConfigError(
                    f"tables {other.name!r} and {table.name!r} have the same changelog, {table.changelog_topic_name}"
                )
        self.tables[table.name] = table
        return table
