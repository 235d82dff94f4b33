"""Running one agent in a test."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from faust_core._context import current_claim
from faust_core.app import App
from faust_core.asked import CORRELATION_ID, REPLY_TO
from faust_core.errors import ConfigError
from faust_core.events import Event
from faust_core.headers import HeadersArg
from faust_core.testing.driver import TestDriver
from faust_core.testing.outputs import event_of

if TYPE_CHECKING:
    from faust_core.agents import Agent

__all__ = ["AgentTestContext"]


class AgentTestContext:
    """One agent, run alone with its application's tables, on a broker in memory.

    Has the agent's own attributes and methods, too.  Other agents, timers and tasks do not run; what is sent to other
    topics can be read by `driver.read`.

    Attributes:
        results: by the offset of the record: what the agent yielded for it last; where it yields nothing, the value.
        driver: the rest of what a test may want: the time, tables, other topics.
    """

    __test__ = False  # no test class of pytest's

    def __init__(self, agent: Agent[Any], *, raise_errors: bool = True, **settings: Any) -> None:
        app: Any = agent.app
        if not isinstance(app, App):
            raise ConfigError(f"agent {agent.name} belongs to no application that could run it")
        self._agent = agent
        self._app = app
        self._function = agent.function
        self.results: dict[int, Any] = {}
        self.driver = TestDriver(app, raise_errors=raise_errors, **settings)
        #: offset of the last record that was put; -1 before
        self.sent_offset = -1
        #: offset of the last record that the agent was through with; -1 before
        self.processed_offset = -1

    async def __aenter__(self) -> Self:
        app, agent = self._app, self._agent
        self._declared: Mapping[str, Any] = {"agents": app.agents, "jobs": app.jobs, "tables": app.tables}
        app.agents, app.jobs = {agent.name: agent}, []
        app.tables = {} if agent.topic.in_memory else app.tables
        agent.function = self._watched(agent.function)
        try:
            await self.driver.__aenter__()
        except BaseException:
            self._restore()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self.driver.__aexit__(exc_type, exc, tb)
        finally:
            self._restore()

    def _restore(self) -> None:
        self._agent.function = self._function
        for name, value in self._declared.items():
            setattr(self._app, name, value)

    def _watched(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        if not self._agent.yields:
            return function

        async def watched(stream: Any) -> AsyncIterator[Any]:
            async for value in function(stream):
                claim = current_claim.get()
                if claim is not None:
                    self.results[claim.offset] = value
                yield value

        return watched

    async def put(
        self,
        value: Any = None,
        key: Any = None,
        *,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        reply_to: Any = None,
        correlation_id: str | None = None,
        wait: bool = True,
    ) -> Event[Any, Any]:
        """Give the agent a value, with key and headers, and return it as an event.

        Args:
            reply_to, correlation_id: whom, and with which name, it shall answer.
            wait: until the agent is through with it.

        Raises:
            Exception: what the agent raised over it.
        """
        topic = self._agent.topic
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if reply_to is not None:
            name = reply_to if isinstance(reply_to, str) else getattr(reply_to, "topic", reply_to).name
            pairs += [(REPLY_TO, name), (CORRELATION_ID, correlation_id or "test")]
        if topic.in_memory:
            raise ConfigError(f"agent {self._agent.name} reads a channel: put values into that, and call settle()")
        record = self.driver.write(topic, value, key, partition, timestamp, pairs)
        self.sent_offset = record.offset
        if wait:
            await self.driver.settle()
            self.processed_offset = record.offset
            if not self._agent.yields:
                self.results.setdefault(record.offset, value)
        return event_of(topic, record)

    async def settle(self) -> None:
        """Wait until the agent is through with what it was given."""
        await self.driver.settle()
        self.processed_offset = self.sent_offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)
