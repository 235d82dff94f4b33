"""Where web pages, and whatever else an application likes, are kept for a while: `redis://` and others.

Found by the entry-point group `faust.caches`, by URL scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from faust_core.clock import Clock, SystemClock

__all__ = ["CacheBackend", "CacheContext", "CacheFactory"]


@dataclass(frozen=True, slots=True)
class CacheContext:
    """What a cache is made with.

    Attributes:
        app_id: entries of two applications never mix, although they are in one place.
        clock: what time-outs are measured with, where the cache itself does so.
        options: beside those in the URL.
    """

    app_id: str
    clock: Clock = field(default_factory=SystemClock)
    options: Mapping[str, Any] = field(default_factory=dict)


class CacheBackend(Protocol):
    """Values by key, which may be gone at any time.  Used on one event loop, by any number of tasks.

    Every method connects where that is needed.  None of them waits for long: a cache that is slower than what it saves
    is of no use.
    """

    async def get(self, key: str, /) -> bytes | None:
        """Return the value; None where there is none, or its time is over.

        Raises:
            CacheUnavailable: it cannot be reached, or does not answer.
        """
        ...

    async def set(self, key: str, value: bytes, timeout: float | None = None) -> None:
        """Keep a value in place of any other, with its own time.

        Args:
            timeout: seconds until it is gone; None keeps it for as long as there is room.  Zero and less: gone at once.

        Raises:
            CacheUnavailable: it cannot be reached, or does not answer.  The value may have been kept all the same.
        """
        ...

    async def delete(self, key: str, /) -> None:
        """Forget a value; nothing happens where there is none.

        Raises:
            CacheUnavailable: it cannot be reached, or does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Close connections.  Idempotent; the next call of another method opens them again."""
        ...


#: Makes the cache of a URL, and connects to nothing.  Raises ConfigError for a URL or option that is wrong.
CacheFactory = Callable[[str, CacheContext], CacheBackend]
