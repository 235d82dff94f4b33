"""Frameworks that are set up together with an application: plug-ins of the entry points `faust.fixups`."""

from faust_core.fixups import Fixup, fixups_of

__all__ = ["Fixup", "fixups_of"]
