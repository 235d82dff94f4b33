"""Which partition a key belongs to: the same answer as Kafka's Java client gives."""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

__all__ = ["murmur2", "partition_for"]

_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995

#: Longer keys are not remembered, so that the cache stays under 2 MB.
_CACHED_KEY_BYTES = 64


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of `data`, unsigned, with the seed that Kafka uses."""
    length = len(data)
    h = _SEED ^ length
    for k in unpack_from(f"<{length >> 2}I", data):
        k = k * _MULTIPLIER & _MASK
        k ^= k >> 24
        h = (h * _MULTIPLIER ^ k * _MULTIPLIER) & _MASK
    if tail := data[length & ~3 :]:
        h = (h ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    h ^= h >> 13
    h = h * _MULTIPLIER & _MASK
    return h ^ h >> 15


_remembered = lru_cache(maxsize=16_384)(murmur2)


def partition_for(key: bytes | None, count: int) -> int:
    """Return the partition of `key` among `count`; a missing key hashes as an empty one.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"a topic has at least one partition, not {count}")
    key = key or b""
    hashed = _remembered(key) if len(key) <= _CACHED_KEY_BYTES else murmur2(key)
    return (hashed & 0x7FFFFFFF) % count
