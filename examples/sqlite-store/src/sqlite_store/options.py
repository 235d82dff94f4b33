"""What may be set: in the URL's query, for the application, or for one table; the later ones win."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from faust_core.errors import ConfigError

__all__ = ["Options"]

SYNCHRONOUS = ("off", "normal", "full")


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one partition.

    Attributes:
        synchronous: how often SQLite waits for the disk.  After a crash of the machine, too, a table is restored from
            its changelog, so that `off` is safe where the operating system keeps the order of writes.
        cache_kib: how much of a partition SQLite keeps in memory.
    """

    synchronous: str = "normal"
    cache_kib: int = 2_000

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any]) -> Options:
        """Raises:
        ConfigError: the URL or an option is wrong.
        """
        parts = urlsplit(url)
        if parts.netloc or parts.path.strip("/"):
            raise ConfigError(f"{url}: files are in the application's data directory; say sqlite:// alone")
        return cls().with_options({**dict(parse_qsl(parts.query, keep_blank_values=True)), **options})

    def with_options(self, options: Mapping[str, Any]) -> Options:
        """Return these options with some of them changed.

        Raises:
            ConfigError: an option is unknown or has a wrong value.
        """
        unknown = options.keys() - set(self.__slots__)
        if unknown:
            raise ConfigError(
                f"the SQLite store has no option {', '.join(sorted(unknown))}; it has {', '.join(self.__slots__)}"
            )
        changed = replace(self, **options)
        if changed.synchronous not in SYNCHRONOUS:
            raise ConfigError(f"synchronous={changed.synchronous!r} must be one of {', '.join(SYNCHRONOUS)}")
        try:
            cache_kib = int(changed.cache_kib)
        except (TypeError, ValueError):
            cache_kib = 0
        if cache_kib < 1:
            raise ConfigError(f"cache_kib={changed.cache_kib!r} must be a whole number, at least 1")
        return replace(changed, cache_kib=cache_kib)
