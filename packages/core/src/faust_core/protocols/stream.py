"""What user code may rely on in a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

__all__ = ["StreamProtocol"]

T_co = TypeVar("T_co", covariant=True)


class StreamProtocol(Protocol[T_co]):
    """An endless sequence of values; each is done when the next one is asked for."""

    def __aiter__(self) -> AsyncIterator[T_co]: ...

    def items(self) -> Any: ...

    def events(self) -> Any: ...

    def filter(self, predicate: Callable[[Any], bool | Awaitable[bool]], /) -> Any: ...

    def take(self, max_: int, within: Any) -> Any: ...

    def group_by(self, key: Any) -> Any: ...

    def through(self, channel: Any) -> Any: ...
