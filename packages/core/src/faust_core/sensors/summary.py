"""The numbers of a worker in one JSON document, for pages and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faust_core.sensors.monitor import by_topic

__all__ = ["performance_metrics"]


def performance_metrics(app: Any) -> Mapping[str, Any]:
    """Return throughput, latency, lag and errors of a worker; plain dicts, lists, numbers and text only.

    The lag is as of the last `await app.monitor.refresh()`.
    """
    monitor = app.monitor
    lag = monitor.lag
    return {
        "app": {"id": app.conf.id, "web_port": app.conf.web_port},
        "throughput": {
            name: getattr(monitor, name)
            for name in (
                "messages_active",
                "messages_received_total",
                "messages_s",
                "messages_sent",
                "events_active",
                "events_total",
                "events_s",
            )
        },
        "latency": {
            "events_runtime_avg": monitor.events_runtime_avg,
            "commit_latency": _spread(monitor.commit_latency),
            "send_latency": _spread(monitor.send_latency),
            "assignment_latency": _spread(monitor.assignment_latency),
            "rebalance_return_avg": monitor.rebalance_return_avg,
            "rebalance_end_avg": monitor.rebalance_end_avg,
            "http_response_latency_avg": monitor.http_response_latency_avg,
        },
        "consumer": {
            "lag_total": sum(lag.values()),
            "lag_by_partition": by_topic(lag),
            "read_offsets": by_topic(monitor.tp_read_offsets),
            "committed_offsets": by_topic(monitor.tp_committed_offsets),
            "end_offsets": by_topic(monitor.tp_end_offsets),
            "rebalances": monitor.rebalances,
        },
        "tables": {name: dict(state.asdict()) for name, state in monitor.tables.items()},
        "errors": {
            "send_errors": monitor.send_errors,
            "assignments_completed": monitor.assignments_completed,
            "assignments_failed": monitor.assignments_failed,
            "dead_letters": dict(monitor.counts.dead_letters),
            "raised": dict(monitor.counts.errors),
            "checkpoint_failures": monitor.counts.checkpoint_failures,
        },
        "topic_buffer_full": {str(tp): count for tp, count in monitor.topic_buffer_full.items()},
    }


def _spread(values: Iterable[float]) -> Mapping[str, float | int | None]:
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": None, "p95": None, "max": None}
    last = len(ordered) - 1
    return {
        "count": len(ordered),
        "p50": ordered[round(0.5 * last)],
        "p95": ordered[round(0.95 * last)],
        "max": ordered[-1],
    }
