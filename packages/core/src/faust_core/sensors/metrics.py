"""Every number of a worker under the name that metric systems know it by: one list, from which all exporters read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from faust_core.records import TopicPartition
from faust_core.sensors.counts import Histogram
from faust_core.sensors.monitor import Monitor

__all__ = ["Family", "Kind", "Sample", "families"]

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, or one histogram, with its labels."""

    labels: Mapping[str, str]
    value: float | Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: without the ending `_total` that text formats give to counters.
        unit: `seconds`, or nothing; part of the name already.
    """

    name: str
    kind: Kind
    help: str
    samples: list[Sample] = field(default_factory=list)
    unit: str = ""


def families(monitor: Monitor) -> list[Family]:
    """Return all metrics.  Labels are topics, partitions, tables, agents, states: bounded by what is declared."""
    counts = monitor.counts
    streams = list(counts.streams.items())
    tables = monitor.tables
    read = monitor.read
    up = monitor.readings is not None
    lag_of_standbys = read(lambda r: r.standby_lag(), None)
    return [
        _one("faust_up", "gauge", "1 while the application runs in this process.", float(up)),
        # Reading and working
        _by("faust_records_received", "counter", "Records fetched.", "topic", monitor.messages_received_by_topic),
        _by("faust_records_active", "gauge", "Records fetched and not done by all streams.", "topic",
            read(lambda r: r.records_active(), {})),
        _by("faust_events", "counter", "Events that a stream is done with.", "stream",
            {name: stream.events for name, stream in streams}),
        _by("faust_events_busy_seconds", "counter", "Time from handing events to actors until they asked for more.",
            "stream", {name: stream.busy_s for name, stream in streams}, unit="seconds"),
        _one("faust_events_active", "gauge", "Events in the hands of agents.", monitor.events_active),
        _by("faust_event_age_seconds", "gauge", "For how long an agent has had the event that it has had longest.",
            "agent", read(lambda r: r.event_ages(), {}), unit="seconds"),
        _one("faust_stuck_agent_reports", "counter", "Reports of agents without progress.", counts.stuck_reports),
        _partitions("faust_lag_records", "Offsets between what is done and the end of the partition.", monitor.lag),
        _partitions("faust_read_offset", "The last offset that was fetched.", monitor.tp_read_offsets),
        _partitions("faust_committed_offset", "The committed offset, that of the next record.",
                    monitor.tp_committed_offsets),
        _partitions("faust_end_offset", "The offset of the next record to be written.", monitor.tp_end_offsets),
        _by("faust_buffer_full", "counter", "How often as many records of a partition waited as may.", "topic",
            _summed((tp.topic, count) for tp, count in monitor.topic_buffer_full.items())),
        # Failing
        _by("faust_errors", "counter", "What agents, timers, tasks and decoding raised.", "source",
            counts.errors.copy()),
        _by("faust_dead_letters", "counter", "Records written to the dead-letter topic.", "source",
            counts.dead_letters.copy()),
        # Sending and committing
        _by("faust_records_sent", "counter", "Records that the program sent.", "topic",
            monitor.messages_sent_by_topic),
        _one("faust_send_errors", "counter", "Checkpoints that failed as a record could not be written.",
             monitor.send_errors),
        _one("faust_checkpoints", "counter", "Checkpoints that committed something.", counts.checkpoints),
        _one("faust_checkpoint_failures", "counter", "Checkpoints that came to nothing.",
             counts.checkpoint_failures),
        _one("faust_checkpoint_seconds", "histogram", "Time of a checkpoint, waiting for events in hand included.",
             counts.checkpoint_s, unit="seconds"),
        _one("faust_flush_seconds", "histogram", "Time in which a checkpoint waited for the broker to have all.",
             counts.flush_s, unit="seconds"),
        _one("faust_checkpoint_age_seconds", "gauge", "Time since the last checkpoint that came about.",
             read(lambda r: r.checkpoint_age(), 0.0), unit="seconds"),
        # Tables
        _by("faust_table_keys_retrieved", "counter", "Keys read from a store, as memory did not have them.", "table",
            {name: state.keys_retrieved for name, state in tables.items()}),
        _by("faust_table_keys_updated", "counter", "Changed keys written to a changelog.", "table",
            {name: state.keys_updated for name, state in tables.items()}),
        _by("faust_table_keys_deleted", "counter", "Deleted keys written to a changelog.", "table",
            {name: state.keys_deleted for name, state in tables.items()}),
        _by("faust_table_uncommitted_keys", "gauge", "Keys changed since the last checkpoint.", "table",
            read(lambda r: r.uncommitted_keys(), {})),
        _one("faust_restore_remaining_records", "gauge", "Changelog records to read until all tables are complete.",
             read(lambda r: r.restore_remaining(), 0)),
        _one("faust_restored_records", "counter", "Changelog records read to restore active tables.",
             counts.restored),
        Family("faust_standby_lag_records", "gauge", "What the standby that is furthest behind lacks.",
               [] if lag_of_standbys is None else [Sample({}, lag_of_standbys)]),
        # The group
        _by("faust_tasks", "gauge", "Partitions of this worker, by state.", "state", read(lambda r: r.tasks(), {})),
        _one("faust_rebalancing", "gauge", "1 while the group divides the work anew.",
             float(read(lambda r: r.rebalancing(), False))),
        _one("faust_leader", "gauge", "1 on the worker that runs on_leader jobs.",
             float(read(lambda r: r.leading(), False))),
        _one("faust_rebalances", "counter", "Rebalances that this worker took part in.", monitor.rebalances),
        _one("faust_rebalance_seconds", "histogram", "Time of a rebalance until all tables were restored.",
             monitor.rebalance_s, unit="seconds"),
        _by("faust_assignments", "counter", "Divisions of the partitions that this worker made.", "result",
            {"completed": monitor.assignments_completed, "failed": monitor.assignments_failed}),
        _one("faust_assignment_seconds", "histogram", "Time of such a division.", monitor.assignment_s,
             unit="seconds"),
        # HTTP, and the program's own
        _by("faust_http_requests", "counter", "Answers over HTTP.", "status",
            {str(int(status)): count for status, count in monitor.http_response_codes.copy().items()}),
        _one("faust_http_request_seconds", "histogram", "Time of an answer over HTTP.", monitor.http_s,
             unit="seconds"),
        _by("faust_app_counts", "counter", "What the program counts by app.monitor.count(name).", "name",
            monitor.metric_counts.copy()),
    ]  # fmt: skip


def _one(name: str, kind: Kind, text: str, value: float | Histogram, *, unit: str = "") -> Family:
    return Family(name, kind, text, [Sample({}, value)], unit)


def _by(name: str, kind: Kind, text: str, label: str, values: Mapping[str, float], *, unit: str = "") -> Family:
    return Family(name, kind, text, [Sample({label: key}, value) for key, value in sorted(values.items())], unit)


def _partitions(name: str, text: str, offsets: Mapping[TopicPartition, int]) -> Family:
    return Family(
        name,
        "gauge",
        text,
        [Sample({"topic": tp.topic, "partition": str(tp.partition)}, offset) for tp, offset in sorted(offsets.items())],
    )


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, count in pairs:
        found[name] = found.get(name, 0) + count
    return found
