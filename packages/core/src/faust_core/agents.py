"""Agents: functions that process a stream, with an address to send to."""

from __future__ import annotations

import functools
import inspect
import json
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core._context import current_run
from faust_core.asking import ReplyPromise, answers
from faust_core.errors import ConfigError
from faust_core.headers import HeadersArg
from faust_core.sent import SentRecord
from faust_core.supervision import POLICIES, ActorInfo, supervisor_policy
from faust_core.topics import Topic, TopicOptions

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.stream import Stream
    from faust_core.testing.agent import AgentTestContext

__all__ = [
    "ActorInfo",
    "Agent",
    "AgentFunction",
    "AgentOptions",
    "AgentTopicOptions",
    "ErrorPolicy",
    "Sink",
    "current_agent",
]

T = TypeVar("T")

AgentFunction = Callable[["Stream[Any]"], "Awaitable[Any] | AsyncIterator[Any]"]
#: Where an agent's results go: another agent, a topic, a channel, or a function (which may be async).
Sink = Any
#: What `on_error` may be: a policy by name, or a function of (agent, exception) that is told, and may say the policy.
ErrorPolicy = str | Callable[["Agent[Any]", BaseException], Any]


class AgentOptions(TypedDict, total=False):
    """What `app.agent` takes besides the topic."""

    name: str | None
    concurrency: int
    supervisor_strategy: Any
    sink: Iterable[Sink]
    on_error: ErrorPolicy | None
    isolated_partitions: bool
    use_reply_headers: bool
    help: str | None


class AgentTopicOptions(AgentOptions, TopicOptions, total=False):
    """The same where the agent has a topic of its own, or names one: what `app.topic` takes, too."""

    key_type: Any


REPLY_TO = "Faust-Ag-ReplyTo"
CORRELATION_ID = "Faust-Ag-CorrelationId"
#: the namespace of a question that is wrapped, for agents with `use_reply_headers=False`
REQUEST = "@ReqRepRequest"
ASK_TIMEOUT_S = 60.0


class Agent(Generic[T]):
    """An actor: a function that processes the stream of its topic, on every worker of the application.

    An event whose body raises is dealt with by the agent's error policy and the agent goes on.
    """

    def __init__(
        self,
        app: App,
        function: AgentFunction,
        *,
        name: str,
        topic: Topic[Any, T],
        concurrency: int = 1,
        supervisor_strategy: Any = None,
        sink: Iterable[Sink] = (),
        on_error: ErrorPolicy | None = None,
        isolated_partitions: bool = False,
        use_reply_headers: bool = True,
        help: str | None = None,  # noqa: A002  the name that applications use
    ) -> None:
        if concurrency < 1:
            raise ConfigError(f"agent {name}: concurrency={concurrency} must be at least 1")
        if isolated_partitions and concurrency != 1:
            raise ConfigError(f"agent {name}: isolated_partitions has one actor per partition; leave concurrency at 1")
        if isolated_partitions and topic.from_table:
            raise ConfigError(f"agent {name}: the closed windows of a table have no isolated_partitions")
        if isolated_partitions and topic.in_memory:
            raise ConfigError(f"agent {name}: isolated_partitions needs a topic: {topic} has no partitions")
        if isinstance(on_error, str) and on_error not in POLICIES:
            raise ConfigError(f"agent {name}: on_error={on_error!r} is none of {', '.join(POLICIES)}")
        if not use_reply_headers and not topic.in_memory and topic.value_serializer != "json":
            raise ConfigError(
                f"agent {name}: use_reply_headers=False puts the address of the answer into the value, which must be "
                f"JSON, and {topic} has {topic.value_serializer}"
            )
        self.app = app
        self.function = function
        self.name = name
        self.topic = topic
        self.concurrency = concurrency
        self.isolated_partitions = isolated_partitions
        self.use_reply_headers = use_reply_headers
        self.supervisor_strategy = supervisor_strategy
        self.help = help if help is not None else (inspect.getdoc(function) or "")
        self._on_error = on_error
        self._supervisor_policy = supervisor_policy(supervisor_strategy, f"agent {name}")
        self._sinks: list[Sink] = list(sink)
        self.yields = _is_generator(function)
        if self._sinks and not self.yields:
            raise ConfigError(f"agent {name} has sinks but yields nothing that could go there")

    @property
    def channel(self) -> Topic[Any, T]:
        return self.topic

    def get_topic_names(self) -> tuple[str, ...]:
        return self.topic.topics

    @property
    def policy(self) -> str:
        """What is done with an event whose body raised."""
        if isinstance(self._on_error, str):
            return self._on_error
        return self._supervisor_policy or self.app.conf.on_error

    @property
    def error_callback(self) -> Callable[[Agent[Any], BaseException], Any] | None:
        return None if isinstance(self._on_error, str) or self._on_error is None else self._on_error

    def __call__(self, stream: Stream[T] | None = None, *, channel: Any = None) -> Any:
        """Run the function over another stream: `stream`, or that of `channel`; by default a new one of the topic."""
        return self.function(stream if stream is not None else (channel or self.topic).stream())

    def stream(self) -> Stream[T]:
        """Return another stream of the agent's topic, to be iterated inside a task of the running application."""
        return self.topic.stream()

    # -- its running instances

    @property
    def actors(self) -> list[ActorInfo]:
        """The instances on this worker; none while the application does not run."""
        return self.app.actors_of(self)

    def actor_tracebacks(self) -> list[str]:
        """Return where in its code each actor is."""
        return [actor.traceback for actor in self.actors]

    def info(self) -> dict[str, Any]:
        """Return what the agent is made of; `Agent(**info)` makes another one."""
        return {
            "app": self.app,
            "function": self.function,
            "name": self.name,
            "topic": self.topic,
            "concurrency": self.concurrency,
            "supervisor_strategy": self.supervisor_strategy,
            "sink": self.sinks,
            "on_error": self._on_error,
            "isolated_partitions": self.isolated_partitions,
            "use_reply_headers": self.use_reply_headers,
            "help": self.help,
        }

    def clone(self, **changes: Any) -> Agent[Any]:
        """Return the same agent but for `changes`.  It is not run by the application, its function can be called."""
        return Agent(**{**self.info(), **changes})

    def cancel(self) -> None:
        """Have this worker's actors read no further; what they have in hand is not done.

        Its partitions stay with this worker and nothing of them is committed any more, until the worker restarts.
        """
        self.app.cancel_actors(self)

    # -- sending to it

    async def send(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: Callable[[Any], Any] | None = None,
        force: bool = False,
        reply_to: Agent[Any] | Topic[Any, Any] | str | None = None,
        correlation_id: str | None = None,
    ) -> SentRecord:
        """Send a value to the agent's topic; where it yields, `reply_to` gets the results.

        The other parameters are those of `topic.send`.
        """
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if reply_to is not None:
            destination = _topic_name(reply_to)
            correlation_id = correlation_id or str(uuid.uuid4())
            if self.use_reply_headers or self.topic.in_memory:
                pairs += [(REPLY_TO, destination.encode()), (CORRELATION_ID, correlation_id.encode())]
            else:
                value = self._wrapped(value, destination, correlation_id)
        return await self.topic.send(
            key=key,
            value=value,
            partition=partition,
            timestamp=timestamp,
            headers=pairs or None,
            schema=schema,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            callback=callback,
            force=force,
        )

    def _wrapped(self, value: Any, reply_to: str, correlation_id: str) -> bytes:
        plain = self.topic.encode_value(value)
        parts = {"reply_to": reply_to, "correlation_id": correlation_id, "__faust": {"ns": REQUEST}}
        return b'{"value":' + (b"null" if plain is None else plain) + b"," + json.dumps(parts).encode()[1:]

    async def cast(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
    ) -> None:
        """Send a value and forget it."""
        await self.send(key=key, value=value, partition=partition, timestamp=timestamp, headers=headers)

    async def ask(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        correlation_id: str | None = None,
        timeout: float = ASK_TIMEOUT_S,
    ) -> Any:
        """Send a value, and return what the agent yields for it.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: no answer in time: the agent is not running, or yielded nothing for this value.
            AgentError: the agent raised; the message is the exception's.
            ConfigError: the agent never yields, or the application is not connected.
        """
        return await await_promise(
            await self.ask_nowait(
                value,
                key=key,
                partition=partition,
                timestamp=timestamp,
                headers=headers,
                correlation_id=correlation_id,
                timeout=timeout,
            )
        )

    async def ask_nowait(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        reply_to: Agent[Any] | Topic[Any, Any] | str | None = None,
        correlation_id: str | None = None,
        force: bool = True,
        timeout: float = ASK_TIMEOUT_S,
    ) -> ReplyPromise:
        """Send a value, and return the promise of what the agent yields for it: await that.

        Args:
            reply_to: have the answer sent there; then there is none to wait for here.
            force: send it now, although the setting `stream_publish_on_commit` is on.
            timeout: seconds until the promise fails with `TimeoutError`.

        Raises:
            ConfigError: the agent never yields, or the application is not connected.
        """
        if not self.yields:
            raise ConfigError(f"agent {self.name} yields nothing, so there would never be an answer: use cast()")
        rpc = self.app.rpc
        destination = rpc.topic if reply_to is None else _topic_name(reply_to)
        promise = ReplyPromise(destination, correlation_id or str(uuid.uuid4()))
        if reply_to is None:
            await rpc.start()
            rpc.expect(promise)
            reason = (
                f"agent {self.name} has not answered within {timeout:g} s: does a worker run, does the agent yield?"
            )
            promise.expire_after(timeout, self.app.clock, reason)
        else:
            promise.set_exception(ConfigError(f"the answer of agent {self.name} goes to {destination}, not here"))
        try:
            await self.send(
                key=key,
                value=value,
                partition=partition,
                timestamp=timestamp,
                headers=headers,
                force=force,
                reply_to=destination,
                correlation_id=promise.correlation_id,
            )
        except BaseException:
            promise.cancel()
            raise
        return promise

    async def map(
        self,
        values: Iterable[Any] | AsyncIterable[Any],
        key: Any = None,
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Ask for each value; yield the answers as they come, in no order.

        At most a thousand questions wait for their answers at a time; leaving the loop forgets the others.

        Args:
            key: of all the records.
            timeout: seconds, of each answer.
            return_exceptions: yield errors in the place of answers, instead of raising the first one.

        Raises:
            TimeoutError, AgentError: as `ask` does.
        """
        pairs = _with_key(key, values)
        async with aclosing(self.kvmap(pairs, timeout=timeout, return_exceptions=return_exceptions)) as found:
            async for value in found:
                yield value

    async def kvmap(
        self,
        items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]],
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Like `map`, for pairs of key and value."""
        async with aclosing(self._answers(items, timeout)) as found:
            async for _, promise in found:
                yield _outcome(promise, return_exceptions=return_exceptions)

    async def join(
        self,
        values: Iterable[Any] | AsyncIterable[Any],
        key: Any = None,
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Ask for each value, and return the answers in the order of the values.  Parameters as for `map`."""
        return await self.kvjoin(_with_key(key, values), timeout=timeout, return_exceptions=return_exceptions)

    async def kvjoin(
        self,
        items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]],
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Like `join`, for pairs of key and value."""
        found: dict[int, Any] = {}
        async with aclosing(self._answers(items, timeout)) as answered:
            async for number, promise in answered:
                found[number] = _outcome(promise, return_exceptions=return_exceptions)
        return [found[number] for number in range(len(found))]

    def _answers(
        self, items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]], timeout: float
    ) -> AsyncGenerator[tuple[int, ReplyPromise], None]:
        async def ask(item: tuple[Any, Any]) -> ReplyPromise:
            return await self.ask_nowait(item[1], key=item[0], timeout=timeout)

        return answers(items, ask)

    # -- its results

    def add_sink(self, sink: Sink) -> None:
        """Send what the agent yields to one more place."""
        if not self.yields:
            raise ConfigError(f"agent {self.name} yields nothing that could go to a sink")
        self._sinks.append(sink)

    @property
    def sinks(self) -> Sequence[Sink]:
        return tuple(self._sinks)

    # -- testing

    def test_context(self, *, raise_errors: bool = True, **settings: Any) -> AgentTestContext:
        """Run this agent alone, on a broker in memory: `async with agent.test_context() as tested: …`.

        Args:
            raise_errors: raise what the agent raises from `put`; otherwise its error policy is carried out.
            settings: of the application, for this test.
        """
        from faust_core.testing.agent import AgentTestContext  # noqa: PLC0415  tests only

        return AgentTestContext(self, raise_errors=raise_errors, **settings)

    def __repr__(self) -> str:
        return f"<Agent: {self.name} on {self.topic}>"


def current_agent() -> Agent[Any] | None:
    """Return the agent whose code is running; None outside of agents."""
    run = current_run.get()
    agent = None if run is None else getattr(run.who, "agent", None)
    return agent if isinstance(agent, Agent) else None


def _is_generator(function: Any) -> bool:
    """Whether it yields: a function, a partial one, or an object that is called like one."""
    while isinstance(function, functools.partial):
        function = function.func
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return inspect.isasyncgenfunction(inspect.unwrap(called))


async def await_promise(promise: ReplyPromise) -> Any:
    """Wait for an answer; who is cancelled meanwhile needs it no longer."""
    try:
        return await promise
    finally:
        promise.cancel()


def _outcome(promise: ReplyPromise, *, return_exceptions: bool) -> Any:
    error = promise.exception()
    return error if error is not None and return_exceptions else promise.result()


async def _with_key(key: Any, values: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[tuple[Any, Any]]:
    if isinstance(values, AsyncIterable):
        async for value in values:
            yield key, value
    else:
        for value in values:
            yield key, value


def _topic_name(destination: Agent[Any] | Topic[Any, Any] | str) -> str:
    """Return the name of the topic that answers go to."""
    if isinstance(destination, str):
        return destination
    return destination.topic.name if isinstance(destination, Agent) else destination.name
