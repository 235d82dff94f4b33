"""What may be set on RocksDB, from the URL's query and the application's store options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from faust_core.errors import ConfigError

__all__ = ["RocksOptions"]

MIB = 1 << 20
#: Options that one table cannot have of its own.
SHARED = frozenset({"driver", "total_write_buffer_size", "block_cache_size"})
#: Names that tables of older applications use, and what they are called here.
ALIASES = {"bloom_filter_size": "bloom_filter_bits"}
#: Names that such tables may have; what they were for has no counterpart.
WITHOUT_EFFECT = frozenset({"block_cache_compressed_size", "key_index_size"})
COMPRESSIONS = ("none", "snappy", "lz4", "zstd", "zlib")


@dataclass(frozen=True, slots=True)
class RocksOptions:
    """Options of every store of one backend.

    Attributes:
        driver: `rocksdict`, `rocksdb`, or `auto` for the first of the two that is installed.
        write_buffer_size: bytes that one store gathers in memory before it writes a file.
        total_write_buffer_size: bytes that all stores together gather in memory; 0 for no limit.
        max_write_buffer_number: how many write buffers one store may have.
        block_cache_size: bytes of one cache of uncompressed blocks, which all stores share.
        target_file_size_base: bytes of a file of the first level.
        bloom_filter_bits: bits per key of the filters that spare reads of absent keys; 0 for none.
        max_open_files: files that one store keeps open; -1 for no limit.
        compression: `none`, `snappy`, `lz4`, `zstd` or `zlib`.
    """

    driver: str = "auto"
    write_buffer_size: int = 16 * MIB
    total_write_buffer_size: int = 256 * MIB
    max_write_buffer_number: int = 2
    block_cache_size: int = 64 * MIB
    target_file_size_base: int = 64 * MIB
    bloom_filter_bits: int = 10
    max_open_files: int = 256
    compression: str = "lz4"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < (-1 if field.name == "max_open_files" else 0):
                raise ConfigError(f"rocksdb option {field.name}={value}: must not be negative")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(
                f"rocksdb option compression={self.compression!r}: must be one of {', '.join(COMPRESSIONS)}"
            )

    def for_table(self, options: Mapping[str, Any]) -> RocksOptions:
        """Return these options with those of one table.

        Raises:
            ConfigError: an option is unknown, has a wrong value, or is not one table's to choose.
        """
        for name in SHARED & options.keys():
            raise ConfigError(f"rocksdb option {name} is for all tables: set it in the store's URL")
        types = get_type_hints(type(self))
        named = {ALIASES.get(name, name): value for name, value in options.items() if name not in WITHOUT_EFFECT}
        return replace(self, **{name: _value(name, value, types) for name, value in named.items()})

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any]) -> RocksOptions:
        """Read the query of `url`, then `options`, which win.

        Raises:
            ConfigError: an option is unknown or has a wrong value, or the URL has a host or a path.
        """
        parts = urlsplit(url)
        if parts.netloc or parts.path:
            raise ConfigError(f"{url}: no host or path is taken here; where stores lie is the setting `datadir`")
        try:
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError as exc:
            raise ConfigError(f"{url}: the query must read ?option=value&option=value") from exc
        types = get_type_hints(cls)
        return cls(**{name: _value(name, value, types) for name, value in {**query, **options}.items()})


def _value(name: str, value: Any, types: Mapping[str, Any]) -> Any:
    if name not in types:
        closest = difflib.get_close_matches(name, types, 1)
        hint = f"; did you mean {closest[0]}?" if closest else f"; there are {', '.join(types)}"
        raise ConfigError(f"rocksdb has no option {name!r}{hint}")
    wanted = types[name]
    try:
        return wanted(value)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"rocksdb option {name}={value!r}: must be {wanted.__name__}") from exc
