"""Events."""

from faust_core.events import Event as EventT

__all__ = ["EventT"]
