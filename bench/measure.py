"""One measurement: a worker process works off an input, and what it leaves behind is verified afterwards."""

import json
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.broker import PREFIX, Entry, Kafka
from bench.latency import measure_latency
from bench.workloads import CASES, FIRST_MS, HOUR_MS, RESTORED_THEN, Case, Suite, account, expected, inputs
from tests.services.process import GuardedProcess

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 600.0


class VerificationFailed(Exception):
    """The worker's outputs are not what they must be."""


@dataclass
class Measurement:
    """What one run of a worker came to.

    Attributes:
        cpu_s: CPU seconds of the worker's process, all threads, from the first event to the last commit.
        seconds: wall clock over the same time.
        seconds_handled: until the last event was handled; what is left of `seconds` is the last checkpoint.
        failure: why it does not count; empty where the outputs were verified.
    """

    suite: str
    case: str
    round: int
    events: int
    seconds: float = 0.0
    seconds_handled: float = 0.0
    cpu_s: float = 0.0
    rss_mb: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


class Bench:
    """Runs workers against a broker; keeps the inputs that several of them read."""

    def __init__(self, kafka: Kafka, work: Path, events: int, environments: dict[str, Path]) -> None:
        """`environments`: the Python interpreters of cases that have one of their own."""
        self._kafka = kafka
        self._work = work
        self._events = events
        self._environments = environments
        self._restores = 0

    def measure(self, suite: Suite, case: Case, number: int) -> Measurement:
        """Run one worker; a failure is part of what is returned."""
        events = suite.events or self._events
        result = Measurement(suite.name, case.name, number, events)
        app = f"{PREFIX}app-{suite.name}-{case.name}-{number}-{os.getpid()}".lower()
        if suite.workload == "D":
            app = f"{PREFIX}restore-{os.getpid()}"  # the changelog is named after the application
        run = _Run(self._kafka, suite, case, app, events, self._work / app, self._environments.get(case.name))
        try:
            if suite.workload == "D":
                self._measure_restore(run, result)
            else:
                self._measure_work(run, result)
        except (VerificationFailed, RuntimeError, TimeoutError) as exc:
            result.failure = str(exc)
        finally:
            run.close()
            if suite.workload != "D":
                self._kafka.delete(app)
            if not result.failure:
                shutil.rmtree(run.directory, ignore_errors=True)
        return result

    def clean(self) -> None:
        """Delete what the restores left."""
        self._kafka.delete(f"{PREFIX}restore-{os.getpid()}")

    def _measure_work(self, run: "_Run", result: Measurement) -> None:
        suite = run.suite
        if suite.workload == "L":
            run.source = f"{run.app}-in"
            self._kafka.create(run.source, suite.partitions)
        else:
            run.source = self._filled(suite, run.events)
        if run.target and (suite.workload in "AL" or run.case.worker == "raw"):
            self._kafka.create(run.target, suite.partitions)
        if run.hop and run.case.worker == "raw":
            self._kafka.create(run.hop, suite.partitions)
        run.start()
        if suite.workload == "L":
            result.latency_ms = measure_latency(self._kafka, run.source, run.target, suite.partitions, run.check)
        run.report_into(result)
        run.stop()
        run.verify()

    def _filled(self, suite: Suite, events: int) -> str:
        """An input topic with that many events; filled the first time it is asked for."""
        topic = f"{PREFIX}in-{FIRST_MS // 86_400_000}-p{suite.partitions}-k{suite.keys}-n{events}"
        if topic in self._kafka.topics():
            if sum(self._kafka.ends(topic, suite.partitions)) == events:
                return topic
            self._kafka.delete(topic)  # somebody was interrupted while filling it
            time.sleep(1)
        print(f"filling {topic} …", file=sys.stderr)
        self._kafka.create(topic, suite.partitions)
        self._kafka.fill(
            topic,
            (
                (e.key % suite.partitions, e.account.encode(), e.value, e.timestamp_ms)
                for e in inputs(events, suite.keys)
            ),
        )
        return topic

    def _measure_restore(self, run: "_Run", result: Measurement) -> None:
        kafka, suite = self._kafka, run.suite
        run.source = f"{run.app}-in"
        before = result.events // suite.keys  # each key's restored count
        if run.source not in kafka.topics():
            self._restores = 0
            kafka.create(run.source, 1)
            kafka.create(run.target, 1)
            kafka.fill(run.target, _changelog(result.events, suite.keys))
        if run.case.worker == "raw":
            run.events = kafka.ends(run.target, 1)[0]
            run.start()
            report = run.report_into(result)
            run.stop()
            if report["restored"] != before * suite.keys + self._restores * RESTORED_THEN:
                raise VerificationFailed(f"the counts' sum is {report['restored']}")
            return
        self._restores += 1
        # each restore is followed by one event for each of some keys, whose counts must be one higher then
        kafka.fill(run.source, ((0, None, _event(key), 0) for key in range(RESTORED_THEN)))
        end = kafka.ends(run.target, 1)[0]
        run.start()
        run.report_into(result)
        deadline = time.monotonic() + 60
        while kafka.committed(run.app, run.source, 1) < self._restores * RESTORED_THEN:
            run.check()
            if time.monotonic() > deadline:
                raise TimeoutError("the events after the restore were not worked off")
            time.sleep(0.2)
        run.stop()
        then = {json.loads(m.key() or b""): int(m.value() or 0) for m in kafka.read(run.target, 1, end)}
        if then != {account(key): before + self._restores for key in range(RESTORED_THEN)}:
            raise VerificationFailed("the counts did not go on from the restored ones")


def _changelog(records: int, keys: int) -> "list[Entry]":
    return [(0, json.dumps(account(n % keys)).encode(), b"%d" % (n // keys + 1), 0) for n in range(records)]


def _event(key: int) -> bytes:
    fields = {"account_id": account(key), "product_id": "prod", "amount": 1, "price": 1.0, "ts": 0.0}
    return json.dumps(fields).encode()


class _Run:
    """A worker process with its topics."""

    def __init__(
        self, kafka: Kafka, suite: Suite, case: Case, app: str, events: int, directory: Path, python: Path | None
    ) -> None:
        self.suite, self.case, self.app, self.events, self.directory = suite, case, app, events, directory
        self.source = ""
        self.hop = f"{app}-hop" if suite.workload == "G" else ""
        self.target = {"A": f"{app}-out", "L": f"{app}-out", "C": "", "J": ""}.get(
            suite.workload, f"{app}-counts-changelog"
        )
        self._kafka = kafka
        self._python = python or Path(sys.executable)
        self._process: GuardedProcess | None = None
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._report = directory / "report.json"

    def start(self) -> None:
        settings = {
            "BOOTSTRAP": self._kafka.bootstrap,
            "APP": self.app,
            "SOURCE": self.source,
            "TARGET": self.target,
            "HOP": self.hop,
            "PARTITIONS": self.suite.partitions,
            "EVENTS": self.events,
            "WORKLOAD": self.suite.workload,
            "STORE": self.case.store,
            "GUARANTEE": self.case.guarantee,
            "STATE": self.directory / "state",
            "RESULT": self._report,
        }
        self._process = GuardedProcess(
            [self._python, "-m", f"bench.workers.{self.case.worker}"],
            log=self.directory / "worker.log",
            env={"PYTHONPATH": _python_path(), **{f"BENCH_{name}": str(value) for name, value in settings.items()}},
        )

    @property
    def process(self) -> GuardedProcess:
        assert self._process is not None, "start() first"
        return self._process

    def check(self) -> None:
        """Raise if the worker has ended early."""
        if not self.process.is_running() and not self._report.exists():
            raise RuntimeError(f"the worker ended with {self.process.returncode}:\n{self.process.tail()}")

    def report_into(self, result: Measurement) -> dict[str, Any]:
        """Wait for the worker's report."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self._report.exists():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {TIMEOUT_S:.0f} s:\n{self.process.tail()}")
            time.sleep(0.05)
        report: dict[str, Any] = json.loads(self._report.read_text())
        for name in ("seconds", "seconds_handled", "cpu_s", "rss_mb"):
            setattr(result, name, report[name])
        return report

    def stop(self) -> None:
        """Stop cleanly, as an operator does."""
        if self.case.worker == "raw":
            self.process.wait(60)
        elif code := self.process.terminate(60):
            raise VerificationFailed(f"the worker did not stop cleanly, exit code {code}:\n{self.process.tail()}")

    def verify(self) -> None:
        """Compare what the worker left in the broker with what it must be; exact, no loss and no duplicate."""
        done = self._kafka.committed(self.app, self.source, self.suite.partitions)
        if done != self.events:
            raise VerificationFailed(f"{done} of {self.events} offsets are committed")
        if self.suite.workload == "A":
            found = Counter(json.loads(m.value() or b"")["account_id"] for m in self._outputs())
            _compare(found, expected("A", self.events, self.suite.keys))
        elif self.suite.workload in "BGW":
            last = {m.key() or b"": m.value() or b"" for m in self._outputs()}
            key_of = _raw_key if self.case.worker == "raw" else _table_key
            found = Counter({key_of(key): int(value) for key, value in last.items()})
            _compare(found, expected(self.suite.workload, self.events, self.suite.keys))

    def _outputs(self) -> Any:
        return self._kafka.read(self.target, self.suite.partitions)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()


def _python_path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def _raw_key(key: bytes) -> str:
    return key.decode()


def _table_key(key: bytes) -> str:
    """A table's key in its changelog: JSON; a windowed table's is [key, [start, end]]."""
    decoded = json.loads(key)
    if isinstance(decoded, str):
        return decoded
    name, (start, _) = decoded
    return f"{name}@{int(start * 1000) // HOUR_MS}"


def _compare(found: Counter[str], wanted: Counter[str]) -> None:
    if found != wanted:
        wrong = [key for key in found.keys() | wanted.keys() if found[key] != wanted[key]]
        example = wrong[0]
        raise VerificationFailed(
            f"{len(wrong)} of {len(wanted)} keys are wrong, such as {example}: {found[example]},"
            f" not {wanted[example]}; in all {found.total()}, not {wanted.total()}"
        )


def cases(suite: Suite, asked: list[str]) -> list[Case]:
    """The cases of a suite, in its order; only those asked for, if any were."""
    return [CASES[name] for name in suite.cases if not asked or name in asked]
