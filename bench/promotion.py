"""From kill to first processed event where a standby takes a large table over: `python bench/promotion.py`.

Two workers with RocksDB share a table of 1M keys of 100 bytes, each keeps a standby of the other's half.  Events come
all the time; one worker is killed, and it is measured how long each of its partitions stands still.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this is run as a script; `bench` and `tests` are packages of the repository

from bench.broker import PREFIX, Kafka  # noqa: E402
from bench.workloads import account  # noqa: E402
from tests.services.kafka import KafkaBroker  # noqa: E402
from tests.services.process import GuardedProcess  # noqa: E402

EVENTS_PER_S = 100
PATIENCE_S = 300.0
#: A worker that uses no more of a core than this has nothing left to restore.
IDLE_SHARE = 0.15
IDLE_S = 4.0


class Outputs:
    """What the workers send: when each event of a partition came out, and by whom."""

    def __init__(self, kafka: Kafka, topic: str, partitions: int) -> None:
        self._reader = kafka.reader(topic, partitions)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.times: dict[int, list[tuple[float, str]]] = defaultdict(list)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stopped.is_set():
            for message in self._reader.consume(1000, 0.01):
                if message.error() is None:
                    with self._lock:
                        found = self.times[message.partition() or 0]
                        found.append((time.monotonic(), (message.value() or b"").decode()))

    def owners(self) -> dict[int, str]:
        """Who sent the last output of each partition."""
        with self._lock:
            return {partition: times[-1][1] for partition, times in self.times.items()}

    def first_after(self, moment: float, partition: int, not_by: str) -> float | None:
        """When the first output after `moment` came that is not of that worker."""
        with self._lock:
            return next((at for at, who in self.times[partition] if at > moment and who != not_by), None)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join()
        self._reader.close()


class Feeder:
    """Sends an event to each partition in turn, until closed."""

    def __init__(self, kafka: Kafka, topic: str, partitions: int, keys: int) -> None:
        self._producer = kafka.producer({"linger.ms": 0})
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(topic, partitions, keys), daemon=True)
        self._thread.start()

    def _send(self, topic: str, partitions: int, keys: int) -> None:
        number = 0
        while not self._stopped.wait(1 / EVENTS_PER_S):
            value = json.dumps({"account_id": account(number % keys)}).encode()
            self._producer.produce(topic, value, account(number % keys).encode(), partition=number % partitions)
            self._producer.poll(0)
            number += 1

    def close(self) -> None:
        """Send no more."""
        self._stopped.set()
        self._thread.join()
        self._producer.flush(10)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the table (default: 1000000)")
    parser.add_argument("--bytes", type=int, default=100, help="of each value (default: 100)")
    parser.add_argument("--partitions", type=int, default=4, help="default: 4")
    parser.add_argument("--session-timeout", type=float, default=6.0, help="seconds; the broker's least is 6")
    parser.add_argument("--rounds", type=int, default=3, help="kills, of one worker and the other (default: 3)")
    parser.add_argument("--stop", action="store_true", help="stop it by SIGTERM instead: nothing is waited for then")
    parser.add_argument("--store", default="rocksdb://", help="default: rocksdb://")
    parser.add_argument("--bootstrap", help="host:port of a broker to use")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work", help="logs and state go here")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        bootstrap = options.bootstrap or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if not bootstrap:
            broker = KafkaBroker(options.work / "kafka", heap="1g")
            stack.callback(broker.delete)
            broker.start()
            bootstrap = broker.bootstrap
        measure(Kafka(bootstrap), options, stack)


def measure(kafka: Kafka, options: argparse.Namespace, stack: ExitStack) -> None:
    """Fill the changelog, start two workers, and kill one after the other."""
    app = f"{PREFIX}promotion-{os.getpid()}"
    source, out, changelog = f"{app}-in", f"{app}-out", f"{app}-states-changelog"
    partitions, keys = options.partitions, options.keys
    work = options.work / app
    stack.callback(shutil.rmtree, work, ignore_errors=True)
    stack.callback(kafka.delete, app)
    for topic in (source, out, changelog):
        kafka.create(topic, partitions)
    print(f"filling {changelog} with {keys:,} keys of {options.bytes} bytes", file=sys.stderr)
    value = json.dumps("x" * (options.bytes - 2)).encode()
    kafka.fill(changelog, ((n % partitions, json.dumps(account(n)).encode(), value, 0) for n in range(keys)))

    def start(name: str) -> GuardedProcess:
        directory = work / name
        directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "BOOTSTRAP": kafka.bootstrap,
            "APP": app,
            "SOURCE": source,
            "TARGET": out,
            "PARTITIONS": partitions,
            "STORE": options.store,
            "STATE": directory / "state",
            "NAME": name,
            "SESSION_TIMEOUT": options.session_timeout,
        }
        worker = GuardedProcess(
            [sys.executable, "-m", "bench.workers.promoted"],
            log=directory / "worker.log",
            env={
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
                **{f"BENCH_{key}": str(setting) for key, setting in settings.items()},
            },
        )
        stack.callback(worker.close)
        return worker

    outputs = Outputs(kafka, out, partitions)
    stack.callback(outputs.close)
    feeder = Feeder(kafka, source, partitions, keys)
    stack.callback(feeder.close)
    workers = {name: start(name) for name in ("first", "second")}
    stood_still: list[float] = []
    print("| ended | partitions that it had | until their first event, s: least / most |\n| --- | --- | --- |")
    for number in range(options.rounds):
        name = ("first", "second")[number % 2]
        wait_until_shared(outputs, workers, partitions)
        mine = [partition for partition, owner in outputs.owners().items() if owner == name]
        killed_at = time.monotonic()
        if options.stop:
            workers[name].send_signal(signal.SIGTERM)
        else:
            workers[name].kill()
        taken = [wait_for_output(outputs, killed_at, partition, name) - killed_at for partition in mine]
        stood_still += taken
        print(f"| {name} | {len(mine)} | {min(taken):.2f} / {max(taken):.2f} |", flush=True)
        workers[name].wait(60)
        workers[name] = start(name)
    shown = f"{min(stood_still):.2f} / {median(stood_still):.2f} / {max(stood_still):.2f} s"
    print(f"\nfrom its end to the first processed event: {shown} (least / median / most)")
    if not options.stop:
        print(
            f"of which up to {options.session_timeout:g} s are the session timeout: until the broker counts it as dead"
        )
    for worker in workers.values():
        worker.terminate(60)


def wait_until_shared(outputs: Outputs, workers: dict[str, GuardedProcess], partitions: int) -> None:
    """Wait until each worker has a half, and neither has anything left to restore."""
    deadline = time.monotonic() + PATIENCE_S
    idle_since = None
    used = {name: cpu_s(worker) for name, worker in workers.items()}
    while idle_since is None or time.monotonic() - idle_since < IDLE_S:
        time.sleep(1.0)
        now = {name: cpu_s(worker) for name, worker in workers.items()}
        owned = list(outputs.owners().values())
        shared = len(owned) == partitions and all(owned.count(name) >= partitions // 2 for name in workers)
        if not shared or any(now[name] - used[name] > IDLE_SHARE for name in workers):
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        used = now
        if time.monotonic() > deadline:
            logs = "\n".join(worker.tail() for worker in workers.values())
            raise TimeoutError(f"the workers do not share the table: outputs by {owned}\n{logs}")


def wait_for_output(outputs: Outputs, since: float, partition: int, killed: str) -> float:
    """Wait until somebody else has processed an event of a partition; the time when."""
    deadline = time.monotonic() + PATIENCE_S
    while (at := outputs.first_after(since, partition, killed)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"partition {partition} stands still")
        time.sleep(0.01)
    return at


def cpu_s(worker: GuardedProcess) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
