"""Agents: functions that process a stream, with an address to send to."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core.errors import ConfigError
from faust_core.topics import HeadersArg, SentRecord, Topic, TopicOptions

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App
    from faust_core.stream import Stream

__all__ = ["Agent", "AgentFunction", "AgentOptions", "AgentTopicOptions", "ErrorPolicy", "Sink"]

T = TypeVar("T")

AgentFunction = Callable[["Stream[Any]"], "Awaitable[Any] | AsyncIterator[Any]"]
#: Where an agent's results go: another agent, a topic, or a function (which may be async).
Sink = Any
#: What `on_error` may be: a policy by name, or a function of (agent, exception) that is told first.
ErrorPolicy = str | Callable[["Agent[Any]", BaseException], Any]


class AgentOptions(TypedDict, total=False):
    """What `app.agent` takes besides the topic."""

    name: str | None
    concurrency: int
    sink: Iterable[Sink]
    on_error: ErrorPolicy | None
    isolated_partitions: bool
    use_reply_headers: bool


class AgentTopicOptions(AgentOptions, TopicOptions, total=False):
    """The same where the agent has a topic of its own, or names one: what `app.topic` takes, too."""

    key_type: Any


POLICIES = ("dead_letter", "retry", "skip", "crash")

REPLY_TO = "Faust-Ag-ReplyTo"
CORRELATION_ID = "Faust-Ag-CorrelationId"


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
        if topic.single_actor and (concurrency != 1 or isolated_partitions):
            raise ConfigError(
                f"agent {name}: {topic} is read by one actor: leave concurrency at 1 and isolated_partitions out. "
                "Several would hand out the changes of one key out of order"
            )
        if isinstance(on_error, str) and on_error not in POLICIES:
            raise ConfigError(f"agent {name}: on_error={on_error!r} is none of {', '.join(POLICIES)}")
        self.app = app
        self.function = function
        self.name = name
        self.topic = topic
        self.concurrency = concurrency
        self.isolated_partitions = isolated_partitions
        self.use_reply_headers = use_reply_headers
        self.help = help if help is not None else (inspect.getdoc(function) or "")
        self._on_error = on_error
        self._sinks: list[Sink] = list(sink)
        target = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
        self.yields = inspect.isasyncgenfunction(inspect.unwrap(target))
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
        return self._on_error if isinstance(self._on_error, str) else self.app.conf.on_error

    @property
    def error_callback(self) -> Callable[[Agent[Any], BaseException], Any] | None:
        return None if isinstance(self._on_error, str) or self._on_error is None else self._on_error

    def __call__(self, stream: Stream[T]) -> Any:
        """Run the function over another stream."""
        return self.function(stream)

    # -- sending to it

    async def send(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        callback: Callable[[Any], Any] | None = None,
        reply_to: Agent[Any] | Topic[Any, Any] | str | None = None,
        correlation_id: str | None = None,
    ) -> SentRecord:
        """Send a value to the agent's topic; where it yields, `reply_to` gets the results."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if reply_to is not None:
            destination = reply_to if isinstance(reply_to, str) else getattr(reply_to, "topic", reply_to).name
            correlation_id = correlation_id or str(uuid.uuid4())
            pairs += [(REPLY_TO, destination.encode()), (CORRELATION_ID, correlation_id.encode())]
        return await self.topic.send(
            key=key, value=value, partition=partition, timestamp=timestamp, headers=pairs or None, callback=callback
        )

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
        timeout: float = 60.0,
    ) -> Any:
        """Send a value, and return what the agent yields for it.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: no answer in time: the agent is not running, or yielded nothing for this value.
            AgentError: the agent raised; the message is the exception's.
        """
        return await self.app.rpc.ask(
            self, value, key=key, partition=partition, timestamp=timestamp, headers=headers, timeout=timeout
        )

    def add_sink(self, sink: Sink) -> None:
        """Send what the agent yields to one more place."""
        if not self.yields:
            raise ConfigError(f"agent {self.name} yields nothing that could go to a sink")
        self._sinks.append(sink)

    @property
    def sinks(self) -> Sequence[Sink]:
        return tuple(self._sinks)

    def __repr__(self) -> str:
        return f"<Agent: {self.name} on {self.topic}>"
