"""Declaring: the topics, agents, tables, timers and signals of an application."""

from __future__ import annotations

import datetime as dt
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from faust_core.agents import Agent, AgentFunction, AgentOptions, AgentTopicOptions, ErrorPolicy, Sink
from faust_core.closing_agents import closing_agents
from faust_core.cron import Cron
from faust_core.declaring_tables import DeclaresTables
from faust_core.engine.declarations import Declarations, Signals
from faust_core.engine.schedule import Job
from faust_core.errors import ConfigError
from faust_core.settings import Settings, seconds
from faust_core.signals import Signal
from faust_core.stream import FromTopic, Stream, StreamRuntime
from faust_core.topics import Topic, TopicOptions

__all__ = ["Declares"]

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K")
V = TypeVar("V")


class Declares(DeclaresTables):
    """What a program says of its application before it runs."""

    def __init__(self, conf: Settings) -> None:
        super().__init__()
        self.conf = conf
        self.agents: dict[str, Agent[Any]] = {}
        self.jobs: list[Job] = []
        self.topics: list[Topic[Any, Any]] = []
        self.signals = Signals()
        self.on_before_configured = Signal("on_before_configured")
        self.on_configured = Signal("on_configured")
        self.on_after_configured = Signal("on_after_configured")
        self.on_worker_init = Signal("on_worker_init")

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
        return Declarations(agents, dict(self.tables), tuple(self.jobs))

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
        key_type: Any = None,
        value_type: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        partitions: int | None = None,
        retention: float | dt.timedelta | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        replicas: int | None = None,
        internal: bool = False,
        allow_empty: bool = False,
        acks: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> Topic[Any, Any]:
        """Describe a topic.

        Args:
            key_type, value_type: what keys and values are; None leaves it to the serializer.
            key_serializer, value_serializer: a codec's name, such as `json`, `raw`, `msgpack`.
            partitions, retention, compacting, deleting, replicas, config: how it is created where it does not
                exist; an existing topic is left as it is.
            internal: it belongs to this application, which creates it.
            allow_empty: null values reach the stream as None although there is a `value_type`.
            acks: False never commits offsets; the stream begins anew at each start.
        """
        topic: Topic[Any, Any] = Topic(
            self._application(),
            *names,
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
        )
        self.topics.append(topic)
        return topic

    @overload
    def agent(self, channel: AgentFunction, /) -> Agent[Any]: ...

    @overload
    def agent(
        self, channel: Topic[Any, V], /, **options: Unpack[AgentOptions]
    ) -> Callable[[AgentFunction], Agent[V]]: ...

    @overload
    def agent(
        self, channel: str | None = None, /, *, value_type: type[V], **options: Unpack[AgentTopicOptions]
    ) -> Callable[[AgentFunction], Agent[V]]: ...

    @overload
    def agent(
        self, channel: str | None = None, /, *, value_type: Any = None, **options: Unpack[AgentTopicOptions]
    ) -> Callable[[AgentFunction], Agent[Any]]: ...

    def agent(
        self,
        channel: Any = None,
        /,
        *,
        name: str | None = None,
        concurrency: int = 1,
        sink: Iterable[Sink] = (),
        on_error: ErrorPolicy | None = None,
        isolated_partitions: bool = False,
        use_reply_headers: bool = True,
        **topic_options: Any,
    ) -> Any:
        """Make a function that takes a stream into an agent.

        Args:
            channel: the topic that it processes, or its name; without one the agent has a topic of its own,
                `{id}-{name}`.
            concurrency: how many instances share the stream on each worker; events of one key may then overtake
                each other.
            sink: where results go: agents, topics, functions.
            on_error: what is done with an event whose body raises: `dead_letter`, `retry`, `skip` or `crash`;
                or a function of (agent, exception) that is told.

        Raises:
            ConfigError: an agent of that name exists, or the arguments do not go together.
        """
        if callable(channel) and not isinstance(channel, (Topic, str)):
            return self.agent()(channel)

        def declare(function: AgentFunction) -> Agent[Any]:
            agent_name = name or _qualified_name(function)
            if agent_name in self.agents:
                raise ConfigError(f"there is an agent {agent_name!r} already: give one of them a name=")
            if isinstance(channel, Topic):
                topic = channel
            else:
                own = channel is None
                topic = self.topic(channel or f"{self.conf.id}-{agent_name}", **{"internal": own, **topic_options})
            agent: Agent[Any] = Agent(
                self._application(),
                function,
                name=agent_name,
                topic=topic,
                concurrency=concurrency,
                sink=sink,
                on_error=on_error,
                isolated_partitions=isolated_partitions,
                use_reply_headers=use_reply_headers,
            )
            self.agents[agent_name] = agent
            return agent

        return declare

    def timer(
        self, interval: float | dt.timedelta, *, on_leader: bool = False, name: str | None = None, on_error: str = "log"
    ) -> Callable[[F], F]:
        """Run a function (async or not, with the app or without arguments) every `interval` seconds.

        The first run comes after one interval.  Runs never overlap.  One that raises is logged and the next
        comes in time; `on_error='crash'` stops the worker instead.
        """
        interval_s = seconds("interval", interval)
        if interval_s <= 0:
            raise ConfigError(f"a timer's interval is a positive number of seconds, not {interval!r}")
        return self._job(lambda n, f: Job(n, f, interval_s=interval_s, on_leader=on_leader, on_error=on_error), name)

    def crontab(
        self,
        cron_format: str,
        *,
        timezone: dt.tzinfo | str | None = None,
        on_leader: bool = False,
        name: str | None = None,
        on_error: str = "log",
    ) -> Callable[[F], F]:
        """Run a function at the times of a cron expression, such as `'*/5 * * * *'`."""
        cron = Cron(cron_format, timezone or self.conf.timezone)
        return self._job(lambda n, f: Job(n, f, cron=cron, on_leader=on_leader, on_error=on_error), name)

    @overload
    def task(self, function: F, /) -> F: ...

    @overload
    def task(self, *, on_leader: bool = False, name: str | None = None, on_error: str = "log") -> Callable[[F], F]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        on_leader: bool = False,
        name: str | None = None,
        on_error: str = "log",
    ) -> Any:
        """Run a function once the worker has restored its tables; one that raises is started again, with back-off."""
        declare = self._job(lambda n, f: Job(n, f, on_leader=on_leader, on_error=on_error), name)
        return declare if function is None else declare(function)

    def _job(self, make: Callable[[str, Callable[..., Any]], Job], name: str | None) -> Callable[[F], F]:
        def declare(function: F) -> F:
            job = make(name or _qualified_name(function), function)
            if job.on_error not in {"log", "crash"}:
                raise ConfigError(f"{job.name}: on_error={job.on_error!r} is neither 'log' nor 'crash'")
            self.jobs.append(job)
            self._job_added(job)
            return function

        return declare

    @property
    def on_started(self) -> Signal:
        return self.signals.on_started

    @property
    def on_before_shutdown(self) -> Signal:
        return self.signals.on_before_shutdown

    @property
    def on_partitions_revoked(self) -> Signal:
        return self.signals.on_partitions_revoked

    @property
    def on_partitions_assigned(self) -> Signal:
        return self.signals.on_partitions_assigned

    @property
    def on_rebalance_complete(self) -> Signal:
        return self.signals.on_rebalance_complete

    @overload
    def stream(self, channel: Topic[Any, V]) -> Stream[V]: ...

    @overload
    def stream(self, channel: str) -> Stream[Any]: ...

    def stream(self, channel: Topic[Any, Any] | str) -> Stream[Any]:
        """Return a stream of a topic, to be iterated inside a task of the running application."""
        topic = self.topic(channel) if isinstance(channel, str) else channel
        return Stream(FromTopic(topic), self._runtime, owner=f"stream-{'-'.join(topic.topics)}")


def _qualified_name(function: Callable[..., Any]) -> str:
    """Return `module.function`; a program run as a script has the module name of its file."""
    module = getattr(function, "__module__", None) or type(function).__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else "__main__"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}.{name}".replace(".<locals>", "").replace("<", "").replace(">", "")
