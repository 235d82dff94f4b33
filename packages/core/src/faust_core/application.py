"""What topics, tables, agents and the engine know of the application that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from faust_core.clock import Clock
from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, QueryOptions
from faust_core.protocols.store import StoreBackend
from faust_core.protocols.transport import Producer, TopicSpec
from faust_core.sensors import Counts, Monitor, SensorDelegate
from faust_core.tracing import Tracing

if TYPE_CHECKING:
    from faust_core.asking import Asking, ReplyPromise
    from faust_core.headers import HeadersArg
    from faust_core.settings import Settings
    from faust_core.supervision import ActorInfo

__all__ = ["AppProtocol", "Asks", "AsksTables"]


class Asks(Protocol):
    """Waits for what agents answer."""

    @property
    def topic(self) -> str:
        """Where answers to this process go."""
        ...

    async def start(self) -> None:
        """Begin to read answers.  Idempotent.

        Raises:
            ConfigError: the application is not connected.
        """
        ...

    async def aclose(self) -> None:
        """Read no further; who still waits is cancelled."""
        ...

    def asking(self) -> Collection[Asking]:
        """Return the open questions of actors that have an item in their hands."""
        ...

    async def send_now(
        self,
        topic: Any,
        value: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: Any = None,
        headers: HeadersArg = None,
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Queue a record outside of every transaction; `failed` is called where it cannot be written."""
        ...

    def expect(self, promise: ReplyPromise, topics: Collection[str], /) -> None:
        """Fulfil the promise when the answer of the agent of these topics comes."""
        ...


class AsksTables(Protocol):
    """Asks whichever worker has a partition of a table; see `faust_core.engine.queries.Queries`."""

    def partition_count(self, table: Any, /) -> int: ...

    def deadline(self, options: QueryOptions, /) -> float: ...

    async def ask(
        self, table: Any, queries: Collection[PartitionQuery], options: QueryOptions, deadline: float, /
    ) -> Mapping[int, PartitionAnswer]: ...


class AppProtocol(Protocol):
    """The application: settings, and the way to the broker once it is started."""

    @property
    def conf(self) -> Settings: ...

    #: what timers, back-offs, time-outs and windows of the wall clock go by
    clock: Clock
    #: told of what happens
    sensors: SensorDelegate
    #: what the engine counts
    counts: Counts
    tracing: Tracing
    #: the producer to send with; None while the application is not started
    active_producer: Producer | None

    @property
    def monitor(self) -> Monitor: ...

    def use_producer(self, producer: Producer | None, /) -> None:
        """Send with it from now on."""
        ...

    def watched(self, producer: Producer, /) -> Producer:
        """Return the producer, or one around it that tells sensors of each record."""
        ...

    def watch_tables(self) -> None:
        """Have tables tell sensors, where one wants to know."""
        ...

    @property
    def rpc(self) -> Asks: ...

    @property
    def queries(self) -> AsksTables:
        """What brings questions to tables to the workers that have them.

        Raises:
            ConfigError: by all that it does, while the application does not run.
        """
        ...

    async def maybe_start_producer(self) -> Producer:
        """Return the producer; connect, for sending only, where the application is not started."""
        ...

    def make_store_backend(self, url: str | None = None) -> StoreBackend:
        """Make the store of `url`, without one the application's own; nothing is opened yet."""
        ...

    def saw_error(self, who: str, error: BaseException, /) -> None:
        """Something of the program raised; called for each error, whatever its policy is."""
        ...

    def actors_of(self, agent: Any, /) -> list[ActorInfo]:
        """Return the running actors of an agent; none while the application is not started."""
        ...

    def cancel_actors(self, agent: Any, /) -> None:
        """Have this worker's actors of an agent read no further."""
        ...

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None: ...

    @property
    def topic(self) -> Callable[..., Any]:
        """`app.topic(name, …)`."""
        ...

    def channel_named(self, channel: Any, /) -> Any:
        """Return the topic of that name; whatever is no text as it is."""
        ...

    @property
    def stream(self) -> Callable[..., Any]:
        """`app.stream(topic)`."""
        ...
