"""Settings."""

from faust_core.settings import Settings

__all__ = ["Settings"]
