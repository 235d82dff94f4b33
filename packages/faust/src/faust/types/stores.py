"""Stores."""

from faust_core.protocols.store import Store as StoreT

__all__ = ["StoreT"]
