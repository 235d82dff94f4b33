"""Transports."""

from faust_core.protocols.transport import Consumer as ConsumerT
from faust_core.protocols.transport import Producer as ProducerT
from faust_core.protocols.transport import Transport as TransportT

__all__ = ["ConsumerT", "ProducerT", "TransportT"]
