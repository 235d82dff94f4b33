"""What expiry and closing cost with many windows open: `python bench/open_windows.py [--store rocksdb://]`.

Fills one table partition with open windows, then lets stream time pass the ends of a few of them, and shows what the
checkpoint costs by how many are due, and the process's memory.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import faust
from faust_core.memory import Broker
from faust_core.protocols.store import StoreContext
from faust_core.records import TopicPartition
from faust_core.registry import store_factory
from faust_core.windows import TumblingWindow, WindowedPartition

T0 = 1_000_000_000
BATCH = 10_000


def rss_mb() -> float:
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--store", default="rocksdb://")
    arguments.add_argument("--windows", type=int, default=1_000_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(options.store, options.windows, Path(directory))


def measure(url: str, number: int, directory: Path) -> None:
    """Fill a partition, then see what is due."""
    backend = store_factory(url)(url, StoreContext("bench", directory, {}))
    window = TumblingWindow(1, expires=3600)
    app = faust.App("bench", broker=Broker().url)
    table = app.Table("t", default=int, key_type=str, value_type=int, window=window)
    part = WindowedPartition(
        table, backend.open("t", 0), table.codec, TopicPartition("c", 0), 1000, window=window, closes=False
    )
    print(f"{number:,} open windows in {url}")
    before, offset = rss_mb(), 0
    began = time.process_time()
    # 100 keys in each of so many windows of a second.
    for first in range(0, number, BATCH):
        for n in range(first, first + BATCH):
            part.dirty[f"key{n % 100}", window.current(T0 + n // 100)] = 1
        offset = checkpoint(part, offset)
    print(f"filled in {time.process_time() - began:.1f} s of CPU; memory {before:.0f} -> {rss_mb():.0f} MB")
    first_due = T0 + 3600 + 1  # the first window's expiry
    for due in (0, 100, 1_000, 10_000):
        part.advance(first_due + due // 100 + (0.001 if due else -0.5))
        first_due += due // 100
        began = time.process_time()
        changes = part.stage()
        staged = time.process_time() - began
        part.store.apply(list(part.indexed(changes)), changelog_offset=(offset := offset + len(changes)))
        part.settle()
        total = time.process_time() - began
        print(
            f"{len(changes):>7,} deleted: found in {staged * 1000:8.2f} ms of CPU, {total * 1000:8.2f} ms with the store"
        )
    print(f"memory {rss_mb():.0f} MB")
    backend.close()


def checkpoint(part: WindowedPartition, offset: int) -> int:
    """Write what has changed, as a checkpoint does."""
    changes = part.stage()
    part.store.apply(list(part.indexed(changes)), changelog_offset=offset + len(changes))
    part.settle()
    return offset + len(changes)


if __name__ == "__main__":
    sys.exit(main())
