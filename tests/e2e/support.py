"""One application under test: its topics, its worker processes, and what came out of it."""

import collections
import fnmatch
import json
import mmap
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is re-exported, not said to be
from confluent_kafka.admin._listoffsets import OffsetSpec

from faust_core.table_partition import hashable
from tests.e2e.apps import COUNTERS
from tests.services.patience import PATIENCE
from tests.services.process import GuardedProcess

ROOT = Path(__file__).parents[2]
#: The least that Kafka's own default allows: `kafka` may be anybody's broker.
SESSION_TIMEOUT_S = 6
EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library leaves out the annotation
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # likewise
QUIET = {"log_level": 0, "socket.connection.setup.timeout.ms": 5000}


@dataclass(frozen=True, slots=True)
class Read:
    """A record as the test reads it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_s: float


class Worker(GuardedProcess):
    """A worker process, `faust worker`, with a log, a data directory and counters of its own."""

    def __init__(self, name: str, command: list[str], directory: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.counters = directory / f"{name}.counters"
        self.report_file = directory / f"{name}.tables.json"
        super().__init__(
            command,
            log=directory / f"{name}.log",
            env={"E2E_COUNTERS": str(self.counters), "E2E_REPORT": str(self.report_file), **env},
            cwd=ROOT,
        )

    def wait_until_ready(self, timeout_s: float = 40) -> Self:
        """Wait until the worker has its first assignment restored and runs."""
        self.wait_for_log("worker ready", timeout_s)
        return self

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        found = re.search(r"serving HTTP at (http://\S+)", self.text())
        assert found, f"{self.name} serves nothing"
        return found[1]

    def text(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace")

    def numbers(self) -> tuple[list[int], list[int]]:
        """Return the program's counters as they are, and as they were at the last commit's cut."""
        if not self.counters.exists() or self.counters.stat().st_size < 3 * COUNTERS * 8:
            return [0] * COUNTERS, [0] * COUNTERS
        with self.counters.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            numbers = list(memoryview(bytes(mapped)).cast("q"))
        return numbers[:COUNTERS], numbers[2 * COUNTERS :]

    def uncommitted(self) -> list[int]:
        """Return by how much each counter was ahead of the last commit."""
        now, committed = self.numbers()
        return [a - b for a, b in zip(now, committed, strict=True)]

    def tables(self) -> dict[str, dict[Any, Any]]:
        """Return what this worker's partitions of the tables hold."""
        return {name: dict(items) for name, items in self._report("tables").items()}

    def standbys(self) -> dict[tuple[str, int], int]:
        """Return the changelog partitions that this worker follows for others, and the offset that each is at."""
        return {(topic, partition): offset for topic, partition, offset in self._report("standbys")}

    def _report(self, what: str) -> Any:
        self.report_file.unlink(missing_ok=True)
        self.report_file.with_suffix(".asked").write_text(what)
        self.send_signal(signal.SIGUSR2)
        wait_until(self.report_file.exists, 30, f"tables of {self.name}")
        return json.loads(self.report_file.read_text())

    def restored(self) -> list[int]:
        """Return the changelog records read per task that was taken over, by the log."""
        return [int(n) for n in re.findall(r"restored \S+: (\d+) records", self.text())]

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Return a memory figure of the process: VmRSS is now, VmHWM the most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


class Application:
    """The application `program` under a name that no other test uses.  Its topics begin with the name."""

    def __init__(self, bootstrap: str, name: str, directory: Path, program: str, **settings: object) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self.directory = directory
        self.program = program
        self.workers: list[Worker] = []
        self._settings = {
            "BROKER_URL": f"kafka://{bootstrap}",
            "BROKER_SESSION_TIMEOUT": SESSION_TIMEOUT_S,
            "BROKER_HEARTBEAT_INTERVAL": 1,
            "BROKER_COMMIT_INTERVAL": 0.5,
            "APP_SHUTDOWN_TIMEOUT": 15,
            "APP_PROBING_INTERVAL": 5,
            "APP_REPARTITION_TOPIC_PREFIX_ID": 1,  # so that it is found, and deleted
            **settings,
        }
        self._admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
        self._started: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and hasattr(signal, "SIGUSR1"):
            for worker in self.running():
                if "worker ready" in worker.text():  # it prints where each of its tasks stands
                    worker.send_signal(signal.SIGUSR1)
            time.sleep(1)
        for worker in self.workers:
            if error is not None:
                print(f"--- {worker.name} (exit code {worker.returncode})\n{worker.tail(200)}", file=sys.stderr)
            worker.close()
        try:
            names = [name for name in self._admin.list_topics(timeout=5).topics if name.startswith(self.name)]
            if names:
                for done in self._admin.delete_topics(names).values():
                    done.result(10)
        except Exception as exc:  # the test's own result is worth more
            print(f"topics of {self.name} are left behind: {exc}", file=sys.stderr)

    # -- workers

    def worker(self, name: str, /, *, state: str | None = None, web: bool = False, **env: object) -> Worker:
        """Start a worker; it is ended with the application.

        Args:
            name: of the log and the data directory; one name may be used again after its worker ended.
            state: the name of the data directory where it is not the worker's.
            web: whether it serves HTTP, at a port of its own.
        """
        self._started[name] += 1
        number = self._started[name]
        variables = {
            **self._settings,
            "E2E_APP": self.name,
            "APP_DATADIR": self.directory / f"{state or name}-data",
            "PYTHONPATH": ROOT,
            "PYTHONUNBUFFERED": "1",
            **({"WEB_PORT": 0} if web else {}),
            **env,
        }
        command = [
            sys.executable,
            "-m",
            "faust",
            "-A",
            f"tests.e2e.apps.{self.program}",
            "worker",
            "-l",
            environ.get("E2E_LOG_LEVEL", "info"),
        ]
        worker = Worker(
            f"{name}-{number}" if number > 1 else name,
            [*command, "--with-web" if web else "--without-web"],
            self.directory,
            {key: str(value) for key, value in variables.items()},
        )
        self.workers.append(worker)
        return worker

    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_running()]

    def assert_nobody_exited(self) -> None:
        for worker in self.workers:
            assert worker.is_running(), f"{worker.name} ended with {worker.returncode}:\n{worker.tail(40)}"

    def tables(self) -> dict[str, dict[Any, Any]]:
        """Return the tables of all running workers put together; no key may be with two of them."""
        together: dict[str, dict[Any, Any]] = {}
        for worker in self.running():
            for name, items in worker.tables().items():
                mine = together.setdefault(name, {})
                twice = mine.keys() & items.keys()
                assert not twice, f"{len(twice)} keys of {name} are with two workers, such as {min(twice)!r}"
                mine.update(items)
        return together

    def wait_until_tables_are(self, expected: Mapping[str, Mapping[Any, Any]], timeout_s: float = 20) -> None:
        """Wait until the running workers, put together, hold exactly this; while a partition moves nobody has it."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while True:
            try:
                found = self.tables()
                for name, items in expected.items():
                    assert found.get(name, {}) == items, f"table {name!r} of the workers is not what its changelog says"
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                return

    # -- topics

    def topic(self, name: str) -> str:
        return f"{self.name}-{name}"

    def create(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> str:
        """Create a topic of the application and return its full name."""
        topic = self.topic(name)
        for done in self._admin.create_topics([NewTopic(topic, partitions, 1, config=dict(config or {}))]).values():
            done.result(20)
        return topic

    def delete(self, name: str) -> None:
        """Delete a topic of the application, and wait until it is gone."""
        topic = self.topic(name)
        for done in self._admin.delete_topics([topic]).values():
            done.result(20)
        wait_until(lambda: topic not in self.topics(), 20, f"{topic} is gone")

    def delete_records(self, name: str) -> None:
        """Delete all records that a topic has now."""
        ends = self.ends([self.topic(name)])
        positions = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        for done in self._admin.delete_records(positions).values():
            done.result(20)

    def topics(self) -> list[str]:
        return [name for name in self._admin.list_topics(timeout=10).topics if name.startswith(self.name)]

    def produce(
        self, name: str, records: Iterable[tuple[bytes | None, bytes]], *, partitions: int | None = None
    ) -> None:
        """Write keys and values, and wait until the broker has them.

        Args:
            partitions: record n goes to partition n % `partitions`; else to where its key belongs.
        """
        producer = make_producer(self.bootstrap)
        topic = self.topic(name)
        for number, (key, value) in enumerate(records):
            partition = -1 if partitions is None else number % partitions
            while True:
                try:
                    producer.produce(topic, value, key, partition)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
        assert producer.flush(60) == 0

    def ends(self, topics: Iterable[str], *, first: bool = False, stable: bool = False) -> dict[tuple[str, int], int]:
        """Return the end offsets of topics; the first offsets, or the last stable ones, if so told."""
        isolation = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
        metadata = self._admin.list_topics(timeout=10).topics
        spec = EARLIEST if first else LATEST
        asked = {TopicPartition(t, p): spec for t in topics if t in metadata for p in metadata[t].partitions}
        for left in reversed(range(20)):
            try:
                answers = self._admin.list_offsets(asked, isolation_level=isolation) if asked else {}
                return {(tp.topic, tp.partition): future.result(10).offset for tp, future in answers.items()}
            except KafkaException:  # the broker is down, or the topic is so new that nobody leads it yet
                if not left:
                    raise
                time.sleep(0.5)
        raise AssertionError("never reached")

    def count(self, name: str) -> int:
        """Return how many records a topic has, transaction markers included."""
        topics = [self.topic(name)]
        return sum(self.ends(topics).values()) - sum(self.ends(topics, first=True).values())

    def committed(self) -> dict[tuple[str, int], int]:
        """Return the group's committed offsets."""
        future = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name)])[self.name]
        return {(tp.topic, tp.partition): tp.offset for tp in future.result(10).topic_partitions if tp.offset >= 0}

    def read(self, topic: str, *, committed: bool = True) -> list[Read]:
        """Return all records of a topic, by partition and offset."""
        ends = self.ends([topic])
        records = [record for batch in self._read_from(dict.fromkeys(ends, 0), committed=committed) for record in batch]
        return sorted(records, key=lambda r: (r.partition, r.offset))

    def output(self, name: str) -> list[Read]:
        return self.read(self.topic(name))

    def changelog(self, table: str) -> dict[Any, Any]:
        """Return the last value of each key in a table's changelog, read as JSON."""
        last: dict[Any, Any] = {}
        for record in self.read(self.topic(f"{table}-changelog")):
            assert record.key is not None
            key = hashable(json.loads(record.key))
            if record.value is None:
                last.pop(key, None)
            else:
                last[key] = json.loads(record.value)
        return last

    def _read_from(
        self, positions: Mapping[tuple[str, int], int], *, committed: bool, at_most: int | None = None
    ) -> Iterator[list[Read]]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.name}-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "fetch.wait.max.ms": 50,
                **QUIET,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, partition, at) for (topic, partition), at in positions.items()])
            left = set(positions)
            deadline = time.monotonic() + 60
            found = 0
            while left:
                assert time.monotonic() < deadline, f"{left} cannot be read to the end"
                batch = []
                for message in consumer.consume(10_000, 0.1):
                    if (error := message.error()) is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        left.discard((message.topic(), message.partition()))
                    else:
                        batch.append(_as_read(message))
                found += len(batch)
                if batch:
                    yield batch
                if at_most is not None and found >= at_most:
                    return
        finally:
            consumer.close()

    def open_transactions(self) -> list[tuple[str, int]]:
        """Return the partitions whose readers are held back by a transaction that has not ended."""
        topics = self.topics()
        stable = self.ends(topics, stable=True)
        return [tp for tp, end in self.ends(topics).items() if stable[tp] < end]

    # -- waiting

    def lag(self, names: Iterable[str]) -> int:
        """Return how many offsets of these topics are not committed."""
        committed = self.committed()
        ends = self.ends([self.topic(name) for name in names])
        return sum(end - committed.get(tp, 0) for tp, end in ends.items())

    def wait_until_processed(self, names: Iterable[str], timeout_s: float) -> None:
        """Wait until nothing that these topics hold is left.

        Args:
            names: the topics in the order in which records go through them; `*` stands for anything.
        """
        topics = self.topics()
        names = [t.removeprefix(f"{self.name}-") for name in names for t in fnmatch.filter(topics, self.topic(name))]
        timeout_s *= PATIENCE
        deadline = time.monotonic() + timeout_s
        while not all([*(self._is_processed(self.topic(name)) for name in names), not self.open_transactions()]):
            left = {name: self.lag([name]) for name in names}
            assert time.monotonic() < deadline, f"not processed after {timeout_s} s: {left}, {self.open_transactions()}"
            assert self.running(), "no worker runs any more"
            time.sleep(0.2)

    def _is_processed(self, topic: str) -> bool:
        committed = self.committed()
        behind = {tp: committed.get(tp, 0) for tp, end in self.ends([topic]).items() if end > committed.get(tp, 0)}
        if not behind:
            return True
        if self._settings.get("PROCESSING_GUARANTEE") != "exactly_once" or any(
            end - behind[tp] > 50 for tp, end in self.ends([topic]).items() if tp in behind
        ):
            return False
        # What is left may be the markers of transactions only, behind which no offset is committed.
        return not any(self._read_from(behind, committed=True, at_most=1))


def _as_read(message: Message) -> Read:
    key, value = message.key(), message.value()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return Read(
        partition,
        offset,
        key,
        value,
        message.timestamp()[1] / 1000,
    )


def make_producer(bootstrap: str) -> Producer:
    """Make a producer whose partitioner is the one of Kafka's own clients, and of the engine."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 500_000,
            "reconnect.backoff.max.ms": 500,
            "message.timeout.ms": 900_000,
            **QUIET,
        }
    )


class Feeder:
    """A steady load: numbered records, `rate` per second, each to partition `number % partitions`, until stopped."""

    def __init__(
        self,
        application: Application,
        name: str,
        partitions: int,
        rate: float,
        make: Callable[[int], tuple[bytes | None, bytes]],
    ) -> None:
        self.sent = 0
        self._producer = make_producer(application.bootstrap)
        self._topic = application.topic(name)
        self._partitions = partitions
        self._rate = rate
        self._make = make
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder")
        self._failed: list[KafkaError] = []
        self.started_at = time.monotonic()
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.01):
            due = int((time.monotonic() - self.started_at) * self._rate)
            while self.sent < due:
                key, value = self._make(self.sent)
                self._producer.produce(
                    self._topic, value, key, self.sent % self._partitions, on_delivery=self._delivered
                )
                self.sent += 1
            self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def stop(self) -> int:
        """End the load, wait until the broker has all of it, and return the number of records."""
        self._stopped.set()
        self._thread.join()
        assert self._producer.flush(60) == 0
        assert not self._failed, self._failed[0]
        return self.sent


@contextmanager
def feeding(
    application: Application,
    name: str,
    partitions: int,
    rate: float,
    make: Callable[[int], tuple[bytes | None, bytes]],
) -> Iterator[Feeder]:
    """Feed while the block runs; `stop()` earlier to know how many there were."""
    with ExitStack() as stack:
        feeder = Feeder(application, name, partitions, rate, make)
        stack.callback(feeder.stop)
        yield feeder


def wait_until(condition: Callable[[], object], timeout_s: float, what: str = "", *, every_s: float = 0.05) -> float:
    """Wait until `condition` holds; returns the seconds that took.

    Raises:
        AssertionError: it does not hold after `timeout_s`.
    """
    timeout_s *= PATIENCE
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, f"still not so after {timeout_s} s: {what or condition}"
        time.sleep(every_s)
    return time.monotonic() - started


def zipf_text(words: int, *, seed: int, vocabulary: int = 5_000, per_line: int = 20) -> list[str]:
    """Make lines of text in which the n-th most frequent word comes up about 1/n times as often as the first."""
    rng = random.Random(seed)
    names = [f"word{n:x}" for n in range(vocabulary)]
    text = rng.choices(names, weights=[1 / (n + 1) for n in range(vocabulary)], k=words)
    return [" ".join(text[at : at + per_line]) for at in range(0, words, per_line)]
