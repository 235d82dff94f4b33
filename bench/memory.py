"""The memory of a worker with a large table in RocksDB: `python bench/memory.py [--keys 10000000]`.

Fills one partition of a table as a worker does, through the table's own layers and a checkpoint for every 10,000 keys,
then reads keys at random and all in order, and shows the resident memory of the process on the way.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import faust
from faust_core.memory import Broker
from faust_core.protocols.store import StoreContext
from faust_core.records import TopicPartition
from faust_core.registry import store_factory
from faust_core.table_partition import TablePartition

BATCH = 10_000
READS = 200_000
CACHED = 100_000  # what the setting table_cache_size is by default
MIB = 1 << 20
SMALL = {"write_buffer_size": 4 * MIB, "total_write_buffer_size": 16 * MIB, "block_cache_size": 8 * MIB}


def rss_mb() -> float:
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000_000, help="default: 10000000")
    parser.add_argument("--bytes", type=int, default=100, help="of each value (default: 100)")
    parser.add_argument("--store", default="rocksdb://", help="with its options, if any (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="small buffers and caches: what the settings can save")
    parser.add_argument("--directory", type=Path, help="where the files go, 2 GB; deleted afterwards")
    options = parser.parse_args()
    url = f"{options.store}?{urlencode(SMALL)}" if options.small else options.store
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        measure(url, options.keys, options.bytes, Path(directory))


def measure(url: str, keys: int, size: int, directory: Path) -> None:
    """Fill, read at random, scan."""
    backend = store_factory(url)(url, StoreContext("bench", directory, {}))
    app = faust.App("bench", broker=Broker().url)
    table = app.Table("t", key_type=str, value_type=str)
    part = TablePartition(table, backend.open("t", 0), table.codec, TopicPartition("c", 0), CACHED)
    rng = random.Random(7)
    numbers = list(range(0, keys, BATCH))
    rng.shuffle(numbers)  # of batches: what comes is not in the order of the keys
    before = rss_mb()
    print(f"{keys:,} keys of {size} bytes in {url}\nbefore: {before:.0f} MB")
    peak, began = before, time.process_time()
    for done, first in enumerate(numbers, 1):
        for number in range(first, min(first + BATCH, keys)):
            part.dirty[f"key{number * 2_654_435_761 % 4_294_967_296:010}"] = f"{number:0{size - 2}}"
        part.store.apply(part.stage(), changelog_offset=done * BATCH)
        part.settle()
        peak = max(peak, rss_mb())
        if done % max(1, len(numbers) // 10) == 0:
            print(f"{min(done * BATCH, keys):>12,} keys: {rss_mb():6.0f} MB", flush=True)
    used = time.process_time() - began
    print(f"written: {used / keys * 1e6:.2f} µs of CPU per key; most {peak:.0f} MB")
    began = time.process_time()
    for _ in range(READS):
        assert part.get(f"key{rng.randrange(keys) * 2_654_435_761 % 4_294_967_296:010}") is not None
    used = time.process_time() - began
    print(f"read at random: {used / READS * 1e6:.2f} µs of CPU per key; {rss_mb():.0f} MB")
    began = time.process_time()
    count = sum(1 for _ in part.rows())
    used = time.process_time() - began
    print(f"all {count:,} in order: {used / count * 1e6:.2f} µs of CPU per key; {rss_mb():.0f} MB")
    files = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    print(
        f"files: {files / MIB:,.0f} MiB; most {max(peak, rss_mb()):.0f} MB, of which {before:.0f} MB before the table"
    )
    backend.close()


if __name__ == "__main__":
    sys.exit(main())
