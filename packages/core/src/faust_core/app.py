"""The application: what a program declares, and how it is run."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from faust_core._context import current_claim
from faust_core._symbols import symbol
from faust_core.agents import ActorInfo, Agent
from faust_core.application import AppProtocol, AsksTables
from faust_core.boot import BootStrategy
from faust_core.clock import Clock, SystemClock
from faust_core.declaring import Declares
from faust_core.engine.backends import Backends
from faust_core.engine.client import Client
from faust_core.engine.queries import NotRunning
from faust_core.engine.restore import Progress
from faust_core.engine.rpc import Rpc
from faust_core.engine.schedule import Job
from faust_core.engine.served import ServedApp
from faust_core.engine.served_metrics import ServedMetrics
from faust_core.engine.web import Web
from faust_core.engine.worker import Worker as RunningWorker
from faust_core.errors import ConfigError, PluginMissing
from faust_core.flow import ControlsFlow
from faust_core.headers import HeadersArg
from faust_core.observing import Observes
from faust_core.pointers import missing_attribute
from faust_core.protocols.store import StoreBackend, StoreContext
from faust_core.protocols.transport import Producer, TopicSpec, Transport, TransportContext
from faust_core.protocols.web import AsgiApplication
from faust_core.registry import has_store, store_factory, transport_factory, web_plugin
from faust_core.running import Runs
from faust_core.sensors import Monitor
from faust_core.sent import SentCallback, SentRecord
from faust_core.settings import Settings
from faust_core.signals import Signal
from faust_core.stream import StreamRuntime
from faust_core.topics import Topic

__all__ = ["App"]

log = logging.getLogger(__name__)

#: Settings that an application may rely on, and what to do without them.
WITHOUT_EFFECT = {
    "producer_partitioner": "records are placed by murmur2 of their keys; pass partition= when sending",
}


class App(Runs, Declares, Observes, ControlsFlow):
    """A stream processing application.

    Declares topics, agents, tables and timers; holds no connection until it is started.  Run it by
    `app.main()` (a command line), or inside any asyncio program: `async with app: …`.

    Args:
        id: names the consumer group, the changelogs and the local state.  All workers of one application
            share it, and no two applications may.
        monitor: what `app.monitor` shall be; the setting `Monitor` where None.
        config_source: where more settings are; see `config_from_object`.
        options: settings, as in `faust_core.settings`.

    Raises:
        UnknownSetting: there is no setting of that name.
        ConfigError: a setting has a value that it cannot have.
    """

    BootStrategy = BootStrategy

    def __init__(
        self,
        id: str,  # noqa: A002  the name that applications use
        *,
        monitor: Monitor | None = None,
        config_source: object = None,
        loop: Any = None,  # noqa: ARG002  it runs on the loop that it is started on
        beacon: Any = None,  # noqa: ARG002  there is no graph of services
        **options: Any,
    ) -> None:
        super().__init__(Settings.from_options(id, options))
        if config_source is not None:
            self.config_from_object(config_source)
        #: what timers, back-offs, time-outs and windows of the wall clock go by; tests have one of their own
        self.clock: Clock = SystemClock()
        #: told of each error that agents, jobs and decoding raise, before their policies deal with it; for tests
        self.on_error_seen: Callable[[str, BaseException], None] | None = None
        #: tables are kept in memory, wherever they are declared to be kept; for tests
        self.stores_in_memory = False
        self._worker: RunningWorker | None = None
        self._observe(monitor)
        self._client: Client | None = None
        self._client_lock = asyncio.Lock()
        self._noted: set[str] = set()
        self._serializers: Any = None
        self._started_before = False
        #: connect for sending and asking only, when it is started; `boot_strategy` may say the same
        self.client_only = False
        self.producer_only = False
        self.boot_strategy = self.BootStrategy(self)
        #: whether this process is a worker's
        self.in_worker = False
        self._transport: Transport | None = None
        self.rpc = self._new_rpc()
        metrics = ServedMetrics(
            self,
            lambda: self.conf.id,
            lambda: self.monitor,
            self.sensors,
            enabled=lambda: self.conf.web_metrics_enabled,
        )
        self.served = ServedApp(lambda: self.conf.id, self.tables, lambda: self._worker, metrics)

    def _new_rpc(self) -> Rpc:
        conf = self.conf
        return Rpc(
            self._rpc_transport,
            conf.reply_to,
            expires_s=conf.reply_expires,
            replication_factor=conf.topic_replication_factor,
        )

    def _use_settings(self) -> None:
        """The settings are read from now on."""
        if not self.rpc.started:
            self.rpc = self._new_rpc()
        for name in self.conf.ignored:
            if name not in self._noted:
                self._noted.add(name)
                hint = WITHOUT_EFFECT.get(name)
                log.log(
                    logging.WARNING if hint else logging.INFO,
                    "setting %s is accepted, and has no effect here%s",
                    name,
                    f": {hint}" if hint else "",
                )
        self.conf.in_use_by(f"application {self.id}, which is started,")

    @property
    def id(self) -> str:
        return self.conf.id

    @property
    def serializers(self) -> Any:
        """Reads and writes keys and values by type and codec: a `faust.serializers.Registry`.

        Raises:
            PluginMissing: the setting `Serializers` is not set, and the package faust-stack is not installed.
        """
        if self._serializers is None:
            kind = self.conf.Serializers or "faust.serializers:Registry"
            try:
                made = symbol(kind, "setting Serializers") if isinstance(kind, str) else kind
            except ModuleNotFoundError as exc:
                raise PluginMissing("app.serializers needs the whole stack: pip install faust-stack") from exc
            self._serializers = made(
                key_serializer=self.conf.key_serializer, value_serializer=self.conf.value_serializer
            )
        return self._serializers

    def Worker(self, **options: Any) -> Any:  # noqa: N802  the name that applications use
        """Return what runs this application as the program's own worker; see `faust.Worker` for the options.

        Raises:
            PluginMissing: faust-cli is not installed.
        """
        if self.conf.Worker is not None:
            kind = self.conf.Worker
            return (symbol(kind, "setting Worker") if isinstance(kind, str) else kind)(self, **options)
        for entry in entry_points(group="faust.cli", name="worker"):
            return entry.load()(self, **options)
        raise PluginMissing("app.Worker() needs the command line: pip install faust-cli")

    def _application(self) -> AppProtocol:
        return self

    @property
    def queries(self) -> AsksTables:
        """What tables ask other workers by."""
        return NotRunning(self.conf.id) if self._worker is None else self._worker.queries

    def asgi(self) -> AsgiApplication:
        """Return an ASGI application that shows this one over HTTP, to be mounted in another ASGI application.

        Workers reach each other through it where the setting `canonical_url` says where it is mounted.

        Raises:
            PluginMissing: faust-web is not installed.
        """
        return self._web_plugin("app.asgi()").application(self.served, self.conf.web_context(), self.web)

    def _runtime(self) -> StreamRuntime:
        if self._worker is None:
            raise ConfigError("a stream can be iterated only while the application runs: in an agent or in @app.task")
        return self._worker.streams

    def _job_added(self, job: Job) -> None:
        if self._worker is not None:
            self._worker.start_job(job)

    # -- sending

    async def send(
        self,
        channel: Topic[Any, Any] | Agent[Any] | str,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: SentCallback | None = None,
    ) -> SentRecord:
        """Send to a topic, an agent, or a topic by name.  See `Topic.send`."""
        codecs = {"schema": schema, "key_serializer": key_serializer, "value_serializer": value_serializer}
        sent: SentRecord = await self.channel_named(channel).send(
            key=key,
            value=value,
            partition=partition,
            timestamp=timestamp,
            headers=headers,
            callback=callback,
            **{name: codec for name, codec in codecs.items() if codec is not None},
        )
        return sent

    async def maybe_start_producer(self) -> Producer:
        """Return the producer; connect, for sending only, where the application is not started."""
        if self.active_producer is None:
            await self._connect()
        assert self.active_producer is not None
        return self.active_producer

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        client = self._worker or await self._connect()
        await client.admin.create_topics(specs)

    async def _connect(self) -> Client:
        """Connect for sending only."""
        async with self._client_lock:
            if self._client is None:
                self.finalize()
                client = Client(self.make_transport())
                await client.start()
                self._use_settings()
                self._client = client
                self.use_producer(client.producer)
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

    async def maybe_start_client(self) -> None:
        """Likewise, unless the application runs."""
        if self._worker is None:
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

    def make_store_backend(self, url: str | None = None) -> StoreBackend:
        """Make the store of `url`, without one that of `store_url`; nothing is opened yet."""
        url = "memory://" if self.stores_in_memory else url or self.store_url
        return store_factory(url)(url, StoreContext(self.conf.id, Path(self.conf.tabledir), {}))

    # Hooks of subclasses; each comes before or after everything else of its kind.

    async def on_first_start(self) -> None:
        """It is started for the first time in this process."""

    async def on_start(self) -> None:
        """It is being started: nothing runs yet."""

    async def on_stop(self) -> None:
        """It is being stopped: everything still runs."""

    async def on_shutdown(self) -> None:
        """Nothing runs any more."""

    async def start(self, *, on_progress: Callable[[Progress], None] | None = None, serve: bool | None = None) -> None:
        """Start processing in the running event loop; returns when the tables are restored and agents run.

        Args:
            serve: whether to serve HTTP; None does so where `web_enabled` was set to true.

        Raises:
            FaustError: what is wrong with the settings, the broker, the topics or the tables.
        """
        if self._worker is not None:
            raise ConfigError(f"application {self.id} runs already")
        self.finalize()
        self.discover_once()
        if self.client_only or self.producer_only or not self.boot_strategy.enable_kafka_consumer:
            await self.start_client()
            return
        await self._disconnect()
        if not self._started_before:
            self._started_before = True
            await self.on_first_start()
        await self.on_start()
        if "cache" in self.conf.explicit:
            _ = self.cache  # a URL that is wrong is said now, and not by the first page
        serves = not self._serves_itself and self.boot_strategy.enable_web is not False
        web = Web(
            self.served,
            self.conf,
            serve=serve if serves else False,
            pages=None if web_plugin() is None else self.web,
        )
        backends = Backends(self.make_store_backend, self.tables.values())
        try:
            self._transport = self.make_transport()
            self._use_settings()
            self._worker = RunningWorker(
                self,
                self.declarations(),
                self.signals,
                self._transport,
                backends,
                on_progress=on_progress,
                web=web,
            )
            self.watch_tables()
            self.use_producer(self._worker.producer)
            await self._worker.start()
        except BaseException:
            self._forget_worker()
            raise
        started: Any = type(self).on_started
        if not isinstance(started, Signal):  # a subclass has a method of that name
            await self.on_started()

    async def stop(self) -> None:
        """Finish what is in flight, commit, leave the group.

        Raises:
            Exception: what the worker failed with, if it did.
        """
        ran = self._worker is not None
        try:
            if self._worker is not None and not self._worker.failed:
                await self.on_stop()
            await self._end_futures()
            if self._worker is not None:
                await self._worker.stop()
                await self._worker.wait()
        finally:
            await self.rpc.aclose()
            self._forget_worker()
            await self._disconnect()
            await self._close_cache()
            if ran:
                await self.on_shutdown()

    def _forget_worker(self) -> None:
        self.conf.in_use_by("")
        self._worker = self._transport = None
        self.use_producer(None)

    async def maybe_start(self) -> bool:
        """Start it unless it runs; returns whether it was started."""
        if self._worker is not None:
            return False
        await self.start()
        return True

    @property
    def started(self) -> bool:
        return self._worker is not None

    @property
    def should_stop(self) -> bool:
        """Whether loops of tasks should end: the application is not running, or is being stopped."""
        return self._worker is None or self._worker.stopping

    async def wait(self) -> None:
        """Return when the worker has stopped by itself.

        Raises:
            Exception: what it failed with.
        """
        if self._worker is not None:
            await self._worker.wait()

    @property
    def worker(self) -> RunningWorker | None:
        """The running worker; None while the application is not started."""
        return self._worker

    @property
    def url(self) -> str | None:
        """Where this worker can be asked over HTTP; None where it is not running, or serves nothing."""
        return None if self._worker is None else self._worker.member.endpoint

    async def commit(self, topics: Iterable[str] | None = None) -> None:  # noqa: ARG002  for existing applications
        """Take a checkpoint now, of everything, whatever the topics are; return when it is taken.

        Inside of an event it returns at once, and the checkpoint is taken as soon as the event is done: a commit
        waits for events in hand, and this one would wait for itself.
        """
        if self._worker is None:
            return
        if current_claim.get() is not None:
            self._worker.commits.commit_soon()
        else:
            await self._worker.commits.commit(None)

    async def sleep(self, seconds: float | dt.timedelta) -> None:
        """Wait; in a `TestDriver`, until the test moves its time so far."""
        await self.clock.sleep(seconds.total_seconds() if isinstance(seconds, dt.timedelta) else seconds)

    def is_leader(self) -> bool:
        """Whether this worker is the one that runs `on_leader` jobs."""
        return self._worker is not None and self._worker.is_leader()

    def saw_error(self, who: str, error: BaseException, /) -> None:
        self.counts.event_failed(who)
        if self.on_error_seen is not None:
            self.on_error_seen(who, error)

    def actors_of(self, agent: Agent[Any], /) -> list[ActorInfo]:
        return [] if self._worker is None else self._worker.streams.actors_of(agent)

    def cancel_actors(self, agent: Agent[Any], /) -> None:
        if self._worker is not None:
            self._worker.streams.cancel_actors(agent)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        self.use_producer(None)
        self.conf.in_use_by("")
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    def LiveCheck(self, **options: Any) -> Any:  # noqa: N802  the name that applications use
        """Return a LiveCheck application that tests this one, beside it.  See `faust.livecheck`.

        Raises:
            PluginMissing: faust-stack is not installed.
        """
        for entry in entry_points(group="faust.livecheck", name="for_app"):
            return entry.load()(self, **options)
        raise PluginMissing("app.LiveCheck() needs models and more: pip install faust-stack")

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

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise missing_attribute(self, name)

    def __repr__(self) -> str:
        return f"<App: {self.id}>"
