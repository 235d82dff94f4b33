"""Pages that every worker has besides tables: `/`, `/router/`, `/stats`, `/assignment/`."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from faust_core.errors import QueryUnavailable
from faust_core.protocols.web import WebContext
from faust_web.failures import failure_response
from faust_web.guard import NO_STORE
from faust_web.parameters import key_in, table_in
from faust_web.site import Web

__all__ = ["Builtin"]


class Builtin:
    """Answers from what the worker knows; asks nobody."""

    def __init__(self, web: Web | None, context: WebContext) -> None:
        self._web = web
        self._context = context

    async def index(self, request: Request) -> Response:
        """Whether it is here; with `web_stats_enabled` what it does, too."""
        stats = await self._stats(request) if self._context.stats else {}
        return self._json({"status": "OK", **stats})

    async def stats(self, request: Request) -> Response:
        return self._json(await self._stats(request))

    async def assignment(self, _request: Request) -> Response:
        return self._json(self._host.web_assignment())

    async def tables(self, _request: Request) -> Response:
        return self._json(self._host.router.tables_metadata())

    async def topics(self, _request: Request) -> Response:
        return self._json(self._host.router.external_topics_metadata())

    async def table(self, request: Request) -> Response:
        return self._json(self._host.router.table_metadata(table_in(request)))

    async def key(self, request: Request) -> Response:
        """The URL of the worker that has a key."""
        owner = self._host.router.table_owner(table_in(request), key_in(request))
        url = self._host.worker.member.endpoint if owner.here else owner.url
        if url is None:
            reason = owner.reason or "this worker has it, and serves no HTTP under an address that it knows"
            return failure_response(request, QueryUnavailable(reason, code=owner.refusal))
        return self._json(url)

    @property
    def _host(self) -> Any:
        assert self._web is not None
        return self._web.app

    async def _stats(self, _request: Request) -> dict[str, Any]:
        if self._web is None:
            return {}
        return {**self._host.web_stats(), "cache": dict(self._web.caches.counts)}

    def _json(self, content: Any) -> Response:
        if self._web is None:
            return Response(json.dumps(content).encode() + b"\n", 200, NO_STORE, "application/json")
        return Response(self._host.write_json(content) + b"\n", 200, NO_STORE, "application/json")
