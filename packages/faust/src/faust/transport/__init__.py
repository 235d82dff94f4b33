"""The broker: transports by URL, and what a transport of one's own must do."""

from faust.transport.base import Consumer, Producer, Transport

__all__ = ["Consumer", "Producer", "Transport"]
