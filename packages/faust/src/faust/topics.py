"""Topics."""

from faust_core.topics import Topic

__all__ = ["Topic"]
