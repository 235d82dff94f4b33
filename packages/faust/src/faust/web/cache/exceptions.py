"""Errors of caches."""

from faust_core.errors import CacheError, CacheUnavailable

__all__ = ["CacheError", "CacheUnavailable"]
