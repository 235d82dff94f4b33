"""Fixups."""

from faust_core.fixups import Fixup as FixupT

__all__ = ["FixupT"]
