"""The application: what a program declares, and how it is run."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from faust_core.agents import Agent, AgentFunction, AgentOptions, AgentTopicOptions, ErrorPolicy, Sink
from faust_core.cron import Cron
from faust_core.engine.client import Client
from faust_core.engine.declarations import Declarations, Signals
from faust_core.engine.restore import Progress
from faust_core.engine.rpc import Rpc
from faust_core.engine.schedule import Job
from faust_core.engine.worker import Worker
from faust_core.errors import ConfigError, PluginMissing
from faust_core.protocols.store import StoreBackend, StoreContext
from faust_core.protocols.transport import Producer, TopicSpec, Transport, TransportContext
from faust_core.records import RecordMetadata
from faust_core.registry import has_store, store_factory, transport_factory
from faust_core.settings import Settings, seconds
from faust_core.signals import Signal
from faust_core.stream import FromTopic, Stream, StreamRuntime
from faust_core.tables import Table, TableOptions
from faust_core.topics import HeadersArg, SentRecord, Topic, TopicOptions

__all__ = ["App"]

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K")
V = TypeVar("V")


class App:
    """A stream processing application.

    Declares topics, agents, tables and timers; holds no connection until it is started.  Run it by
    `app.main()` (a command line), or inside any asyncio program: `async with app: …`.

    Args:
        id: names the consumer group, the changelogs and the local state.  All workers of one application
            share it, and no two applications may.
        options: settings, as in `faust_core.settings`.

    Raises:
        UnknownSetting: there is no setting of that name.
        ConfigError: a setting has a value that it cannot have.
    """

    def __init__(self, id: str, **options: Any) -> None:  # noqa: A002  the name that applications use
        self.conf = Settings.from_options(id, options)
        self.agents: dict[str, Agent[Any]] = {}
        self.tables: dict[str, Table[Any, Any]] = {}
        self.jobs: list[Job] = []
        self.topics: list[Topic[Any, Any]] = []
        self.signals = Signals()
        self.on_configured = Signal("on_configured")
        self.on_before_configured = Signal("on_before_configured")
        self.on_after_configured = Signal("on_after_configured")
        self.on_worker_init = Signal("on_worker_init")
        self._worker: Worker | None = None
        self._client: Client | None = None
        self._client_lock = asyncio.Lock()
        self._transport: Transport | None = None
        #: what is sent with; None while the application is not started.  Plain, as each send reads it.
        self.active_producer: Producer | None = None
        self.rpc = Rpc(
            self._rpc_transport,
            self.conf.reply_to,
            expires_s=self.conf.reply_expires,
            replication_factor=self.conf.topic_replication_factor,
        )
        for name in self.conf.ignored:
            log.info("setting %s is accepted, and has no effect here", name)

    @property
    def id(self) -> str:
        return self.conf.id

    # -- declaring

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
            self,
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
                self,
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
            ConfigError: a table of that name exists.
        """
        if name in self.tables:
            raise ConfigError(f"there is a table {name!r} already: its changelog can belong to one only")
        table: Table[Any, Any] = Table(self, name, **options)
        self.tables[name] = table
        return table

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
            if self._worker is not None:
                self._worker.start_job(job)
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

    def _runtime(self) -> StreamRuntime:
        if self._worker is None:
            raise ConfigError("a stream can be iterated only while the application runs: in an agent or in @app.task")
        return self._worker.streams

    # -- sending

    async def send(
        self,
        channel: Topic[Any, Any] | Agent[Any] | str,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        callback: Callable[[RecordMetadata], Any] | None = None,
    ) -> SentRecord:
        """Send to a topic, an agent, or a topic by name."""
        topic: Any = self.topic(channel) if isinstance(channel, str) else channel
        sent: SentRecord = await topic.send(
            key=key, value=value, partition=partition, timestamp=timestamp, headers=headers, callback=callback
        )
        return sent

    async def maybe_start_producer(self) -> Producer:
        return self.active_producer or (await self._connect()).producer

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        client = self._worker or await self._connect()
        await client.admin.create_topics(specs)

    async def _connect(self) -> Client:
        """Connect for sending only."""
        async with self._client_lock:
            if self._client is None:
                client = Client(self.make_transport())
                await client.start()
                self._client = client
                self.active_producer = client.producer
            return self._client

    def _rpc_transport(self) -> Transport:
        if self._transport is not None:
            return self._transport
        if self._client is not None:
            return self._client.transport
        raise ConfigError("asking an agent needs a started application, or a client: await app.start_client()")

    async def start_client(self) -> None:
        """Connect for sending and asking, without processing anything; `stop()` ends it."""
        await self._connect()

    # -- running

    def make_transport(self) -> Transport:
        """Make the transport that the broker URL names; nothing is connected yet."""
        conf = self.conf
        url = conf.broker[0]
        context = TransportContext(
            urls=tuple(conf.broker),
            client_id=conf.broker_client_id,
            credentials=conf.broker_credentials,
            instance_id=conf.consumer_group_instance_id,
            session_timeout_s=conf.broker_session_timeout,
            heartbeat_interval_s=conf.broker_heartbeat_interval,
            rebalance_timeout_s=conf.broker_rebalance_timeout,
            request_timeout_s=conf.broker_request_timeout,
            start_timeout_s=conf.broker_start_timeout,
            transaction_timeout_s=conf.transaction_timeout,
            max_fetch_bytes=conf.consumer_max_fetch_size,
            max_buffered_bytes=conf.consumer_max_buffered_bytes,
            compression=conf.producer_compression_type,
            linger_s=conf.producer_linger,
            acks=conf.producer_acks,
            max_request_bytes=conf.producer_max_request_size,
            consumer_options=conf.consumer_options,
            producer_options=conf.producer_options,
        )
        return transport_factory(url)(url, context)

    @property
    def store_url(self) -> str:
        """Where tables are kept: as `store` says; without it RocksDB where it is installed and `datadir` is set."""
        conf = self.conf
        by_default = "store" not in conf.explicit and "datadir" in conf.explicit and has_store("rocksdb")
        return "rocksdb://" if by_default else conf.store

    def make_store_backend(self) -> StoreBackend:
        """Make the store of `store_url`; nothing is opened yet."""
        url = self.store_url
        return store_factory(url)(url, StoreContext(self.conf.id, Path(self.conf.tabledir), {}))

    async def start(self, *, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Start processing in the running event loop; returns when the tables are restored and agents run.

        Raises:
            FaustError: what is wrong with the settings, the broker, the topics or the tables.
        """
        if self._worker is not None:
            raise ConfigError(f"application {self.id} runs already")
        await self._disconnect()
        declarations = Declarations(tuple(self.agents.values()), dict(self.tables), tuple(self.jobs))
        backend = self.make_store_backend()
        self._transport = self.make_transport()
        self._worker = Worker(self, declarations, self.signals, self._transport, backend, on_progress=on_progress)
        self.active_producer = self._worker.producer
        try:
            await self._worker.start()
        except BaseException:
            self._forget_worker()
            raise

    async def stop(self) -> None:
        """Finish what is in flight, commit, leave the group.

        Raises:
            Exception: what the worker failed with, if it did.
        """
        await self.rpc.aclose()
        try:
            if self._worker is not None:
                await self._worker.stop()
                await self._worker.wait()
        finally:
            self._forget_worker()
            await self._disconnect()

    def _forget_worker(self) -> None:
        self._worker = self._transport = self.active_producer = None

    async def wait(self) -> None:
        """Return when the worker has stopped by itself.

        Raises:
            Exception: what it failed with.
        """
        if self._worker is not None:
            await self._worker.wait()

    @property
    def worker(self) -> Worker | None:
        """The running worker; None while the application is not started."""
        return self._worker

    async def commit(self) -> None:
        """Take a checkpoint now."""
        if self._worker is not None:
            await self._worker.commit(None)

    def is_leader(self) -> bool:
        """Whether this worker is the one that runs `on_leader` jobs."""
        return self._worker is not None and self._worker.is_leader()

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        self.active_producer = None
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    def main(self) -> None:
        """Run the command line of this application, such as `python module.py worker -l info`.

        Raises:
            PluginMissing: faust-cli is not installed.
        """
        for entry in entry_points(group="faust.cli", name="main"):
            main: Callable[[App], Awaitable[None] | None] = entry.load()
            main(self)
            return
        raise PluginMissing("app.main() needs the command line: pip install faust-cli")

    def __repr__(self) -> str:
        return f"<App: {self.id}>"


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
