"""Transports by URL."""

from faust_core.protocols.transport import TransportFactory
from faust_core.registry import transport_factory

__all__ = ["by_name", "by_url"]


def by_name(name: str) -> TransportFactory:
    """Return what makes transports of a kind: `kafka`, `aiokafka`, `memory`, or what a plug-in calls itself.

    Raises:
        PluginMissing: nothing installed does; the message says what to install.
    """
    return transport_factory(f"{name}://")


def by_url(url: object) -> TransportFactory:
    """Return what makes transports for a broker's URL; raises as `by_name` does."""
    return transport_factory(str(url))
