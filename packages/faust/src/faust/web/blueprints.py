"""Pages that belong together."""

from faust_web.blueprints import Blueprint

__all__ = ["Blueprint"]
