"""When the watch over the client library looks, and what it makes of no answer."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer

from faust_transport_kafka import _watch
from faust_transport_kafka._watch import PATIENCE_S, UNANSWERED, ClientWatch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def wait(watch: ClientWatch, clock: Clock, seconds: float) -> bool:
    """Poll in vain for so long, as a consumer does; return whether it is time to look."""
    until = clock.now + seconds
    while clock.now < until and not watch.due():
        clock.now += 0.025
    return watch.due()


def test_it_looks_when_nothing_has_come_for_long_enough() -> None:
    clock = Clock()
    watch = ClientWatch(clock)
    assert not wait(watch, clock, PATIENCE_S - 0.1)
    assert wait(watch, clock, 0.2)


def test_it_waits_anew_where_the_client_was_not_asked_for_records_for_a_while() -> None:
    clock = Clock()
    watch = ClientWatch(clock)
    assert wait(watch, clock, PATIENCE_S)
    clock.now += 60
    assert not watch.due()
    assert not wait(watch, clock, PATIENCE_S - 0.1)
    assert wait(watch, clock, 0.2)


def test_it_complains_of_a_client_without_answers_more_and_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "ANSWER_TIMEOUT_S", 0.05)
    clock, topic = Clock(), "orders"
    watch = ClientWatch(clock)
    client = Consumer({"bootstrap.servers": "127.0.0.1:9", "group.id": "g", "log_level": 0})
    try:
        complaints = []
        began = clock.now
        while len(complaints) < 3:
            assert wait(watch, clock, 1000)
            if watch.is_lost(client, topic):
                complaints.append(round(clock.now - began))
    finally:
        client.close()
    first = UNANSWERED * PATIENCE_S
    assert complaints == pytest.approx([first, first + 2 * first, first + 2 * first + 4 * first], abs=2)
