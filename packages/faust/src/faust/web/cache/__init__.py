"""Keeping what pages have answered."""

from faust_core.protocols.cache import CacheBackend
from faust_web.cache import Cache

__all__ = ["Cache", "CacheBackend"]
