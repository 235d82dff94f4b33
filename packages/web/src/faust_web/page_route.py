"""The way from a request to a page, and from whatever the page does to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from faust_core.protocols.web import WebContext
from faust_web.base import Request
from faust_web.failures import failure_response
from faust_web.site import Page, Web, is_response
from faust_web.views import within

__all__ = ["PageRoute"]


class PageRoute(BaseRoute):
    """All pages of an application; those that are declared later, too."""

    def __init__(self, web: Web, context: WebContext) -> None:
        self._web = web
        self._context = context

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found = self._web.find(scope) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        page, match = found
        return Match.FULL, {"faust.page": page, "path_params": match}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NotImplementedError("pages are found by app.web.url_for")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        page: Page = scope["faust.page"]
        request = Request(scope, receive, send)
        answer: Any
        try:
            answer = await within(self._context.request_timeout_s, page.handler(request))
            if not is_response(answer):
                raise TypeError(
                    f"page {page.pattern.path} ({page.name}) has returned {type(answer).__name__}, which is no "
                    "response: return self.json(…), self.text(…) or another one"
                )
        except Exception as exc:  # noqa: BLE001  each has its answer
            answer = failure_response(request, exc, debug=self._context.debug)
        await answer(scope, receive, send)

    def __repr__(self) -> str:
        views: Mapping[str, Any] = self._web.views
        return f"<PageRoute: {', '.join(views)}>"
