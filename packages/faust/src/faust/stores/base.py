"""What a store of one's own must do; see the how-to "write a store"."""

from faust_core.protocols.store import Store, StoreBackend, StoreContext, StoreFactory

__all__ = ["Store", "StoreBackend", "StoreContext", "StoreFactory"]
