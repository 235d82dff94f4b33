"""What a stream needs from the engine, and what user code may rely on in one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from faust_core.claims import Claim

if TYPE_CHECKING:
    from faust_core.stream import Stream
    from faust_core.topics import Topic

__all__ = ["ClaimSource", "StreamProtocol", "StreamRuntime"]

T_co = TypeVar("T_co", covariant=True)


class ClaimSource(Protocol):
    """Hands out records to the actors that share it."""

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        """Give `previous` back, its records up to its index done, and return the next one.

        Waits while there is nothing to do or a checkpoint is under way.  None: `deadline_s`
        (of the event loop's clock) has passed.
        """
        ...

    def release(self, claim: Claim, /) -> None:
        """Give a claim back; what it has not done is handed out again."""
        ...

    def trim(self, claim: Claim, /) -> None:
        """Give back what stands behind the claim's index."""
        ...

    def left(self, claim: Claim | None, /) -> Claim | None:
        """Return `claim` where it was made here and its loop was left by `break`: its last item is done then."""
        ...

    async def undecodable(self, claim: Claim, error: Exception, /) -> None:
        """Carry out the policy for the item in hand, which cannot be decoded; raises where it says so."""
        ...


class StreamRuntime(Protocol):
    """Opens the sources of streams: the running worker."""

    def subscribe(self, topic: Topic[Any, Any], owner: str, /) -> ClaimSource:
        """Return a source of its own of all of this worker's partitions of a topic."""
        ...

    async def repartition(
        self,
        parent: Stream[Any],
        key: Callable[[Any], Any] | None,
        topic: Topic[Any, Any],
        /,
    ) -> ClaimSource:
        """Send everything from `parent` to `topic`, by `key` (None keeps the key), and return a source of it."""
        ...


class StreamProtocol(Protocol[T_co]):
    """An endless sequence of values; each is done when the next one is asked for."""

    def __aiter__(self) -> AsyncIterator[T_co]: ...

    def items(self) -> Any: ...

    def events(self) -> Any: ...

    def filter(self, predicate: Callable[[Any], bool | Awaitable[bool]], /) -> Any: ...

    def take(self, max_: int, within: Any) -> Any: ...

    def group_by(self, key: Any) -> Any: ...

    def through(self, channel: Any) -> Any: ...
