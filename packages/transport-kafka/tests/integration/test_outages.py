"""Brokers that are away, refuse us or speak another protocol."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from faust_core.errors import AuthenticationError, RetriableTransportError, TransactionAborted
from faust_core.protocols.transport import Credentials, Membership, TopicSpec, TransactionalProducer
from faust_core.records import TopicPartition
from tests.services.patience import PATIENCE

from .conftest import Listener, MakeTransport, ToyProtocol, read, unique

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(150)]


async def test_nobody_at_the_address_is_a_clear_error_in_time(make_transport: MakeTransport) -> None:
    transport = make_transport(address="127.0.0.1:9", start_timeout_s=2.0)
    began = time.monotonic()
    with pytest.raises(RetriableTransportError, match=r"127\.0\.0\.1:9 within 2 s.*refused"):
        await transport.check()
    with pytest.raises(RetriableTransportError, match=r"127\.0\.0\.1:9"):
        await transport.membership("group", ToyProtocol()).join(["topic"], Listener())
    assert time.monotonic() - began < 8 * PATIENCE


async def test_a_reachable_broker_passes_the_check(make_transport: MakeTransport) -> None:
    await make_transport().check()


async def test_tls_against_a_plain_port_is_a_clear_error(make_transport: MakeTransport) -> None:
    transport = make_transport(credentials=Credentials(tls=True), start_timeout_s=5.0)
    with pytest.raises(AuthenticationError, match="SSL"):
        await transport.check()


async def test_sasl_against_a_plain_port_is_a_clear_error(make_transport: MakeTransport) -> None:
    credentials = Credentials(mechanism="PLAIN", username="u", password="hidden")
    transport = make_transport(credentials=credentials, start_timeout_s=5.0)
    with pytest.raises((AuthenticationError, RetriableTransportError), match=r"(?i)sasl") as caught:
        await transport.check()
    assert "hidden" not in str(caught.value)


async def commit_in_the_end(producer: TransactionalProducer, tp: TopicPartition, member: Membership) -> None:
    """Repeat a transaction as the engine does."""
    while True:
        try:
            await producer.commit({tp: 1}, member.metadata())
        except TransactionAborted:
            await producer.abort()
            await producer.begin()
            producer.send(tp.topic, b"in a transaction")
        else:
            return


async def test_everything_waits_for_a_broker_that_is_away(
    own_kafka: Any, make_transport: MakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    broker = own_kafka()
    transport = make_transport(address=broker.bootstrap)
    topic, listener = "outage", Listener()
    await transport.admin().create_topics([TopicSpec(topic, 1)])
    tp = TopicPartition(topic, 0)
    member = transport.membership("group", ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    producer, consumer = transport.producer(), transport.consumer(name="test")
    transactional = transport.transactional_producer(unique("tx"))
    await transactional.begin()
    await consumer.assign({tp: 0})
    producer.send(topic, b"before")
    await producer.flush()
    assert [batch.values[0] for batch in await read(consumer, 1)] == [b"before"]

    caplog.clear()
    caplog.set_level(logging.INFO)
    await asyncio.to_thread(broker.kill)
    producer.send(topic, b"during")
    transactional.send(topic, b"in a transaction")
    flushing = asyncio.create_task(producer.flush())
    committing = asyncio.create_task(commit_in_the_end(transactional, tp, member))
    down = time.monotonic()
    while time.monotonic() - down < 20:
        assert await consumer.poll(max_records=10, timeout_s=0.5) == []
    with pytest.raises(RetriableTransportError):
        await member.commit({tp: 1})
    assert not flushing.done()
    assert not committing.done()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) < 40, [record.getMessage() for record in lines]

    await asyncio.to_thread(broker.start)
    async with asyncio.timeout(30):
        await flushing
        await committing
    records = await read(consumer, 2)
    assert {value for batch in records for value in batch.values} == {b"during", b"in a transaction"}
    async with asyncio.timeout(30):
        while True:
            try:
                await member.commit({tp: 2})
                break
            except RetriableTransportError:
                await asyncio.sleep(0.1)
    assert await member.committed([tp]) == {tp: 2}
    assert listener.losses == []


async def test_a_network_that_swallows_everything_is_survived_and_known_to_have_ended_the_session(
    own_kafka: Any, tcp_proxy: Any, make_transport: MakeTransport
) -> None:
    proxy = tcp_proxy()
    own_kafka(proxies=[proxy])
    transport = make_transport(address=proxy.address)
    topic, listener = "swallowed", Listener()
    await transport.admin().create_topics([TopicSpec(topic, 1)])
    tp = TopicPartition(topic, 0)
    member = transport.membership("group", ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    assert 4 < member.lease_s() <= 6  # type: ignore[attr-defined]  # an ability of its own
    await asyncio.to_thread(proxy.black_hole)
    await asyncio.sleep(12)  # the session time-out is 6 s
    assert member.lease_s() <= 0  # type: ignore[attr-defined]  # as above
    await asyncio.to_thread(proxy.heal)
    await listener.until(lambda seen: seen.events[-2:] == ["lost", "assigned"], within_s=30)
    await member.commit({tp: 2})
    assert member.lease_s() > 4  # type: ignore[attr-defined]  # as above
    await member.leave()
    assert member.lease_s() <= 0  # type: ignore[attr-defined]  # as above


JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="admin" password="admin-secret" user_admin="admin-secret" user_worker="worker-secret";'
)


async def test_offsets_are_listed_at_once_after_a_broker_was_killed(
    own_kafka: Any, make_transport: MakeTransport
) -> None:
    broker = own_kafka()
    admin = make_transport(address=broker.bootstrap).admin()
    partitions = [TopicPartition("numbers", p) for p in range(4)]
    await admin.create_topics([TopicSpec("numbers", 4)])
    await asyncio.sleep(0.5)
    before = await admin.end_offsets(partitions)
    broker.kill()
    broker.start()
    await asyncio.sleep(3)  # only then does the client ask with the epoch from before
    began = time.monotonic()
    assert await admin.end_offsets(partitions) == before
    assert await admin.start_offsets(partitions) == before
    assert time.monotonic() - began < 15 * PATIENCE, "the leaders' new epochs are looked for"


async def test_credentials_are_used_by_both_client_libraries(own_kafka: Any, make_transport: MakeTransport) -> None:
    broker = own_kafka(
        settings={
            "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.plaintext.plain.sasl.jaas.config": JAAS,
        }
    )
    good = Credentials(mechanism="PLAIN", username="worker", password="worker-secret")
    transport = make_transport(address=broker.bootstrap, credentials=good)
    await transport.check()
    topic, listener = "secured", Listener()
    await transport.admin().create_topics([TopicSpec(topic, 1)])
    member = transport.membership("group", ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    await member.commit({TopicPartition(topic, 0): 1})
    producer = transport.producer()
    producer.send(topic, b"x")
    await producer.flush()

    bad = Credentials(mechanism="PLAIN", username="worker", password="wr0ng")
    stranger = make_transport(address=broker.bootstrap, credentials=bad)
    with pytest.raises(AuthenticationError, match="credentials") as caught:
        await stranger.check()
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(AuthenticationError):
        await stranger.membership("group", ToyProtocol()).join([topic], listener)
    writer, reader = stranger.producer(), stranger.consumer(name="test")
    writer.send(topic, b"x")
    with pytest.raises(AuthenticationError):
        await writer.flush()
    await reader.assign({TopicPartition(topic, 0): 0})
    with pytest.raises(AuthenticationError):
        await reader.poll(max_records=1, timeout_s=10)
