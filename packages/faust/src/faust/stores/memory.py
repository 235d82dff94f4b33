"""Tables in memory: `store="memory://"`."""

from faust_core.memory.store import MemoryStore as Store

__all__ = ["Store"]
