"""Monitors that send numbers elsewhere: sums once a second, durations as they come."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from faust_core.sensors import Monitor

__all__ = ["Labels", "PushingMonitor"]

Labels = Mapping[str, str]

log = logging.getLogger(__name__)

#: Making a client looks its host up, which may block for long.
RETRY_S = 30.0

#: A label's value, or nothing.
Key = tuple[str, tuple[tuple[str, str], ...]]


class PushingMonitor(Monitor):
    """Reports every second: counters as what they grew by, gauges as they are.  Durations are sent at once.

    The names are those of the original.  A subclass says how each kind is sent.
    """

    report_interval_s = 1.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._reported: Counter[Key] = Counter()
        self._flushes = 0
        self._events = 0
        self._client: Any = None
        self._again_at = 0.0

    # -- how it is sent

    @abstractmethod
    def make_client(self) -> Any:
        """Make what sends.

        Raises:
            OSError: its server cannot be found.
        """

    def send(self, call: Callable[[Any], object]) -> None:
        """Call `call` with the client.  Numbers that cannot be sent are lost: they never fail what they are about."""
        if self._client is None and monotonic() < self._again_at:
            return
        try:
            if self._client is None:
                self._client = self.make_client()
            call(self._client)
        except OSError as exc:
            log.warning("%r cannot send, tried again in %.0f s: %s", self, RETRY_S, exc)
            self._again_at = monotonic() + RETRY_S
            self.close()

    def close(self) -> None:
        """Close the socket; the next number opens another one."""
        client, self._client = self._client, None
        if client is not None:
            self.close_client(client)

    @abstractmethod
    def close_client(self, client: Any) -> None:
        """Close what `make_client` has made."""

    @abstractmethod
    def send_count(self, name: str, count: int, labels: Labels) -> None:
        """Something happened so many more times."""

    @abstractmethod
    def send_gauge(self, name: str, value: float, labels: Labels) -> None:
        """This is so now."""

    @abstractmethod
    def send_timing(self, name: str, milliseconds: float) -> None:
        """Something took so long."""

    # -- what is sent

    def on_report(self) -> None:
        counts = self.counts
        received, sent, events = self.messages_received_by_topic, self.messages_sent_by_topic, self.events_by_stream
        self._grown("messages_received", received.total())
        self._grown("messages_sent", sent.total())
        self._grown("events", events.total())
        self._grown("messages_sent_error", self.send_errors)
        self._grown("checkpoints", counts.checkpoints)
        self._grown("checkpoint_failures", counts.checkpoint_failures)
        self._all_grown("messages_received", "topic", received)
        self._all_grown("messages_sent", "topic", sent)
        self._all_grown("events", "stream", events)
        self._all_grown("errors", "source", counts.errors)
        self._all_grown("dead_letters", "source", counts.dead_letters)
        for table, state in self.tables.items():
            for name, count in state.asdict().items():
                self._grown(name, count, table=table)
        full: Counter[str] = Counter()
        for tp, count in self.topic_buffer_full.items():
            full[tp.topic] += count
        self._all_grown("topic_buffer_full", "topic", full)
        self._durations()
        self._gauges()

    def _durations(self) -> None:
        if self.events_total > self._events:
            self._events = self.events_total
            self.send_timing("events_runtime", self.secs_to_ms(self.events_runtime_avg))
        flushes = self.counts.flush_s.count
        new, self._flushes = flushes - self._flushes, flushes
        for seconds in list(self.send_latency)[-new:] if new else []:
            self.send_timing("send_latency", self.secs_to_ms(seconds))

    def _gauges(self) -> None:
        read = self.read
        self.send_gauge("messages_active", self.messages_active, {})
        self.send_gauge("events_active", self.events_active, {})
        self.send_gauge("restore_remaining", read(lambda r: r.restore_remaining(), 0), {})
        for name, offsets in (
            ("read_offset", self.tp_read_offsets),
            ("lag", self.lag),
        ):
            for tp, offset in offsets.items():
                self.send_gauge(name, offset, {"topic": tp.topic, "partition": str(tp.partition)})

    def _all_grown(self, name: str, label: str, counts: Mapping[str, int]) -> None:
        for key, count in list(counts.items()):
            self._grown(name, count, **{label: key})

    def _grown(self, name: str, total: int, **labels: str) -> None:
        key = (name, tuple(labels.items()))
        grown = total - self._reported[key]
        if grown > 0:
            self._reported[key] = total
            self.send_count(name, grown, labels)

    # -- as it happens

    def count(self, metric_name: str, count: int = 1) -> None:
        super().count(metric_name, count)
        self.send_count(metric_name, count, {})

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        super().on_commit_completed(consumer, state)
        self.send_timing("commit_latency", self.secs_to_ms(self.commit_latency[-1]))

    def on_tp_commit(self, tp_offsets: Mapping[Any, int]) -> None:
        super().on_tp_commit(tp_offsets)
        for tp, offset in tp_offsets.items():
            self.send_gauge("committed_offset", offset, {"topic": tp.topic, "partition": str(tp.partition)})

    def track_tp_end_offset(self, tp: Any, offset: int) -> None:
        super().track_tp_end_offset(tp, offset)
        self.send_gauge("end_offset", offset, {"topic": tp.topic, "partition": str(tp.partition)})

    def on_assignment_completed(self, assignor: Any, state: Any) -> None:
        super().on_assignment_completed(assignor, state)
        self.send_count("assignments_complete", 1, {})
        self.send_timing("assignment_latency", self.secs_to_ms(self.assignment_latency[-1]))

    def on_assignment_error(self, assignor: Any, state: Any, exc: BaseException) -> None:
        super().on_assignment_error(assignor, state, exc)
        self.send_count("assignments_error", 1, {})
        self.send_timing("assignment_latency", self.secs_to_ms(self.assignment_latency[-1]))

    def on_rebalance_start(self, app: Any) -> Any:
        state = super().on_rebalance_start(app)
        self.send_count("rebalances", 1, {})
        return state

    def on_rebalance_return(self, app: Any, state: Any) -> None:
        super().on_rebalance_return(app, state)
        self.send_timing("rebalance_return_latency", self.secs_to_ms(state["latency_return"]))

    def on_rebalance_end(self, app: Any, state: Any) -> None:
        super().on_rebalance_end(app, state)
        self.send_timing("rebalance_end_latency", self.secs_to_ms(state["latency_end"]))

    def on_web_request_end(self, app: Any, request: Any, response: Any, state: Any, *, view: Any = None) -> None:
        super().on_web_request_end(app, request, response, state, view=view)
        self.send_count("http_status_code", 1, {"status": str(int(state["status_code"]))})
        self.send_timing("http_response_latency", self.secs_to_ms(state["latency_end"]))
