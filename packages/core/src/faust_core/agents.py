"""Agents: functions that process a stream, with an address to send to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from faust_core._context import current_run
from faust_core.asked import Asked
from faust_core.errors import ConfigError
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


class Agent(Asked, Generic[T]):
    """An actor: a function that processes the stream of its topic, on every worker of the application.

    An event whose body raises is dealt with by the agent's error policy and the agent goes on.
    """

    topic: Topic[Any, T]

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
        if topic.single_actor and (concurrency != 1 or isolated_partitions):
            raise ConfigError(
                f"agent {name}: {topic} is read by one actor: leave concurrency at 1 and isolated_partitions out. "
                "Several would hand out the changes of one key out of order"
            )
        if isolated_partitions and topic.in_memory:
            raise ConfigError(f"agent {name}: isolated_partitions needs a topic: {topic} has no partitions")
        if isinstance(on_error, str) and on_error not in POLICIES:
            raise ConfigError(f"agent {name}: on_error={on_error!r} is none of {', '.join(POLICIES)}")
        if not use_reply_headers and not topic.in_memory and topic.value_serializer != "json":
            raise ConfigError(
                f"agent {name}: use_reply_headers=False puts the address of the answer into the value, which must be "
                f"JSON, and {topic} has {topic.value_serializer}"
            )
        _check_shape(name, function)
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
            raise ConfigError(f"agent {name} has sinks but yields nothing that could go there: `yield` each result")

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
        """Have this worker's actors finish what they have in hand, and read no further.

        Its partitions stay with this worker and nothing more of them is committed, until the worker restarts.
        """
        self.app.cancel_actors(self)

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


def _check_shape(name: str, function: Any) -> None:
    """Raises:
    ConfigError: it is not called with a stream alone, or cannot await.
    """
    if inspect.isgeneratorfunction(function):
        raise ConfigError(f"agent {name} is a plain generator: write `async def`, and `async for` in it")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # written in C
    try:
        signature.bind(object())
    except TypeError:
        shown = getattr(function, "__name__", "agent")
        raise ConfigError(
            f"agent {name} is called with its stream and nothing else: write `async def {shown}(stream)`, "
            f"not {shown}{signature}"
        ) from None


def _is_generator(function: Any) -> bool:
    """Whether it yields: a function, a partial one, or an object that is called like one."""
    while isinstance(function, functools.partial):
        function = function.func
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return inspect.isasyncgenfunction(inspect.unwrap(called))
