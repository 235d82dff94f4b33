"""Tables in Redis, shared and persistent, and a cache for web pages, for the Faust stream processor."""

from __future__ import annotations

from faust_store_redis.backend import RedisBackend, create
from faust_store_redis.cache import RedisCache, create_cache
from faust_store_redis.options import RedisOptions
from faust_store_redis.store import RedisStore

__all__ = ["RedisBackend", "RedisCache", "RedisOptions", "RedisStore", "create", "create_cache"]
