"""Keeping what pages have answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.responses import Response as AnyResponse

from faust_core.errors import CacheUnavailable, ConfigError
from faust_core.protocols.cache import CacheBackend
from faust_web.base import Request

if TYPE_CHECKING:
    from faust_web.views import Handler, View

__all__ = ["DEFAULT_TIMEOUT_S", "Cache", "PatientCache"]

log = logging.getLogger(__name__)

#: For how long an answer is kept where nothing else is said.
DEFAULT_TIMEOUT_S = 24 * 3600.0
#: A page waits for its cache no longer than this; then it is made anew.
WAIT_S = 5.0
#: A cache that is away is left alone for so long, so that pages do not wait for it one by one.
LEFT_ALONE_S = 2.0
#: What tells callers apart: answers to requests that have one are not for others.
PRIVATE = ("authorization", "cookie")


class PatientCache:
    """A cache that fails no page: while it is away there is nothing in it, which is logged once and counted.

    Attributes:
        counts: hits, misses, stored, unavailable.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(hits=0, misses=0, stored=0, unavailable=0)
        self._away: dict[int, float] = {}

    async def get(self, backend: CacheBackend, key: str) -> bytes | None:
        found: bytes | None = await self._try(backend, lambda: backend.get(key))
        self.counts["misses" if found is None else "hits"] += 1
        return found

    async def set(self, backend: CacheBackend, key: str, value: bytes, timeout: float | None) -> None:
        async def store() -> bool:
            await backend.set(key, value, timeout)
            return True

        self.counts["stored"] += bool(await self._try(backend, store))

    async def _try(self, backend: CacheBackend, work: Callable[[], Any]) -> Any:
        now = asyncio.get_running_loop().time
        away_until = self._away.get(id(backend))
        if away_until is not None and now() < away_until:
            self.counts["unavailable"] += 1
            return None
        try:
            async with asyncio.timeout(WAIT_S):
                result = await work()
        except Exception as exc:  # noqa: BLE001  whatever it is, the page can be made without
            self.counts["unavailable"] += 1
            self._away = {id(backend): now() + LEFT_ALONE_S}
            if away_until is None:
                reason = str(exc) or f"no answer in {WAIT_S:g} s"
                level = logging.WARNING if isinstance(exc, CacheUnavailable | TimeoutError) else logging.ERROR
                log.log(level, "the cache of web pages is away, pages are made without it: %s", reason)
            return None
        if away_until is not None:
            del self._away[id(backend)]
            log.info("the cache of web pages is back")
        return result


class Cache:
    """Keeps what views have answered to GET and HEAD with status 200.

    Args:
        timeout: seconds that an answer is kept; a day where None.
        include_headers: names of headers that answers depend on; True stands for all.  A request with `Authorization`
            or `Cookie` is neither answered from the cache nor kept unless that header is among them.
        key_prefix: tells answers of different kinds apart; by default the view's name.
        backend: where they are kept; `app.cache` where None.
    """

    def __init__(
        self,
        timeout: Any = None,
        include_headers: bool | Iterable[str] = False,
        key_prefix: str | None = None,
        backend: CacheBackend | None = None,
    ) -> None:
        if backend is not None and not hasattr(backend, "get"):
            raise ConfigError(f"Cache(backend={backend!r}): give a cache, or leave it out and set cache= of the app")
        self.timeout = _seconds(timeout)
        self.include_headers = _names(include_headers)
        self.key_prefix = key_prefix
        self.backend = backend

    def view(
        self, timeout: Any = None, include_headers: bool | Iterable[str] | None = None, key_prefix: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Keep what a view's function answers; what is given here wins over what the cache was made with."""
        kept_s = self.timeout if timeout is None else _seconds(timeout)
        headers = self.include_headers if include_headers is None else _names(include_headers)

        def decorate(function: Handler) -> Handler:
            prefix = key_prefix or self.key_prefix

            @wraps(function)
            async def answer(view: View, request: Request, *args: Any, **match: Any) -> AnyResponse:
                if not can_be_kept(request, headers):
                    return await function(view, request, *args, **match)
                backend = self.backend or view.app.cache
                name = f"{type(view).__module__}.{type(view).__qualname__}"
                key = key_of(request, prefix or name, headers)
                patient = view.web.caches
                found = await patient.get(backend, key)
                if found is not None:
                    try:
                        return view.web.bytes_to_response(found)
                    except ValueError as exc:
                        log.warning("an entry of the cache cannot be read, %s is made anew: %s", request.path, exc)
                response = await function(view, request, *args, **match)
                if is_for_others(response, headers):
                    seconds = DEFAULT_TIMEOUT_S if kept_s is None else kept_s
                    await patient.set(backend, key, view.web.response_to_bytes(response), seconds)
                return response

            return answer

        return decorate


def _seconds(timeout: Any) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if hasattr(timeout, "total_seconds") else timeout
    try:
        seconds = float(seconds)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"a cache keeps answers for seconds above zero, not {timeout!r}")
    return float(seconds)


def _names(headers: bool | Iterable[str]) -> Collection[str] | None:
    """Return names in lower case; None for all."""
    if isinstance(headers, bool):
        return None if headers else frozenset()
    if isinstance(headers, str):
        raise ConfigError(f"include_headers={headers!r}: give a list of names, or True for all")
    return frozenset(name.lower() for name in headers)


def can_be_kept(request: Request, headers: Collection[str] | None) -> bool:
    """Whether the answer depends on nothing but the address and these headers."""
    if request.method not in {"GET", "HEAD"}:
        return False
    if headers is None:
        return True
    # The token of the setting web_token is the same for everybody.
    shared = {"authorization"} if request.scope.get("faust.token") else set()
    return all(name in headers or name in shared or name not in request.headers for name in PRIVATE)


def is_for_others(response: Any, headers: Collection[str] | None) -> bool:
    """Whether an answer may be shown to the next one who asks."""
    if getattr(response, "status_code", None) != 200 or type(getattr(response, "body", None)) is not bytes:
        return False
    said = response.headers.get("cache-control", "").lower()
    if "set-cookie" in response.headers or "no-store" in said or "private" in said:
        return False
    vary = {name.strip().lower() for name in response.headers.get("vary", "").split(",") if name.strip()}
    return headers is None or vary <= set(headers)


def key_of(request: Request, prefix: str, headers: Collection[str] | None) -> str:
    """Return the key of an answer: equal for requests that get the same one."""
    items = request.headers.items()
    shown = sorted((name, value) for name, value in items if headers is None or name in headers)
    path = request.raw_path.decode("latin-1")
    written = json.dumps([request.method, path, request.query_string, shown]).encode()
    return f"{prefix}.{request.method}.{hashlib.sha256(written).hexdigest()}"
