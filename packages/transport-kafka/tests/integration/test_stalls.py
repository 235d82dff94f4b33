"""A client library that finds no broker any more: noticed, and read on with a new client."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from faust_core.protocols.transport import TopicSpec
from faust_core.records import TopicPartition
from faust_transport_kafka import _watch
from faust_transport_kafka.consumer import KafkaConsumer

from .conftest import MakeTopic, MakeTransport, unique, values

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(150)]

SAID = "with a new connection"


def watch_closely(monkeypatch: pytest.MonkeyPatch, patience_s: float) -> None:
    monkeypatch.setattr(_watch, "PATIENCE_S", patience_s)
    monkeypatch.setattr(_watch, "MAX_PATIENCE_S", 2 * patience_s)
    monkeypatch.setattr(_watch, "GAP_S", 10.0)  # a busy machine may stop this process for a second


async def test_what_is_not_committed_yet_or_never_is_no_alarm(
    make_transport: MakeTransport,
    make_topic: MakeTopic,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch_closely(monkeypatch, 2.0)
    transport, topic = make_transport(), await make_topic()
    producer = transport.transactional_producer(unique("tx"))
    await producer.begin()
    producer.send(topic, b"committed", None, 0)
    await producer.commit({}, None)
    await producer.begin()
    producer.send(topic, b"aborted", None, 0)
    await producer.flush()
    await producer.abort()
    await producer.begin()
    producer.send(topic, b"open", None, 0)
    await producer.flush()
    consumer = transport.consumer(name="test")
    assert isinstance(consumer, KafkaConsumer)
    client = consumer._client
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 1) == [b"committed"]
    began = time.monotonic()
    while time.monotonic() - began < 7:
        assert await consumer.poll(max_records=10, timeout_s=0.5) == []
    assert SAID not in caplog.text
    assert consumer._client is client
    await producer.abort()


async def test_clients_tried_while_no_broker_answers_lose_and_repeat_nothing(
    own_kafka: Any,
    tcp_proxy: Any,
    make_transport: MakeTransport,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.WARNING)
    watch_closely(monkeypatch, 0.2)
    monkeypatch.setattr(_watch, "ANSWER_TIMEOUT_S", 0.2)
    proxy = tcp_proxy()
    broker = own_kafka(proxies=[proxy])
    transport, tp = make_transport(address=broker.bootstrap), TopicPartition("silent", 0)
    await transport.admin().create_topics([TopicSpec(tp.topic, 1)])
    producer = transport.producer()
    consumer = make_transport(address=proxy.address).consumer(name="test")
    assert isinstance(consumer, KafkaConsumer)
    await consumer.assign({tp: 0})
    producer.send(tp.topic, b"before", None, 0)
    await producer.flush()
    assert await values(consumer, 1, within_s=60) == [b"before"]
    client = consumer._client
    await asyncio.to_thread(proxy.black_hole)
    producer.send(tp.topic, b"meanwhile", None, 0)
    await producer.flush()
    deadline = time.monotonic() + 60
    while consumer._client is client:
        assert time.monotonic() < deadline, "no new client was tried"
        assert await consumer.poll(max_records=10, timeout_s=0.5) == []
    assert consumer.position(tp) == 1
    await asyncio.to_thread(proxy.heal)
    producer.send(tp.topic, b"after", None, 0)
    await producer.flush()
    assert await values(consumer, 2, within_s=60) == [b"meanwhile", b"after"]
