"""Declaring agents and channels."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast, overload

from faust_core._symbols import subclass_of
from faust_core.agents import Agent, AgentFunction, AgentOptions, AgentTopicOptions, ErrorPolicy, Sink
from faust_core.application import AppProtocol
from faust_core.engine.channels import Channel
from faust_core.errors import ConfigError
from faust_core.settings import Settings
from faust_core.stream import StreamRuntime
from faust_core.topics import Topic

__all__ = ["DeclaresAgents", "qualified_name"]

K = TypeVar("K")
V = TypeVar("V")


class DeclaresAgents(ABC):
    """The agents and channels of an application."""

    conf: Settings

    def __init__(self) -> None:
        super().__init__()
        self.agents: dict[str, Agent[Any]] = {}

    @abstractmethod
    def _application(self) -> AppProtocol:
        """Return the application that is declared."""

    @abstractmethod
    def _runtime(self) -> StreamRuntime:
        """Return what opens streams.

        Raises:
            ConfigError: the application does not run.
        """

    @overload
    def channel(
        self, *, key_type: type[K], value_type: type[V], schema: Any = None, maxsize: int | None = None
    ) -> Channel[K, V]: ...

    @overload
    def channel(self, *, value_type: type[V], schema: Any = None, maxsize: int | None = None) -> Channel[Any, V]: ...

    @overload
    def channel(
        self, *, key_type: Any = None, value_type: Any = None, schema: Any = None, maxsize: int | None = None
    ) -> Channel[Any, Any]: ...

    def channel(
        self, *, key_type: Any = None, value_type: Any = None, schema: Any = None, maxsize: int | None = None
    ) -> Channel[Any, Any]:
        """Make a queue in memory, which streams and agents read as they read topics.

        Args:
            key_type, value_type, schema: what is in it; nothing is encoded.
            maxsize: how many values a reader may be behind before `put` waits; the setting
                `stream_buffer_maxsize` where None.
        """
        self.conf.was_read_by("a channel", "stream_buffer_maxsize")
        return Channel(
            self._application(),
            schema=schema,
            key_type=key_type,
            value_type=value_type,
            maxsize=maxsize,
            runtime=self._runtime,
        )

    @overload
    def agent(self, channel: AgentFunction, /) -> Agent[Any]: ...

    @overload
    def agent(
        self, channel: Topic[Any, V] | Channel[Any, V], /, **options: Unpack[AgentOptions]
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
        supervisor_strategy: Any = None,
        sink: Iterable[Sink] = (),
        on_error: ErrorPolicy | None = None,
        isolated_partitions: bool = False,
        use_reply_headers: bool = True,
        help: str | None = None,  # noqa: A002  the name that applications use
        **topic_options: Any,
    ) -> Any:
        """Make a function that takes a stream into an agent.

        Args:
            channel: the topic that it processes, its name, or a channel; without one the agent has a topic of its
                own, `{id}-{name}`, of which `topic_options` say the rest.
            concurrency: how many instances share the stream on each worker; events of one key may then overtake
                each other.
            supervisor_strategy: for existing applications; `CrashingSupervisor` means `on_error='crash'`, with the
                others actors are started again one by one, as they always are.
            sink: where results go: agents, topics, channels, functions.
            on_error: what is done with an event whose body raises: `dead_letter`, `retry`, `skip` or `crash`;
                or a function of (agent, exception) that is told, and may return one of these.
            isolated_partitions: an instance for each partition.
            use_reply_headers: False sends questions to this agent wrapped into its values, as JSON, where headers
                do not get through.
            help: what `faust agents` shows; the function's docstring where None.

        Raises:
            ConfigError: an agent of that name exists, or the arguments do not go together.
        """
        if callable(channel) and not isinstance(channel, (Topic, Channel, str)):
            return self.agent()(channel)
        if channel is not None and not isinstance(channel, (Topic, Channel, str)):
            raise ConfigError(f"an agent processes a topic, its name or a channel, not {channel!r}")
        if unknown := topic_options.keys() - AgentTopicOptions.__annotations__.keys() - {"value_type"}:
            known = [*AgentTopicOptions.__annotations__, "value_type"]
            close = get_close_matches(min(unknown), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ConfigError(f"app.agent has no option {', '.join(sorted(unknown))}: {hint}")
        if topic_options and isinstance(channel, (Topic, Channel)):
            names = ", ".join(sorted(topic_options))
            raise ConfigError(f"agent over {channel}: {names} would have to be said of the {_kind(channel)} itself")

        def declare(function: AgentFunction) -> Agent[Any]:
            agent_name = name or qualified_name(function)
            if agent_name in self.agents:
                raise ConfigError(f"there is an agent {agent_name!r} already: give one of them a name=")
            if isinstance(channel, (Topic, Channel)):
                topic = cast("Topic[Any, Any]", channel)
            else:
                own = channel is None
                if own:
                    self.conf.was_read_by(f"agent {agent_name}", "id", "version", "id_format")
                topic = self._application().topic(
                    channel or f"{self.conf.id}-{agent_name}", **{"internal": own, **topic_options}
                )
            self.conf.was_read_by(f"agent {agent_name}", "agent_supervisor", "Agent")
            agent: Agent[Any] = subclass_of(Agent, self.conf.Agent, "Agent")(
                self._application(),
                function,
                name=agent_name,
                topic=topic,
                concurrency=concurrency,
                supervisor_strategy=supervisor_strategy or self.conf.agent_supervisor,
                sink=sink,
                on_error=on_error,
                isolated_partitions=isolated_partitions,
                use_reply_headers=use_reply_headers,
                help=help,
            )
            self.agents[agent_name] = agent
            return agent

        return declare

    actor = agent


def _kind(channel: Any) -> str:
    return "channel" if isinstance(channel, Channel) else "topic"


def qualified_name(function: Callable[..., Any]) -> str:
    """Return `module.function`; a program run as a script has the module name of its file."""
    module = getattr(function, "__module__", None) or type(function).__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = spec.name if spec is not None else Path(file).stem if file else "__main__"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}.{name}".replace(".<locals>", "").replace("<", "").replace(">", "")
