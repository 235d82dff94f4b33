"""Running a whole application in a test: no broker, no clock but the test's own."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from faust_core.agents import Agent
from faust_core.app import App
from faust_core.clock import SystemClock
from faust_core.engine.channels import Channel
from faust_core.engine.worker import Worker
from faust_core.errors import ConfigError, FaustError
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.memory import Broker
from faust_core.partitioner import partition_for
from faust_core.records import ConsumerRecord
from faust_core.settings import Settings, seconds
from faust_core.testing.clock import ManualClock
from faust_core.testing.idle import UNANSWERED, reason_to_wait, waits_inside_an_event
from faust_core.testing.reading import Reading
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.testing.sync import BlockingTestDriver

__all__ = ["NotIdle", "TestDriver"]

K = TypeVar("K")
V = TypeVar("V")

#: Turns of the event loop after which nothing may have come to do, before the application counts as idle.
QUIET_TURNS = 30
#: How long it is waited, in real time, before it is looked again.
LOOK_S = 0.001
#: How long an answer may be on its way, in real time, when nothing else is left to be done.
ANSWER_S = 0.1


class NotIdle(FaustError):
    """The application goes on working although it was given the time to finish; the message says on what."""


class _Stamps(SystemClock):
    """The broker's clock: records are stamped with the test's time, everything else goes on by itself."""

    __slots__ = ("_clock",)

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def time(self) -> float:
        return self._clock.time()


class TestDriver(Reading):
    """Runs a whole application in memory: put values into topics, read topics and tables, move the time.

        async with TestDriver(app) as driver:
            await driver.put(orders, Order(…))
            assert driver.read_values(totals) == [3]

    In tests that are not async write `with TestDriver(app) as driver:`; the methods are the same, without `await`.

    The application is the one that production runs, with its settings, but for these: the broker and all tables are
    in memory, and a topic that says nothing of its partitions has one.  Timers, crontabs, `take(within=)`, back-off,
    time-outs, windows of the wall clock and `app.sleep` go by `clock`, which stands still unless `advance` moves it.

    Each call returns when the application has done all that it can do without the time moving.
    """

    __test__ = False  # no test class of pytest's

    def __init__(
        self,
        app: App,
        *,
        start: float | dt.datetime = 1_700_000_000.0,
        raise_errors: bool = True,
        timeout: float = 10.0,
        **settings: Any,
    ) -> None:
        """Args:
            start: the time at which the test begins: epoch seconds, or a datetime.
            raise_errors: raise what agents, timers and decoding raise from the call that brought it about.  Without,
                it goes the way of its policy, as in production: look at `dead_letters`, `errors`.
            timeout: seconds of real time that a call may take.
            settings: of the application, for this test.

        Raises:
            UnknownSetting: there is no setting of that name.
        """
        self.clock = ManualClock(start.timestamp() if isinstance(start, dt.datetime) else float(start))
        broker = Broker(clock=_Stamps(self.clock))
        super().__init__(app, broker, _in_memory(app.conf, broker, settings))
        broker.auto_create = self.conf.topic_partitions
        #: who raised what, since the test began
        self.errors: list[tuple[str, BaseException]] = []
        self._raise_errors = raise_errors
        self._unraised: list[BaseException] = []
        self._timeout_s = timeout
        self._production_conf = app.conf
        self._production_clock = app.clock

    # -- life

    async def __aenter__(self) -> Self:
        app = self.app
        if app.worker is not None:
            raise ConfigError(f"application {app.id} runs already: a TestDriver starts it itself")
        app.conf, app.clock, app.stores_in_memory = self.conf, self.clock, True
        app.on_error_seen = self._saw
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self._end()
        except Exception:
            if exc is None:
                raise
        if exc is None:
            self._raise()

    def __enter__(self) -> BlockingTestDriver:
        from faust_core.testing.sync import BlockingTestDriver  # noqa: PLC0415  it imports this module

        self._blocking = BlockingTestDriver(self)
        return self._blocking.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._blocking.stop(exc_type, exc, tb)

    async def _start(self) -> None:
        await self.app.start()
        await self.settle()

    async def _end(self) -> None:
        app = self.app
        try:
            await app.stop()
        finally:
            app.conf, app.clock, app.stores_in_memory = self._production_conf, self._production_clock, False
            app.on_error_seen = None

    async def restart(self) -> None:
        """Stop the application and start it again: what is not in topics is gone, tables come from their changelogs."""
        await self.app.stop()
        await self._start()

    def _saw(self, who: str, error: BaseException) -> None:
        self.errors.append((who, error))
        self._unraised.append(error)

    def _raise(self) -> None:
        errors, self._unraised = self._unraised, []
        if not errors or not self._raise_errors:
            return
        if len(errors) == 1 or not all(isinstance(error, Exception) for error in errors):
            raise errors[0]
        raise ExceptionGroup("the application raised", [e for e in errors if isinstance(e, Exception)])

    # -- in

    @overload
    async def put(
        self,
        channel: Topic[K, V] | Channel[K, V],
        *values: V | None,
        key: K | None = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    @overload
    async def put(
        self,
        channel: Agent[V],
        *values: V | None,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    @overload
    async def put(
        self,
        channel: str,
        *values: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None: ...

    async def put(
        self,
        channel: Any,
        *values: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> None:
        """Write values to a topic (also that of an agent, or by name) or into a channel, and let them be processed.

        Args:
            values: encoded by the topic's codec; bytes and None are written as they are.
            key, timestamp, headers: of each of them; the time is the test's where None.
            partition: the one that the key belongs to where None; without a key the first.

        Raises:
            Exception: what the application raised over it, unless `raise_errors=False`.
            NotIdle: it is not through with them in time.
        """
        target: Any = channel.topic if isinstance(channel, Agent) else channel
        for value in values:
            if isinstance(target, Channel):
                await target.send(key=key, value=value, headers=headers, timestamp=timestamp)
            else:
                self.write(self.topic(target), value, key, partition, timestamp, headers)
        await self.settle()

    def write(
        self,
        topic: Topic[Any, Any],
        value: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
    ) -> ConsumerRecord:
        """Write one record, and let nobody process it yet: `settle()` does."""
        name = topic.get_topic_name()
        self.broker.create_topic(name, topic.partitions or self.conf.topic_partitions)
        count = len(self.broker.topics[name].logs)
        raw_key, raw_value = topic.encode_key(key), topic.encode_value(value)
        if partition is None:
            partition = 0 if raw_key is None else partition_for(raw_key, count)
        if not 0 <= partition < count:
            raise ConfigError(f"{name} has {count} partitions here, so there is no partition {partition}")
        stamp = milliseconds(self.clock.time() if timestamp is None else timestamp, name)
        pairs = tuple(header_list(headers, name) or ())
        offset = self.broker.append(name, raw_value, raw_key, partition, stamp, pairs)
        return ConsumerRecord(name, partition, offset, stamp, raw_key, raw_value, pairs)

    async def ask(self, agent: Agent[Any], value: Any = None, *, key: Any = None) -> Any:
        """Send a value to an agent, and return what it yields for it.

        Raises:
            TimeoutError: it yields nothing for it, as long as the time does not move.
            AgentError: it raised, and `raise_errors=False`; else that error itself.
        """
        promise = await agent.ask_nowait(value, key=key)
        try:
            await self.settle()
            if not promise.done():
                await asyncio.sleep(LOOK_S)  # for the answer to be read
                await self.settle()
            if not promise.done():
                raise TimeoutError(f"agent {agent.name} yielded nothing for {value!r}")
            return promise.result()
        finally:
            promise.cancel()

    # -- time

    def time(self) -> float:
        """Return the test's time, epoch seconds."""
        return self.clock.time()

    async def advance(self, by: float | dt.timedelta) -> None:
        """Move the time on, by seconds or a timedelta.  What falls due meanwhile happens at its time, in order.

        Raises:
            Exception: as for `put`.
        """
        span = seconds("advance", by)
        target = self.clock.monotonic() + span
        await self._until_idle()
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= target:
            self.clock.advance(due)
            await self._until_idle()
        self.clock.advance(max(0.0, target - self.clock.monotonic()))
        await self.settle()

    async def settle(self) -> None:
        """Return when the application has done all that it can do without the time moving, and has committed it.

        Raises:
            Exception: as for `put`.
        """
        while True:
            await self._until_idle()
            worker = self._worker()
            if waits_inside_an_event(worker, self.clock, sleeping=self.conf.exactly_once):
                break  # a checkpoint would wait for it
            commits = worker.checkpointer.commits
            await worker.commits.commit(None)
            if worker.checkpointer.commits == commits:
                break  # nothing was done since the last one
        self._raise()

    async def _until_idle(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        answers_by = time.monotonic() + ANSWER_S
        quiet = 0
        reason: str | None = None
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            worker = self._worker()
            if worker.failed:
                await self._failed()
            reason = reason_to_wait(worker, self.broker, self.clock)
            if reason is None or not reason.startswith(UNANSWERED):
                answers_by = time.monotonic() + ANSWER_S
            elif time.monotonic() > answers_by:
                reason = None  # its time-out is the test's to bring about
            quiet = 0 if reason else quiet + 1
            if reason and time.monotonic() > deadline:
                raise NotIdle(
                    f"the application is not idle after {self._timeout_s:g} s: {reason}.  Does it wait for what "
                    "this test has yet to do, or sleep with asyncio.sleep, where app.sleep goes by the test's time?"
                )
            if reason:
                await asyncio.sleep(LOOK_S)

    async def _failed(self) -> None:
        self._unraised.clear()
        await self.app.wait()
        raise ConfigError("the application was stopped during the test")

    def _worker(self) -> Worker:
        if self.app.worker is None:
            raise ConfigError("the application does not run: use `async with TestDriver(app)`, or `with`")
        return self.app.worker


def _in_memory(conf: Settings, broker: Broker, settings: Mapping[str, Any]) -> Settings:
    """Return an application's settings, as they are in a test."""
    return conf.with_options(
        **{
            "broker": broker.url,
            "store": "memory://",
            "broker_commit_interval": min(30.0, conf.transaction_timeout / 2),
            "table_standby_replicas": 0,
            "topic_allow_declare": True,
            "topic_partitions": 1,
            "topic_replication_factor": 1,
            **settings,
        }
    )
