"""Tables in Redis: shared, persistent stores for the Faust stream processor."""

from __future__ import annotations

from faust_store_redis.backend import RedisBackend, create
from faust_store_redis.options import RedisOptions
from faust_store_redis.store import RedisStore

__all__ = ["RedisBackend", "RedisOptions", "RedisStore", "create"]
