"""The running streams of a worker: its actors, the subscriptions that they share, the pumps between them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from faust_core._context import Run, current_run
from faust_core.agents import ActorInfo, Agent
from faust_core.application import AppProtocol
from faust_core.claims import Claim
from faust_core.engine.actors import ActorRunner, Policy
from faust_core.engine.channels import Channel, ChannelReader
from faust_core.engine.dead_letters import DeadLetters, UndecodableRecord
from faust_core.engine.fetch import AnySubscription, Fetcher
from faust_core.engine.forward import Forwarder
from faust_core.engine.isolated import IsolatedSubscription
from faust_core.engine.joining import JoinSource
from faust_core.engine.repartition import Mover, Pump
from faust_core.engine.replies import Requests
from faust_core.engine.subscription import Subscription
from faust_core.engine.topics import Topics
from faust_core.engine.watchdog import InFlight
from faust_core.engine.watching import EVENTS, RECORDS, MessageWatch, StreamWatch
from faust_core.errors import ConfigError, KeyDecodeError, StoreError, ValueDecodeError
from faust_core.events import Message
from faust_core.joins import TwoStreams
from faust_core.protocols.transport import Producer
from faust_core.records import TopicPartition
from faust_core.stream import FromSource, Stream
from faust_core.tables import Table
from faust_core.topics import Topic

__all__ = ["Streams"]

log = logging.getLogger(__name__)

#: How long agents may take to reach their streams before the worker joins its group without them.
OPEN_S = 5.0


class Streams:
    """Opens the sources of streams and runs agents over them; the `StreamRuntime` of a worker."""

    def __init__(
        self,
        app: AppProtocol,
        fetcher: Fetcher,
        topics: Topics,
        producer: Producer,
        dead_letters: DeadLetters,
        *,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        on_idle: Callable[[], None],
        on_new_topic: Callable[[Subscription], None],
        store_failed: Callable[[StoreError], None],
    ) -> None:
        """Args:
        on_idle: an item in flight was given back.
        on_new_topic: a stream was opened.
        store_failed: an agent could not read a table.
        """
        self._app = app
        self._conf = app.conf
        self._fetcher = fetcher
        self._topics = topics
        self._producer = producer
        self._dead_letters = dead_letters
        self._spawn = spawn
        self._on_idle = on_idle
        self._on_new_topic = on_new_topic
        self._store_failed = store_failed
        self._actors: dict[ActorRunner | Mover, asyncio.Task[None]] = {}
        self._pumps: dict[str, Subscription] = {}
        #: by name, with the attempt that opened them
        self._joins: dict[str, tuple[JoinSource, Run | None]] = {}
        #: names of the tables that joins of tables keep
        self._kept: set[str] = set()
        #: what agents over channels read
        self._readers: list[ChannelReader] = []
        #: the streams that actors and jobs opened besides their own, and in which attempt
        self._opened: dict[object, list[tuple[Subscription, Run | None]]] = {}
        self._messages: MessageWatch | None = None
        self.look_at_sensors()

    def look_at_sensors(self) -> None:
        """Sensors were added or removed: tell those of each record and event that want to know."""
        sensors = self._app.sensors
        if sensors.watches(*RECORDS) and self._messages is None:
            self._messages = MessageWatch(sensors, self._fetcher.done_with)
        elif not sensors.watches(*RECORDS):
            self._messages = None
        self._fetcher.watch = self._messages
        for subscription in self.single_subscriptions():
            self._watch(subscription)

    def _watch(self, subscription: Subscription) -> None:
        sensors = self._app.sensors
        if self._messages is None and not sensors.watches(*EVENTS):
            subscription.watch = None
        elif isinstance(subscription.watch, StreamWatch):
            subscription.watch.look_at_sensors(self._messages)
        else:
            subscription.watch = StreamWatch(sensors, self._messages)

    def _counted(self, subscription: Subscription, name: str, *, shared: bool = False) -> Subscription:
        counts = self._app.counts
        subscription.count = counts.streams.of(name)
        self._watch(subscription)
        # A single actor has the events of its stream.
        subscription.on_task_done = counts.task_done if shared else None
        return subscription

    # -- actors

    def start(self, agents: Iterable[Agent[Any]]) -> None:
        """Start the actors of all agents."""
        for agent in agents:
            if agent.isolated_partitions:
                self._start_isolated(agent)
                continue
            subscription = self._subscription_of(agent)
            policy = self._policy(agent.policy)
            for index in range(agent.concurrency):
                self._start_actor(
                    self._runner(agent, subscription, policy, index=None if agent.concurrency == 1 else index)
                )

    def _runner(
        self,
        agent: Agent[Any],
        subscription: Subscription,
        policy: Policy,
        *,
        index: int | None = None,
        name: str | None = None,
    ) -> ActorRunner:
        return ActorRunner(
            agent,
            subscription,
            self,
            policy,
            self._emit,
            self._claims_of,
            self._store_failed,
            name=name or (agent.name if index is None else f"{agent.name}[{index}]"),
            index=index,
        )

    def _subscription_of(self, agent: Agent[Any]) -> Subscription:
        channel: Any = agent.topic
        if isinstance(channel, Channel):
            reader = channel.subscribe(agent.name, actors=agent.concurrency)
            self._readers.append(reader)
            self._counted(reader, agent.name, shared=agent.concurrency > 1)
            return reader
        return self._new_subscription(_read_by(agent), agent.name, actors=agent.concurrency)

    def _start_isolated(self, agent: Agent[Any]) -> None:
        runners: dict[Subscription, ActorRunner] = {}
        policy = self._policy(agent.policy)

        def open_partition(tp: TopicPartition) -> Subscription:
            part = self._make_subscription(_read_by(agent), agent.name, actors=1)
            name = f"{agent.name}[{tp}]"
            runner = runners[part] = self._runner(agent, part, policy, name=name)
            self._start_actor(runner)
            return part

        def close_partition(part: Subscription) -> None:
            self._actors.pop(runners.pop(part)).cancel()

        self._fetcher.subscribe(
            IsolatedSubscription(
                _read_by(agent), agent.name, open_partition=open_partition, close_partition=close_partition
            )
        )

    async def opened(self) -> None:
        """Wait until each agent waits for its first record: only then is it known which topics are read."""
        deadline = time.monotonic() + OPEN_S
        while late := [r.name for r, task in self._actors.items() if not task.done() and not self._waits(task)]:
            if time.monotonic() > deadline:
                log.warning("not reading their streams yet: %s; they join later", ", ".join(late))
                return
            await asyncio.sleep(0.005)

    async def cancel(self) -> None:
        """Drop what actors have in hand: under exactly-once nothing of it may reach the next transaction."""
        actors = set(self._actors.values())
        for subscription in self._fetcher.subscriptions():
            for claim in subscription.claims():
                claim.failed |= claim.actor in actors  # not done, although its loop is left
        for task in actors:
            task.cancel()
        await asyncio.gather(*actors, return_exceptions=True)
        for reader in self._readers:
            for claim in list(reader.claims()):
                reader.release(claim)  # nobody else has it

    def restart(self) -> None:
        """Start those anew that `cancel` has ended."""
        for runner, task in list(self._actors.items()):
            if task.cancelled() and not runner.cancelled:
                self._start_actor(runner)

    def in_flight(self) -> Iterable[InFlight]:
        """Yield who works on which item.  Any thread may call."""
        names = {task: runner.name for runner, task in list(self._actors.items())}
        for subscription in self.subscriptions():
            for claim in list(subscription.claims()):
                if claim.buffered:
                    continue  # waits for `take` to fill its batch
                actor = claim.actor
                name = subscription.owner if actor is None else names.get(actor, subscription.owner)
                yield f"agent {name}", actor, claim

    def single_subscriptions(self) -> list[Subscription]:
        """Return the same, with those of each partition where an agent has one for each."""
        return [
            single
            for any_kind in self.subscriptions()
            for single in ([any_kind] if isinstance(any_kind, Subscription) else any_kind.parts())
        ]

    def subscriptions(self) -> Iterable[AnySubscription]:
        """Return what all streams and agents of this worker have to read."""
        return [*self._fetcher.subscriptions(), *self._readers]

    def actors_of(self, agent: Agent[Any]) -> list[ActorInfo]:
        """Describe the running actors of an agent."""
        return [
            runner.info(task)
            for runner, task in self._actors.items()
            if isinstance(runner, ActorRunner) and runner.agent is agent
        ]

    def cancel_actors(self, agent: Agent[Any]) -> None:
        """Have an agent's actors finish what they have in hand, and read no further."""
        for runner in self._actors:
            if isinstance(runner, ActorRunner) and runner.agent is agent and not runner.cancelled:
                runner.cancelled = True
                runner.subscription.throw(asyncio.CancelledError())

    async def leave_channels(self) -> None:
        """Read no channel any more: what is put from now on waits for the next reader."""
        for reader in self._readers:
            reader.close()

    async def channels_empty(self) -> None:
        """Return when agents have dealt with all that was put into their channels."""
        while not all(reader.idle for reader in self._readers):  # noqa: ASYNC110  once, at the end
            await asyncio.sleep(0.005)

    def _claims_of(self, actor: asyncio.Task[Any] | None) -> list[Claim]:
        return [c for subscription in self.subscriptions() for c in subscription.claims() if c.actor is actor]

    def _start_actor(self, runner: ActorRunner | Mover) -> None:
        self._actors[runner] = self._spawn(runner.run(), f"faust {runner.name}")

    def _waits(self, task: asyncio.Task[None]) -> bool:
        return any(task in subscription.waiters for subscription in self.subscriptions())

    def _policy(self, name: str) -> Policy:
        return Policy(
            name,
            retries=self._conf.error_retries,
            backoff_s=self._conf.error_retry_backoff,
            dead_letters=self._dead_letters,
            app=self._app,
        )

    async def _emit(self, agent: Agent[Any], value: Any) -> None:
        """Send what an agent yielded to its sinks."""
        for sink in agent.sinks:
            if isinstance(sink, Agent | Topic | Channel | str):
                await self._app.channel_named(sink).send(value=value)
            else:
                result = sink(value)
                if inspect.isawaitable(result):
                    await result

    async def _undecodable(self, claim: Claim, error: Exception) -> None:
        if not isinstance(error, (KeyDecodeError, ValueDecodeError)):
            tp = claim.tp
            error = ValueDecodeError(str(error), topic=tp.topic, partition=tp.partition, offset=claim.offset)
        self._app.saw_error("decoding", error)
        topic: Any = claim.topic
        hook = topic.on_key_decode_error if isinstance(error, KeyDecodeError) else topic.on_value_decode_error
        verdict = hook(error, Message(claim.record()))
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if verdict is not False:
            return
        policy = self._conf.on_decode_error
        if policy == "raise":
            raise UndecodableRecord(str(error)) from error
        if policy == "skip":
            log.error("skipped: %s", error)
        else:
            await self._dead_letters.write(claim.record(), error, "decoding")

    def send_by(self, producer: Producer) -> None:
        """Have pumps and forwarders send by another producer from now on."""
        self._producer = producer
        for runner in self._actors:
            if isinstance(runner, Mover):
                runner.send_by(producer)

    # -- StreamRuntime

    def subscribe(self, topic: Topic[Any, Any], owner: str) -> Subscription:
        run = current_run.get()
        mine = [] if run is None else self._opened.setdefault(run.who, [])
        for index, (subscription, opened_by) in enumerate(mine):
            if opened_by is not run and subscription.topic.topics == topic.topics:
                # The attempt before this one failed: go on where its stream stands.
                mine[index] = (subscription, run)
                return subscription
        subscription = self._new_subscription(topic, owner, actors=1)
        mine.append((subscription, run))
        self._on_new_topic(subscription)
        return subscription

    async def repartition(
        self, parent: Stream[Any], key: Callable[[Any], Any] | None, topic: Topic[Any, Any]
    ) -> Subscription:
        name = topic.get_topic_name()
        known = self._pumps.get(name)
        if known is not None:
            return known
        subscription = self._pumps[name] = self._new_subscription(topic, parent.owner, actors=1)
        self._counted(subscription, name)
        self._topics.repartitioned(name, parent.topic.topics)
        run = current_run.get()
        if run is not None and isinstance(run.who, ActorRunner):
            settle: Callable[[list[Claim], Exception, str], Awaitable[None]] = run.who.settle
        else:
            settle = self._policy(self._conf.on_error).settle
        self._start_actor(Pump(parent, key, topic, self._producer, self._mover_error(settle)))
        self._on_new_topic(subscription)
        return subscription

    async def join(self, two: TwoStreams) -> JoinSource:
        known = self._joins.get(two.name)
        run = current_run.get()
        if known is not None:
            source, opened_by = known
            if source.two is not two and (opened_by is run or not source.two.like(two)):
                raise ConfigError(f"there is a join {two.name!r} already: give one of them a name=")
            # The attempt before this one failed: go on where its streams stand.
            self._joins[two.name] = (source, run)
            return source
        if two.buffer is not None:
            self._topics.add_buffer(two.buffer)
        sides = []
        for stream in two.sides:
            side = await stream.open()
            if not isinstance(side, Subscription):
                raise ConfigError(f"{two.name}: {stream} cannot be joined as it is: send it through a topic first")
            if any(side in other.sides for other, _ in self._joins.values()):
                raise ConfigError(
                    f"{two.name}: {stream} is part of another join already, and each record would go to one of them "
                    f"only: join another stream of its topic, topic.stream()"
                )
            sides.append(side)
        source = JoinSource(two, sides)
        self._joins[two.name] = (source, run)
        if two.buffer is not None:
            self.together(two.name, [stream.topic.topics for stream in two.sides], [two.buffer.name])
        return source

    def keep(self, state: Table[Any, Any]) -> None:
        if state.name in self._kept:
            raise ConfigError(
                f"join {state.name!r} is read twice: each change is handed out once. Declare another one with name=, "
                "or send what it yields to a topic that both read"
            )
        self._kept.add(state.name)
        self._topics.add_buffer(state)

    def forward(self, topic: Topic[Any, Any], owner: str) -> None:
        subscription = self._new_subscription(topic, owner, actors=1)
        stream: Stream[Any] = Stream(
            FromSource(topic, subscription), lambda: self, owner=owner, processors=topic.processors
        )
        on_error = self._mover_error(self._policy(self._conf.on_error).settle)
        self._start_actor(Forwarder(stream, self._producer, on_error))
        self._on_new_topic(subscription)

    def _mover_error(
        self, settle: Callable[[list[Claim], Exception, str], Awaitable[None]]
    ) -> Callable[[list[Claim], Exception, str], Awaitable[None]]:
        async def on_error(claims: list[Claim], error: Exception, who: str) -> None:
            if isinstance(error, StoreError):
                # As with agents: not the record's fault, which stays in hand until this is cancelled and repeated.
                self._store_failed(error)
                await asyncio.Event().wait()
            await settle(claims, error, who)

        return on_error

    def together(self, who: str, sides: Sequence[Sequence[str]], tables: Sequence[str]) -> None:
        self._topics.together(who, sides, tables)

    def _new_subscription(self, topic: Topic[Any, Any], owner: str, *, actors: int) -> Subscription:
        topic.on_open(self)
        subscription = self._make_subscription(topic, owner, actors=actors)
        self._fetcher.subscribe(subscription)
        return subscription

    def _make_subscription(self, topic: Topic[Any, Any], owner: str, *, actors: int) -> Subscription:
        subscription = Subscription(
            topic,
            owner,
            actors=actors,
            on_drained=self._fetcher.on_drained,
            on_idle=self._on_idle,
            on_undecodable=self._undecodable,
        )
        return self._counted(subscription, owner, shared=actors > 1)


def _read_by(agent: Agent[Any]) -> Topic[Any, Any]:
    """Return the topic as the agent's records are decoded."""
    return agent.topic if agent.use_reply_headers else Requests(agent.topic)
