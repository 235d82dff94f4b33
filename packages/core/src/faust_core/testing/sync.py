"""The test driver for tests that are not async."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from faust_core.agents import Agent
from faust_core.engine.channels import Channel
from faust_core.errors import ConfigError
from faust_core.headers import HeadersArg
from faust_core.tables import Table
from faust_core.testing.outputs import DeadLetter, Output
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.testing.driver import TestDriver

__all__ = ["BlockingTestDriver"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class BlockingTestDriver:
    """What `with TestDriver(app) as driver` gives: the methods of `TestDriver` without `await`.

    The application runs while one of them does, and stands still in between.
    """

    def __init__(self, driver: TestDriver) -> None:
        self._driver = driver
        self._runner = asyncio.Runner()

    def start(self) -> BlockingTestDriver:
        """Raises:
        ConfigError: an event loop runs here already.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigError("`with TestDriver(app)` is for tests that are not async: write `async with` here")
        try:
            self.run(self._driver.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def stop(self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.run(self._driver.__aexit__(exc_type, exc, tb))
        finally:
            self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine beside the application, such as `agent.ask(…)`."""
        return self._runner.run(coroutine)

    @property
    def errors(self) -> list[tuple[str, BaseException]]:
        """Who raised what, since the test began."""
        return self._driver.errors

    @overload
    def put(
        self,
        channel: Topic[K, V] | Channel[K, V],
        *values: V | None,
        key: K | None = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    @overload
    def put(
        self,
        channel: Agent[V],
        *values: V | None,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    @overload
    def put(
        self,
        channel: str,
        *values: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    def put(
        self,
        channel: Any,
        *values: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None:
        """Write values to a topic or a channel, and let them be processed."""
        self.run(self._driver.put(channel, *values, key=key, partition=partition, timestamp=timestamp, headers=headers))

    def ask(self, agent: Agent[Any], value: Any = None, *, key: Any = None) -> Any:
        """Send a value to an agent, and return what it yields for it."""
        return self.run(self._driver.ask(agent, value, key=key))

    def time(self) -> float:
        """Return the test's time, epoch seconds."""
        return self._driver.time()

    def advance(self, by: float | dt.timedelta) -> None:
        """Move the time on."""
        self.run(self._driver.advance(by))

    def settle(self) -> None:
        """Return when the application has done all that it can do without the time moving."""
        self.run(self._driver.settle())

    def restart(self) -> None:
        """Stop the application and start it again."""
        self.run(self._driver.restart())

    @overload
    def read(self, topic: Topic[K, V]) -> list[Output[K, V]]: ...

    @overload
    def read(self, topic: Agent[V]) -> list[Output[Any, V]]: ...

    @overload
    def read(self, topic: str) -> list[Output[Any, Any]]: ...

    def read(self, topic: Any) -> list[Output[Any, Any]]:
        """Return what has been written to a topic since it was last read here."""
        return self._driver.read(topic)

    @overload
    def read_values(self, topic: Topic[Any, V] | Agent[V]) -> list[V]: ...

    @overload
    def read_values(self, topic: str) -> list[Any]: ...

    def read_values(self, topic: Any) -> list[Any]:
        """Like `read`, the values alone."""
        return self._driver.read_values(topic)

    @overload
    def table(self, table: Table[K, V]) -> dict[K, V]: ...

    @overload
    def table(self, table: str) -> dict[Any, Any]: ...

    def table(self, table: Any) -> dict[Any, Any]:
        """Return a copy of all that a table has now."""
        return self._driver.table(table)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """All records that agents have failed on, oldest first."""
        return self._driver.dead_letters
