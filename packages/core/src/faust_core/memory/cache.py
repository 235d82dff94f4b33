"""`memory://`: a cache inside this process, of a bounded size."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from faust_core.clock import Clock
from faust_core.errors import ConfigError
from faust_core.protocols.cache import CacheBackend, CacheContext

__all__ = ["MemoryCache", "create"]

#: Entries, and bytes of keys and values, unless the URL says otherwise.
MAX_ENTRIES = 10_000
MAX_BYTES = 64 * 1024 * 1024


def create(url: str, context: CacheContext, /) -> MemoryCache:
    """Make the cache of `memory://?max_entries=…&max_bytes=…`.

    Raises:
        ConfigError: an option is unknown or has a wrong value.
    """
    limits = {"max_entries": MAX_ENTRIES, "max_bytes": MAX_BYTES}
    for name, value in [*parse_qsl(urlsplit(url).query, keep_blank_values=True), *context.options.items()]:
        if name not in limits:
            raise ConfigError(f"the cache in memory has no option {name!r}; it has {', '.join(limits)}")
        if not str(value).isdecimal() or int(value) < 1:
            raise ConfigError(f"the cache in memory: {name}={value!r} is no whole number above zero")
        limits[name] = int(value)
    return MemoryCache(context.clock, **limits)


class _Entry(NamedTuple):
    value: bytes
    #: on the monotonic clock; None: never
    gone_at: float | None


class MemoryCache:
    """What was not asked for the longest goes when there is no room; nothing outlives the process."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Return how many entries there are, those included whose time is over and that nobody has asked for since."""
        return len(self._entries)

    async def get(self, key: str, /) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.gone_at is not None and entry.gone_at <= self._clock.monotonic():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    async def set(self, key: str, value: bytes, timeout: float | None = None) -> None:
        self._forget(key)
        size = _size(key, value)
        if (timeout is not None and timeout <= 0) or size > self._max_bytes:
            return
        gone_at = None if timeout is None else self._clock.monotonic() + timeout
        self._entries[key] = _Entry(bytes(value), gone_at)
        self._bytes += size
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))

    async def delete(self, key: str, /) -> None:
        self._forget(key)

    async def aclose(self) -> None:
        self._entries.clear()
        self._bytes = 0

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry.value)


def _size(key: str, value: bytes) -> int:
    return len(key.encode(errors="surrogatepass")) + len(value)


if TYPE_CHECKING:
    _: type[CacheBackend] = MemoryCache
