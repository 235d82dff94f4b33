"""The transports of this package, by URL scheme."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Protocol, TypeVar

from faust_core.protocols.transport import (
    Admin,
    Consumer,
    GroupProtocol,
    Membership,
    Producer,
    TransactionalProducer,
    Transport,
    TransportContext,
    TransportFactory,
)
from faust_transport_kafka._logging import quiet_drivers
from faust_transport_kafka.admin import KafkaAdmin, reach
from faust_transport_kafka.aio_consumer import AioConsumer
from faust_transport_kafka.aio_producer import AioProducer
from faust_transport_kafka.config import ClientConfig
from faust_transport_kafka.consumer import KafkaConsumer
from faust_transport_kafka.membership import KafkaMembership
from faust_transport_kafka.plain_membership import PlainMembership
from faust_transport_kafka.producer import KafkaProducer
from faust_transport_kafka.transactions import KafkaTransactionalProducer

__all__ = ["AioKafkaTransport", "ConfluentTransport", "KafkaTransport", "aiokafka", "confluent", "kafka"]


class _Closable(Protocol):
    async def aclose(self) -> None: ...


class _Leavable(Protocol):
    async def leave(self) -> None: ...


C = TypeVar("C", bound=_Closable)
M = TypeVar("M", bound=_Leavable)


class KafkaTransport:
    """`kafka://`: records by librdkafka, membership by aiokafka with the engine's own assignor."""

    def __init__(self, url: str, context: TransportContext) -> None:
        self._url = url
        self._config = ClientConfig.from_url(url, context)
        self._made: list[_Closable] = []
        self._memberships: list[_Leavable] = []
        self._group_id = context.client_id
        quiet_drivers()

    @property
    def url(self) -> str:
        return self._url

    async def check(self) -> None:
        await reach(self._config)

    def admin(self) -> Admin:
        return self._keep(KafkaAdmin(self._config))

    def consumer(self, *, name: str) -> Consumer:
        # librdkafka wants a group although it never joins; the worker's own is one that it may use.
        return self._keep(KafkaConsumer(self._config, name, self._group_id))

    def producer(self, *, reports: bool = False) -> Producer:
        return self._keep(KafkaProducer(self._config, f"{self._config.context.client_id}-producer", reports=reports))

    def transactional_producer(self, transactional_id: str, /) -> TransactionalProducer:
        return self._keep(KafkaTransactionalProducer(self._config, transactional_id))

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> Membership:
        self._group_id = group_id
        return self._keep_member(KafkaMembership(self._config, group_id, protocol))

    async def aclose(self) -> None:
        memberships, self._memberships = self._memberships, []
        made, self._made = self._made, []
        await asyncio.gather(*(member.leave() for member in memberships))
        await asyncio.gather(*(part.aclose() for part in reversed(made)))

    def _keep(self, part: C) -> C:
        self._made.append(part)
        return part

    def _keep_member(self, member: M) -> M:
        self._memberships.append(member)
        return member


class ConfluentTransport(KafkaTransport):
    """`confluent://`: librdkafka alone.  A plain consumer group with the strategy `range` and without plans."""

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> Membership:
        del protocol  # the broker's clients divide the work
        self._group_id = group_id
        return self._keep_member(PlainMembership(self._config, group_id))


class AioKafkaTransport(KafkaTransport):
    """`aiokafka://`: records by aiokafka too, for where no C library may be on the path of a record.

    Transactions are librdkafka's all the same: aiokafka's do not fence an outdated member.
    """

    def consumer(self, *, name: str) -> Consumer:
        return self._keep(AioConsumer(self._config, name))

    def producer(self, *, reports: bool = False) -> Producer:  # noqa: ARG002  it reports always
        return self._keep(AioProducer(self._config, f"{self._config.context.client_id}-producer"))

    def transactional_producer(self, transactional_id: str, /) -> TransactionalProducer:
        context = dataclasses.replace(self._config.context, producer_options={})  # they are aiokafka's
        config = dataclasses.replace(self._config, context=context)
        return self._keep(KafkaTransactionalProducer(config, transactional_id))

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> Membership:
        context = dataclasses.replace(self._config.context, consumer_options={})
        config = dataclasses.replace(self._config, context=context)
        return self._keep_member(KafkaMembership(config, group_id, protocol))


def kafka(url: str, context: TransportContext, /) -> Transport:
    """Make the transport for `kafka://`.  Nothing is connected yet."""
    return KafkaTransport(url, context)


def aiokafka(url: str, context: TransportContext, /) -> Transport:
    """Make the transport for `aiokafka://`.  Nothing is connected yet."""
    return AioKafkaTransport(url, context)


def confluent(url: str, context: TransportContext, /) -> Transport:
    """Make the transport for `confluent://`.  Nothing is connected yet."""
    return ConfluentTransport(url, context)


if TYPE_CHECKING:
    _: type[Transport] = KafkaTransport
    _factories: list[TransportFactory] = [kafka, aiokafka, confluent]
