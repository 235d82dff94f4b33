"""The monitor: the numbers of an application, read from the engine when they are asked for."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, MutableSequence
from http import HTTPStatus
from statistics import median
from time import monotonic
from typing import Any, TypeVar

from faust_core.records import TopicPartition
from faust_core.sensors.base import Sensor
from faust_core.sensors.counts import MAX_NAMES, OTHERS, Counts, Histogram
from faust_core.sensors.readings import Readings

__all__ = ["Monitor", "TableState"]

T = TypeVar("T")

#: Rates are those of at least so many seconds.
SAMPLE_S = 1.0
#: What is counted where a client has gone before it was answered.
CLIENT_GONE = 499
#: The engine goes on while another thread reads it.
READ_ATTEMPTS = 10


NO_NUMBERS: Mapping[str, int] = {}
NO_OFFSETS: Mapping[TopicPartition, int] = {}


class TableState:
    """Counts of one table.

    Attributes:
        keys_retrieved: keys read from the store, as memory did not have them.
        keys_updated, keys_deleted: changes written to the changelog; what changes between two checkpoints counts once.
    """

    def __init__(self, table: Any, *, keys_retrieved: int = 0, keys_updated: int = 0, keys_deleted: int = 0) -> None:
        self.table = table
        self.keys_retrieved = keys_retrieved
        self.keys_updated = keys_updated
        self.keys_deleted = keys_deleted

    def asdict(self) -> Mapping[str, int]:
        return {
            "keys_retrieved": self.keys_retrieved,
            "keys_updated": self.keys_updated,
            "keys_deleted": self.keys_deleted,
        }

    def __repr__(self) -> str:
        return f"<TableState: {self.table} {dict(self.asdict())}>"


class Monitor(Sensor):
    """What `app.monitor` is.  Counts are of this process, since it began.

    Reading it costs the reader; an application that nobody asks pays nothing.  A subclass may override hooks of
    `Sensor`, and one that sends numbers elsewhere sets `report_interval_s` and overrides `on_report`.

    Attributes:
        report_interval_s: call `on_report` every so many seconds while the application runs; None for never.
        commit_latency: seconds that checkpoints took from their first write until the offsets were committed.
        assignment_latency: seconds that dividing the partitions took, where this worker leads its group.
        rebalance_return_latency, rebalance_end_latency: seconds until this worker had its partitions, and until
            their tables were restored.
    """

    max_avg_history = 100
    max_commit_latency_history = 30
    max_send_latency_history = 30
    max_assignment_latency_history = 30
    report_interval_s: float | None = None

    def __init__(
        self,
        *,
        max_avg_history: int | None = None,
        max_commit_latency_history: int | None = None,
        max_send_latency_history: int | None = None,
        max_assignment_latency_history: int | None = None,
        time: Callable[[], float] = monotonic,
    ) -> None:
        self.max_avg_history = max_avg_history or self.max_avg_history
        self.max_commit_latency_history = max_commit_latency_history or self.max_commit_latency_history
        self.max_send_latency_history = max_send_latency_history or self.max_send_latency_history
        self.max_assignment_latency_history = max_assignment_latency_history or self.max_assignment_latency_history
        self.time = time
        self.counts = Counts()
        self._readings: Callable[[], Readings | None] = lambda: None
        self._declared: Mapping[str, Any] = {}
        self.events_runtime: deque[float] = deque(maxlen=self.max_avg_history)
        self.commit_latency: deque[float] = deque(maxlen=self.max_commit_latency_history)
        self.assignment_latency: deque[float] = deque(maxlen=self.max_assignment_latency_history)
        self.rebalance_return_latency: deque[float] = deque(maxlen=self.max_avg_history)
        self.rebalance_end_latency: deque[float] = deque(maxlen=self.max_avg_history)
        self.http_response_latency: deque[float] = deque(maxlen=self.max_avg_history)
        self.http_response_codes: Counter[HTTPStatus | int] = Counter()
        self.metric_counts: Counter[str] = Counter()
        self.assignments_completed = 0
        self.assignments_failed = 0
        self.rebalances = 0
        self.rebalance_s = Histogram()
        self.assignment_s = Histogram()
        self.http_s = Histogram()
        self._sampled_at = time()
        self._sampled = (0, 0, 0.0)
        self._rates = (0.0, 0.0)

    def bind(self, counts: Counts, readings: Callable[[], Readings | None], tables: Mapping[str, Any]) -> None:
        """Belong to an application; it does this itself.

        Args:
            readings: of the running worker; None while there is none.
            tables: those that are declared.
        """
        self.counts = counts
        self._readings = readings
        self._declared = tables

    # -- reading

    @property
    def readings(self) -> Readings | None:
        """The running worker's present state; None while the application is not started."""
        return self._readings()

    def read(self, of: Callable[[Readings], T], otherwise: T) -> T:
        """Read the worker's present state, from any thread; `otherwise` while there is none."""
        for _ in range(READ_ATTEMPTS):
            readings = self._readings()
            if readings is None:
                return otherwise
            try:
                return of(readings)
            except RuntimeError:  # a dict has grown while it was read
                continue
        return otherwise

    async def refresh(self) -> None:
        """Ask the broker for the ends of the partitions that are read, for `tp_end_offsets` and the lag."""
        readings = self._readings()
        if readings is None:
            return
        await readings.refresh()
        for tp, offset in readings.end_offsets().items():
            self.track_tp_end_offset(tp, offset)

    def on_report(self) -> None:
        """Send the numbers elsewhere; called every `report_interval_s` seconds, and when the application stops."""

    def close(self) -> None:
        """The application has stopped: give back what is open.  It may start, and report, again."""

    @property
    def messages_active(self) -> int:
        """Records that were fetched and are not done."""
        return sum(self.read(lambda r: r.records_active(), NO_NUMBERS).values())

    @property
    def messages_received_total(self) -> int:
        return sum(self.messages_received_by_topic.values())

    @property
    def messages_received_by_topic(self) -> Counter[str]:
        return self.counts.received.copy()

    @property
    def messages_sent(self) -> int:
        """Records sent by the program; not those of changelogs."""
        return sum(self.messages_sent_by_topic.values())

    @property
    def messages_sent_by_topic(self) -> Counter[str]:
        return Counter({topic: sent.records for topic, sent in list(self.counts.sent.items()) if sent.records})

    @property
    def messages_s(self) -> float:
        """Records fetched per second, since the last sample, which is a second old at least."""
        self._sample()
        return self._rates[0]

    @property
    def events_active(self) -> int:
        """Events in the hands of agents."""
        return self.read(lambda r: r.events_active(), 0)

    @property
    def events_total(self) -> int:
        """Events that agents and other streams are done with."""
        return sum(self.events_by_stream.values())

    @property
    def events_by_stream(self) -> Counter[str]:
        return Counter({name: stream.events for name, stream in list(self.counts.streams.items()) if stream.events})

    @property
    def events_by_task(self) -> Counter[str]:
        """Events by actor."""
        return self.counts.tasks.copy()

    @property
    def events_s(self) -> float:
        """Events done per second, likewise."""
        self._sample()
        return self._rates[1]

    @property
    def events_runtime_avg(self) -> float:
        """Seconds that an event took, from the hand-out until the next one was asked for: the median of the samples."""
        self._sample()
        return median(self.events_runtime) if self.events_runtime else self._runtime(self._done(), (0, 0, 0.0))

    def _done(self) -> tuple[int, int, float]:
        streams = list(self.counts.streams.values())
        return self.messages_received_total, sum(s.events for s in streams), sum(s.busy_s for s in streams)

    @staticmethod
    def _runtime(now: tuple[int, int, float], before: tuple[int, int, float]) -> float:
        events = now[1] - before[1]
        return (now[2] - before[2]) / events if events else 0.0

    def _sample(self) -> None:
        now = self.time()
        elapsed = now - self._sampled_at
        if elapsed < SAMPLE_S:
            return
        done, before = self._done(), self._sampled
        self._rates = ((done[0] - before[0]) / elapsed, (done[1] - before[1]) / elapsed)
        if done[1] > before[1]:
            self.events_runtime.append(self._runtime(done, before))
        self._sampled_at, self._sampled = now, done

    @property
    def tables(self) -> Mapping[str, TableState]:
        """The counts of the tables, by name."""
        open_now = self.read(lambda r: r.keys_retrieved(), NO_NUMBERS)
        names = dict.fromkeys([*self._declared, *list(self.counts.tables)])
        states = {}
        for name in names:
            count = self.counts.tables.get(name)
            states[name] = TableState(
                self._declared.get(name),
                keys_retrieved=open_now.get(name, 0) + (0 if count is None else count.retrieved),
                keys_updated=0 if count is None else count.updated,
                keys_deleted=0 if count is None else count.deleted,
            )
        return states

    @property
    def send_errors(self) -> int:
        """Checkpoints that came to nothing because a record could not be written."""
        return self.counts.send_errors

    @property
    def send_latency(self) -> deque[float]:
        """Seconds that the last checkpoints waited for the broker to have what was sent."""
        return deque(self.counts.flushes.copy(), maxlen=self.max_send_latency_history)

    @property
    def topic_buffer_full(self) -> Counter[TopicPartition]:
        """How often as many records of a partition waited as may."""
        return Counter({TopicPartition(*tp): count for tp, count in list(self.counts.buffer_full.items())})

    @property
    def tp_read_offsets(self) -> Mapping[TopicPartition, int]:
        """The last offsets that were fetched."""
        return self.read(lambda r: r.read_offsets(), {})

    @property
    def tp_committed_offsets(self) -> Mapping[TopicPartition, int]:
        """The committed offsets: those of the next records."""
        return self.read(lambda r: r.committed_offsets(), {})

    @property
    def tp_end_offsets(self) -> Mapping[TopicPartition, int]:
        """The offsets of the next records to be written, as of the last `refresh`."""
        return self.read(lambda r: r.end_offsets(), {})

    @property
    def lag(self) -> Mapping[TopicPartition, int]:
        """How many offsets lie between what is done and the end, as of the last `refresh`."""
        done = self.read(lambda r: r.done_offsets(), NO_OFFSETS)
        return {tp: max(0, end - done[tp]) for tp, end in self.tp_end_offsets.items() if tp in done}

    @property
    def threads(self) -> list[str]:
        """The names of this process's threads."""
        return sorted(thread.name for thread in threading.enumerate())

    @property
    def rebalance_return_avg(self) -> float:
        return _median(self.rebalance_return_latency)

    @property
    def rebalance_end_avg(self) -> float:
        return _median(self.rebalance_end_latency)

    @property
    def http_response_latency_avg(self) -> float:
        return _median(self.http_response_latency)

    # -- being told: rare things only

    def count(self, metric_name: str, count: int = 1) -> None:
        """Count something of the program's own."""
        if metric_name not in self.metric_counts and len(self.metric_counts) >= MAX_NAMES:
            metric_name = OTHERS
        self.metric_counts[metric_name] += count

    def on_commit_initiated(self, consumer: Any) -> Any:  # noqa: ARG002
        return self.time()

    def on_commit_completed(self, consumer: Any, state: Any) -> None:  # noqa: ARG002
        self.commit_latency.append(self.secs_since(state))

    def on_tp_commit(self, tp_offsets: Mapping[Any, int]) -> None:
        """Offsets were committed; for subclasses, `tp_committed_offsets` knows them."""

    def track_tp_end_offset(self, tp: Any, offset: int) -> None:
        """The end of a partition was learnt; for subclasses, `tp_end_offsets` knows it."""

    def on_assignment_start(self, assignor: Any) -> Any:  # noqa: ARG002
        return {"time_start": self.time()}

    def on_assignment_completed(self, assignor: Any, state: Any) -> None:  # noqa: ARG002
        self._assigned(state)
        self.assignments_completed += 1

    def on_assignment_error(self, assignor: Any, state: Any, exc: BaseException) -> None:  # noqa: ARG002
        self._assigned(state)
        self.assignments_failed += 1

    def _assigned(self, state: Any) -> None:
        seconds = self.secs_since(state["time_start"])
        self.assignment_latency.append(seconds)
        self.assignment_s.observe(seconds)

    def on_rebalance_start(self, app: Any) -> Any:  # noqa: ARG002
        self.rebalances += 1
        return {"time_start": self.time()}

    def on_rebalance_return(self, app: Any, state: Any) -> None:  # noqa: ARG002
        state["time_return"] = self.time()
        state["latency_return"] = state["time_return"] - state["time_start"]
        self.rebalance_return_latency.append(state["latency_return"])

    def on_rebalance_end(self, app: Any, state: Any) -> None:  # noqa: ARG002
        state["time_end"] = self.time()
        state["latency_end"] = state["time_end"] - state["time_start"]
        self.rebalance_end_latency.append(state["latency_end"])
        self.rebalance_s.observe(state["latency_end"])

    def on_web_request_start(self, app: Any, request: Any, *, view: Any = None) -> Any:  # noqa: ARG002
        return {"time_start": self.time()}

    def on_web_request_end(self, app: Any, request: Any, response: Any, state: Any, *, view: Any = None) -> None:  # noqa: ARG002
        status = _status(CLIENT_GONE if response is None else response.status)
        state["time_end"] = self.time()
        state["latency_end"] = state["time_end"] - state["time_start"]
        state["status_code"] = status
        self.http_response_latency.append(state["latency_end"])
        self.http_response_codes[status] += 1
        self.http_s.observe(state["latency_end"])

    # -- helpers of subclasses

    def secs_since(self, start_time: float) -> float:
        return self.time() - start_time

    def ms_since(self, start_time: float) -> float:
        return self.secs_to_ms(self.secs_since(start_time))

    def secs_to_ms(self, timestamp: float) -> float:
        return timestamp * 1000.0

    def asdict(self) -> Mapping[str, Any]:
        """Return all of it with plain dicts and lists, for JSON."""
        return {
            "messages_active": self.messages_active,
            "messages_received_total": self.messages_received_total,
            "messages_received_by_topic": dict(self.messages_received_by_topic),
            "messages_sent": self.messages_sent,
            "messages_sent_by_topic": dict(self.messages_sent_by_topic),
            "messages_s": self.messages_s,
            "events_active": self.events_active,
            "events_total": self.events_total,
            "events_s": self.events_s,
            "events_runtime_avg": self.events_runtime_avg,
            "events_by_stream": dict(self.events_by_stream),
            "events_by_task": dict(self.events_by_task),
            "commit_latency": _listed(self.commit_latency),
            "send_latency": _listed(self.send_latency),
            "send_errors": self.send_errors,
            "assignment_latency": _listed(self.assignment_latency),
            "assignments_completed": self.assignments_completed,
            "assignments_failed": self.assignments_failed,
            "topic_buffer_full": {str(tp): count for tp, count in self.topic_buffer_full.items()},
            "tables": {name: dict(state.asdict()) for name, state in self.tables.items()},
            "metric_counts": dict(self.metric_counts),
            "topic_committed_offsets": by_topic(self.tp_committed_offsets),
            "topic_read_offsets": by_topic(self.tp_read_offsets),
            "topic_end_offsets": by_topic(self.tp_end_offsets),
            "rebalances": self.rebalances,
            "rebalance_return_latency": _listed(self.rebalance_return_latency),
            "rebalance_end_latency": _listed(self.rebalance_end_latency),
            "rebalance_return_avg": self.rebalance_return_avg,
            "rebalance_end_avg": self.rebalance_end_avg,
            "http_response_codes": {int(code): count for code, count in self.http_response_codes.items()},
            "http_response_latency": _listed(self.http_response_latency),
            "http_response_latency_avg": self.http_response_latency_avg,
            "threads": self.threads,
        }


def by_topic(offsets: Mapping[TopicPartition, int]) -> dict[str, dict[int, int]]:
    """Return offsets by topic, then by partition."""
    found: dict[str, dict[int, int]] = {}
    for tp, offset in sorted(offsets.items()):
        found.setdefault(tp.topic, {})[tp.partition] = offset
    return found


def _status(code: int) -> HTTPStatus | int:
    try:
        return HTTPStatus(code)
    except ValueError:
        return code


def _listed(values: MutableSequence[float]) -> list[float]:
    return list(values)


def _median(values: MutableSequence[float]) -> float:
    return median(list(values)) if values else 0.0
