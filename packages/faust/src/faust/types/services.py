"""Services."""

from faust_core.services import Service as ServiceT

__all__ = ["ServiceT"]
