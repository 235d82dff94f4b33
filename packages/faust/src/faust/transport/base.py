"""What a transport of one's own must do; see the how-to "write a transport"."""

from faust_core.protocols.transport import Consumer, Producer, Transport, TransportContext, TransportFactory

__all__ = ["Consumer", "Producer", "Transport", "TransportContext", "TransportFactory"]
