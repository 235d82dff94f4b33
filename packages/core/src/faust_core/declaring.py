"""Declaring: the topics, agents, tables, timers and signals of an application."""

from __future__ import annotations

import datetime as dt
import re
from abc import abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, TypeVar, Unpack, cast, overload

from faust_core._symbols import subclass_of
from faust_core.closing_agents import closing_agents
from faust_core.configuring import Configures
from faust_core.cron import Cron
from faust_core.declaring_agents import DeclaresAgents, qualified_name
from faust_core.declaring_services import DeclaresServices
from faust_core.declaring_tables import DeclaresTables
from faust_core.declaring_web import DeclaresWeb
from faust_core.engine.channels import Channel
from faust_core.engine.declarations import Declarations, Signals
from faust_core.engine.schedule import Job
from faust_core.errors import ConfigError
from faust_core.local import FromIterable
from faust_core.schema import CodecArg, Schema
from faust_core.settings import Settings, seconds
from faust_core.signals import ClassSignal
from faust_core.stream import FromTopic, Stream, StreamRuntime
from faust_core.topics import Topic, TopicOptions

__all__ = ["Declares"]

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K")
V = TypeVar("V")

#: topics that programs name when they send; those that make their names up must not fill the memory
MAX_NAMED = 10_000


class Declares(Configures, DeclaresAgents, DeclaresServices, DeclaresTables, DeclaresWeb):
    """What a program says of its application before it runs."""

    on_started = ClassSignal("on_started")
    on_before_shutdown = ClassSignal("on_before_shutdown")
    on_partitions_revoked = ClassSignal("on_partitions_revoked")
    on_partitions_assigned = ClassSignal("on_partitions_assigned")
    on_rebalance_complete = ClassSignal("on_rebalance_complete")
    on_produce_message = ClassSignal("on_produce_message")

    def __init__(self, conf: Settings) -> None:
        super().__init__(conf)
        self.jobs: list[Job] = []
        self.topics: list[Topic[Any, Any]] = []
        self._named: dict[str, Topic[Any, Any]] = {}
        # Those of the class, even where a subclass has a method of that name, as `on_started` often is.
        self.signals = Signals(*(vars(Declares)[name].of(self) for name in Signals.__annotations__))

    @abstractmethod
    def _runtime(self) -> StreamRuntime:
        """Return what opens streams.

        Raises:
            ConfigError: the application does not run.
        """

    @abstractmethod
    def _job_added(self, job: Job) -> None:
        """A job was declared, perhaps while the application runs."""

    def declarations(self) -> Declarations:
        """Return what has been declared so far."""
        agents = (*self.agents.values(), *closing_agents(self._application(), self.tables.values()))
        return Declarations(agents, dict(self.tables), tuple(self.jobs), tuple(self.topics))

    @overload
    def topic(
        self, *names: str, key_type: type[K], value_type: type[V], **options: Unpack[TopicOptions]
    ) -> Topic[K, V]: ...

    @overload
    def topic(self, *names: str, value_type: type[V], **options: Unpack[TopicOptions]) -> Topic[Any, V]: ...

    @overload
    def topic(self, *names: str, key_type: type[K], **options: Unpack[TopicOptions]) -> Topic[K, Any]: ...

    @overload
    def topic(
        self, *names: str, key_type: Any = None, value_type: Any = None, **options: Unpack[TopicOptions]
    ) -> Topic[Any, Any]: ...

    def topic(
        self,
        *names: str,
        schema: Schema[Any, Any] | None = None,
        key_type: Any = None,
        value_type: Any = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
        partitions: int | None = None,
        retention: float | dt.timedelta | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        replicas: int | None = None,
        internal: bool = False,
        allow_empty: bool = False,
        acks: bool = True,
        config: Mapping[str, Any] | None = None,
        pattern: str | re.Pattern[str] | None = None,
        maxsize: int | None = None,
        has_prefix: bool = False,
    ) -> Topic[Any, Any]:
        """Describe a topic.

        Args:
            schema: types and codecs in one object; what is given beside it wins.
            key_type, value_type: what keys and values are; None leaves it to the serializer.
            key_serializer, value_serializer: a codec: its name, such as `json`, `raw`, `msgpack`, a chain of names,
                `json|zlib`, or the codec itself.
            partitions, retention, compacting, deleting, replicas, config: how it is created where it does not
                exist; an existing topic is left as it is.
            internal: it belongs to this application, which creates it.
            allow_empty: null values reach the stream as None although there is a `value_type`.
            acks: False never commits offsets; the stream begins anew at each start.
            pattern: instead of names, a regular expression: all topics whose whole names match are read, new ones
                within seconds.  Internal topics (changelogs, repartition topics, `__…`) never match.
            maxsize: records that may wait, per stream and partition; the setting `stream_buffer_maxsize` where None.
            has_prefix: accepted for existing applications; no prefix is ever added.
        """
        conf = self.conf
        if schema is None and conf.Schema is not None:
            schema = subclass_of(Schema, conf.Schema, "Schema")()
        topic: Topic[Any, Any] = subclass_of(Topic, conf.Topic, "Topic")(
            self._application(),
            *names,
            schema=schema,
            key_type=key_type,
            value_type=value_type,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            partitions=partitions,
            retention=retention,
            compacting=compacting,
            deleting=deleting,
            replicas=replicas,
            internal=internal,
            allow_empty=allow_empty,
            acks=acks,
            config=config,
            pattern=pattern,
            maxsize=maxsize,
            has_prefix=has_prefix,
        )
        conf.was_read_by(f"topic {topic}", "key_serializer", "value_serializer", "stream_publish_on_commit")
        if partitions is not None:
            self.topics.append(topic)  # made at the start, if nobody reads it
        return topic

    def channel_named(self, channel: Any, /) -> Any:
        """Return the topic of that name, untyped; an agent or a topic is returned as it is.

        Raises:
            ConfigError: it is none of these.
        """
        if not isinstance(channel, str):
            if not hasattr(channel, "send"):
                raise ConfigError(f"records are sent to a topic, its name or an agent, not to {channel!r}")
            return channel
        topic = self._named.get(channel)
        if topic is None:
            if len(self._named) >= MAX_NAMED:
                self._named.clear()
            topic = self._named[channel] = self.topic(channel)
        return topic

    def timer(
        self,
        interval: float | dt.timedelta,
        *,
        on_leader: bool = False,
        name: str | None = None,
        on_error: str = "log",
        traced: bool = True,  # noqa: ARG002  for existing applications
        max_drift_correction: float = 0.1,  # noqa: ARG002
    ) -> Callable[[F], F]:
        """Run a function (async or not, with the app or without arguments) every `interval` seconds.

        The first run comes after one interval.  Runs never overlap.  One that raises is logged and the next
        comes in time; `on_error='crash'` stops the worker instead.
        """
        if callable(interval):
            raise ConfigError("a timer needs its interval, in seconds: write `@app.timer(5.0)`, not `@app.timer`")
        interval_s = seconds("interval", interval)
        if interval_s <= 0:
            raise ConfigError(f"a timer's interval is a positive number of seconds, not {interval!r}")
        return self._job(lambda n, f: Job(n, f, interval_s=interval_s, on_leader=on_leader, on_error=on_error), name)

    def crontab(
        self,
        cron_format: str,
        *,
        timezone: dt.tzinfo | str | None = None,
        tz: dt.tzinfo | str | None = None,
        on_leader: bool = False,
        name: str | None = None,
        on_error: str = "log",
        traced: bool = True,  # noqa: ARG002  for existing applications
    ) -> Callable[[F], F]:
        """Run a function at the times of a cron expression, such as `'*/5 * * * *'`.

        Args:
            timezone, tz: where these times are: the setting `timezone` where None.
        """
        if callable(cron_format):
            raise ConfigError("a crontab needs its times: write `@app.crontab('0 * * * *')`, not `@app.crontab`")
        self.conf.was_read_by(f"crontab {cron_format}", "timezone")
        cron = Cron(cron_format, timezone or tz or self.conf.timezone)
        return self._job(lambda n, f: Job(n, f, cron=cron, on_leader=on_leader, on_error=on_error), name)

    @overload
    def task(self, function: F, /) -> F: ...

    @overload
    def task(
        self, *, on_leader: bool = False, name: str | None = None, on_error: str = "log", traced: bool = True
    ) -> Callable[[F], F]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        on_leader: bool = False,
        name: str | None = None,
        on_error: str = "log",
        traced: bool = True,  # noqa: ARG002  for existing applications
    ) -> Any:
        """Run a function once the worker has restored its tables; one that raises is started again, with back-off.

        Args:
            on_leader: on one worker at a time: begun where leadership moves to, cancelled where it was.
        """
        declare = self._job(lambda n, f: Job(n, f, on_leader=on_leader, on_error=on_error), name)
        return declare if function is None else declare(function)

    def _job(self, make: Callable[[str, Callable[..., Any]], Job], name: str | None) -> Callable[[F], F]:
        def declare(function: F) -> F:
            job = make(name or qualified_name(function), function)
            if job.on_error not in {"log", "crash"}:
                raise ConfigError(f"{job.name}: on_error={job.on_error!r} is neither 'log' nor 'crash'")
            self._declare_job(job)
            return function

        return declare

    def _declare_job(self, job: Job) -> None:
        self.jobs.append(job)
        self._job_added(job)

    @overload
    def stream(self, channel: Topic[Any, V] | Channel[Any, V]) -> Stream[V]: ...

    @overload
    def stream(self, channel: str) -> Stream[Any]: ...

    @overload
    def stream(self, channel: AsyncIterable[V]) -> Stream[V]: ...

    @overload
    def stream(self, channel: Iterable[V]) -> Stream[V]: ...

    def stream(self, channel: Any) -> Stream[Any]:
        """Return a stream of a topic, to be iterated inside a task of the running application.

        Or of any iterable or async iterable: such a stream ends with it, commits nothing, and cannot change tables.

        Raises:
            ConfigError: it is none of these.
        """
        if isinstance(channel, Channel):
            return channel.stream()
        if not isinstance(channel, (Topic, str)):
            if not hasattr(channel, "__aiter__") and not hasattr(channel, "__iter__"):
                raise ConfigError(f"app.stream takes a topic, its name, a channel or an iterable, not {channel!r}")
            nameless: Topic[Any, Any] = Topic(self._application(), "iterable")
            return Stream(FromIterable(nameless, channel), lambda: cast("Any", None), owner="stream-iterable")
        topic = self.topic(channel) if isinstance(channel, str) else channel
        return Stream(FromTopic(topic), self._runtime, owner=f"stream-{'-'.join(topic.topics) or topic}")
