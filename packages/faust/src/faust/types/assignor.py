"""The assignor is the engine's own."""

from faust.assignor import __getattr__

__all__ = ["__getattr__"]
