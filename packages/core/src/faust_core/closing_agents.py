"""`on_window_close`: an agent of the table's own that calls back for each closed window."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from faust_core.agents import Agent
from faust_core.application import AppProtocol
from faust_core.errors import ConfigError
from faust_core.stream import Stream
from faust_core.tables import Table
from faust_core.windows.closed import ClosedWindows

__all__ = ["closing_agents"]


def closing_agents(app: AppProtocol, tables: Iterable[Table[Any, Any]]) -> Iterator[Agent[Any]]:
    """Yield an agent for each table with a callback: `callback((key, window), value)`, which may be async.

    A callback that raises is dealt with as the application's `on_error` says.

    Raises:
        ConfigError: the table has no windows.
    """
    for table in tables:
        if table.on_window_close is None:
            continue
        if table.window is None:
            raise ConfigError(
                f"table {table.name!r} has on_window_close but no windows: add .tumbling(...) or another kind to it"
            )
        yield Agent(
            app, _caller(table.on_window_close), name=f"{table.name}.on_window_close", topic=ClosedWindows(table)
        )


def _caller(callback: Any) -> Any:
    async def call_back(stream: Stream[Any]) -> None:
        async for key, value in stream:
            result = callback(key, value)
            if inspect.isawaitable(result):
                await result

    return call_back
