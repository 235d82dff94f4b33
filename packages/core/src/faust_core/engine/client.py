"""A connection for sending and asking only: no group, no streams."""

from __future__ import annotations

from faust_core.protocols.transport import Transport

__all__ = ["Client"]


class Client:
    """Owns a transport, its admin and a plain producer."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.admin = transport.admin()
        self.producer = transport.producer()

    async def start(self) -> None:
        """Raises:
        TransportError: the broker cannot be reached, or refuses.
        """
        await self.transport.check()

    async def aclose(self) -> None:
        await self.producer.aclose()
        await self.admin.aclose()
        await self.transport.aclose()
