"""The way to Redis: waits while it is away, and turns its errors into ours."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from faust_core.errors import ConfigError, StoreError
from faust_store_redis.options import RedisOptions

__all__ = ["AWAY", "Connection", "without_password"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Pauses between attempts: short enough to go on soon, long enough not to crowd a Redis that is starting.
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

#: What is worth another try: no connection, no answer in time, loading its data, or a replica being promoted.
AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, exceptions.ReadOnlyError)
REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)


class Connection:
    """A pool of connections to one Redis."""

    def __init__(self, options: RedisOptions) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigError: the URL is wrong.
        """
        self._options = options
        self._checked = False
        try:
            self.client: Any = redis.Redis.from_url(
                options.url,
                socket_timeout=options.socket_timeout_s,
                socket_connect_timeout=options.socket_timeout_s,
                max_connections=options.max_connections,
                retry=Retry(NoBackoff(), 0),  # ours is below, and says so
                decode_responses=False,
            )
            pool = self.client.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # it alone knows what the query may say; connects nowhere
        except (ValueError, TypeError) as exc:
            if "@" in options.url:  # the reason may quote the password, and so may the error that it came from
                reason = "not a URL that can be read; percent-encode what is special in user and password"
                raise ConfigError(f"{without_password(options.url)}: {reason}") from None
            raise ConfigError(f"{without_password(options.url)}: {exc}") from exc

    def __str__(self) -> str:
        return without_password(self._options.url)

    def call(self, work: Callable[[], Result], what: str) -> Result:
        """Return what `work` returns, trying again while Redis is away; `work` must be idempotent.

        Raises:
            StoreError: Redis was away for longer than `retry_timeout_s`, or refused.  Names `what` and the place.
        """
        deadline = time.monotonic() + self._options.retry_timeout_s
        pause = FIRST_PAUSE_S
        said = False
        while True:
            try:
                result = work()
            except REFUSED as exc:
                raise StoreError(f"{what}: {self} refused: {exc}") from exc
            except AWAY as exc:
                if time.monotonic() + pause > deadline:
                    waited = self._options.retry_timeout_s
                    raise StoreError(f"{what}: {self} cannot be reached, tried for {waited:g} s: {exc}") from exc
                if not said:
                    log.warning("%s: %s cannot be reached, waiting for it: %s", what, self, exc)
                    said = True
            except exceptions.OutOfMemoryError as exc:
                raise StoreError(f"{what}: {self} is out of memory (maxmemory): {exc}") from exc
            except exceptions.RedisError as exc:
                raise StoreError(f"{what}: {self} failed: {exc}") from exc
            else:
                if said:
                    log.info("%s: %s is back", what, self)
                return result
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def check_eviction(self) -> None:
        """Refuse, once, a Redis that may drop keys of its own accord.

        Raises:
            StoreError: its `maxmemory-policy` evicts keys without expiry.
        """
        if self._checked:
            return
        policy = self.call(self._eviction_policy, "opening a store")
        if policy.startswith("allkeys"):
            raise StoreError(
                f"{self} may evict tables at any time: set maxmemory-policy to noeviction or volatile-*, not {policy}"
            )
        self._checked = True

    def _eviction_policy(self) -> str:
        try:
            return str(self.client.info("memory").get("maxmemory_policy", "unknown"))
        except exceptions.NoPermissionError:
            return "unknown"  # a managed Redis that keeps it to itself

    def close(self) -> None:
        self.client.close()


def without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"  # to the last @: it may not be percent-encoded
