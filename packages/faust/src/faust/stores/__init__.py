"""Where tables are kept, by URL."""

from faust_core.protocols.store import StoreFactory
from faust_core.registry import store_factory

__all__ = ["by_name", "by_url"]


def by_name(name: str) -> StoreFactory:
    """Return what makes stores of a kind: `memory`, `rocksdb`, `redis`, or what a plug-in calls itself.

    Raises:
        PluginMissing: nothing installed does; the message says what to install.
    """
    return store_factory(f"{name}://")


def by_url(url: object) -> StoreFactory:
    """Return what makes the stores of a URL; raises as `by_name` does."""
    return store_factory(str(url))
