"""A key's partition is the one that Kafka's Java client chooses."""

from __future__ import annotations

import pytest

from faust_core.partitioner import murmur2, partition_for

# org.apache.kafka.common.utils.UtilsTest
_JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "hashed"), _JAVA.items())
def test_murmur2_is_that_of_kafka(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed & 0xFFFFFFFF


@pytest.mark.parametrize("key", [b"abc", b"x" * 1000])
def test_a_partition_is_the_positive_hash_modulo_the_count(key: bytes) -> None:
    assert partition_for(key, 7) == (murmur2(key) & 0x7FFFFFFF) % 7


def test_a_missing_key_hashes_as_an_empty_one() -> None:
    assert partition_for(None, 12) == partition_for(b"", 12)


def test_a_topic_has_at_least_one_partition() -> None:
    with pytest.raises(ValueError, match="not 0"):
        partition_for(b"key", 0)
