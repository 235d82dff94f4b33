"""Whether a running application has done all that it can do without the time moving."""

from __future__ import annotations

from typing import Any

from faust_core.engine.channels import ChannelReader
from faust_core.engine.worker import Worker
from faust_core.memory.broker import Broker
from faust_core.testing.clock import ManualClock

__all__ = ["UNANSWERED", "reason_to_wait", "waits_inside_an_event"]

#: Begins the reason where all that is left is an answer: it may be on its way, or wait for the time to move.
UNANSWERED = "there is no answer yet"


def reason_to_wait(worker: Worker, broker: Broker, clock: ManualClock) -> str | None:
    """Return what is still being done; None where nothing is.  Who sleeps on the clock does nothing."""
    subscriptions = list(worker.streams.subscriptions())
    waiting = set[Any]().union(*(subscription.waiters for subscription in subscriptions)) | clock.sleepers
    asking = {question.actor for question in worker.app.rpc.asking()}
    unanswered: str | None = None
    if not worker.rebalancer.stable.is_set():
        return "partitions are being assigned"
    for subscription in subscriptions:
        if isinstance(subscription, ChannelReader):
            if subscription.waiting:
                return f"agent {subscription.owner} has values of {subscription.topic} before it"
        elif not getattr(subscription, "closed", False) and (reason := _unread(subscription, broker)):
            return reason
        elif unmatched := _new_topic(subscription, worker, broker):
            return f"{unmatched} is not read yet"
        for claim in subscription.claims():
            if claim.actor in waiting or claim.buffered or claim.index >= claim.stop:
                continue
            if claim.actor not in asking:
                return f"agent {subscription.owner} works on {claim}"
            unanswered = unanswered or f"{UNANSWERED} to agent {subscription.owner}, which works on {claim}"
    if (task := next((task for task in worker.timers_under_way() if task not in waiting), None)) is not None:
        return f"{task.get_name()} runs"
    return unanswered


def _unread(subscription: Any, broker: Broker) -> str | None:
    topic = subscription.topic
    if not topic.from_table:
        for name, count in broker.partition_counts(topic.topics).items():
            queues = {queue.tp for queue in subscription.queues()}
            missing = [partition for partition in range(count) if (name, partition) not in queues]
            if missing:
                return f"{name}/{missing[0]} is not assigned yet"
    for queue in subscription.queues():
        if queue.pending:
            return f"agent {subscription.owner} has records of {queue.tp} before it"
        log = broker.log(queue.tp)
        if not topic.from_table and log is not None:
            batch = log.read(queue.position, 1)
            if batch is not None and len(batch):
                return f"{queue.tp} has records that were not fetched yet"
    return None


def _new_topic(subscription: Any, worker: Worker, broker: Broker) -> str | None:
    """Return a topic that has come to match a subscription's pattern."""
    topic = subscription.topic
    if topic.pattern is None:
        return None
    new = (name for name in broker.topics if topic.matches(name) and name not in topic.topics)
    return next((name for name in new if not worker.topics.is_internal(name)), None)


def waits_inside_an_event(worker: Worker, clock: ManualClock, *, sleeping: bool) -> bool:
    """Whether an actor waits for an answer with an item in its hands; or, where `sleeping` says so, on the clock."""
    still = {question.actor for question in worker.app.rpc.asking()} | (clock.sleepers if sleeping else set())
    return any(
        claim.actor in still and claim.index < claim.stop
        for subscription in worker.streams.subscriptions()
        for claim in subscription.claims()
    )
