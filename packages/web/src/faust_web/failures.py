"""Failures as answers: JSON with a word for programs and a sentence for people, and nothing of the inside."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from faust_core.errors import AnswerTooLarge, ConfigError, FaustError, NoSuchTable, QueryError, QueryUnavailable
from faust_web.exceptions import WebError, word_of
from faust_web.guard import error_body

__all__ = ["CLIENT_CLOSED_REQUEST", "error_response", "failure_response"]

log = logging.getLogger(__name__)

#: The client has closed the connection: nobody sees this.
CLIENT_CLOSED_REQUEST = 499
AGAIN: Mapping[str, str] = {"Retry-After": "1"}


def error_response(
    status: int, code: str, reason: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    return Response(error_body(code, reason, **more), status, headers, "application/json")


def failure_response(request: Request, exc: BaseException, *, debug: bool = False) -> Response:
    """Return the answer for what was raised while a request was answered; what is a bug goes to the log.

    Args:
        debug: the answer to a bug has its traceback.
    """
    match exc:
        case HTTPException():
            return _http_error(exc)
        case WebError():
            return error_response(int(exc.code), exc.word, exc.detail, exc.headers, **exc.extra_context)
        case ClientDisconnect():
            return error_response(CLIENT_CLOSED_REQUEST, "client_gone", "the client has closed the connection")
        case TimeoutError():
            return error_response(503, "timeout", "no answer in time", AGAIN)
        case NoSuchTable():
            return error_response(404, exc.code, str(exc))
        case AnswerTooLarge():
            return error_response(413, exc.code, str(exc))
        case QueryUnavailable():
            return error_response(503, exc.code, str(exc), AGAIN)
        case QueryError():
            return error_response(400, exc.code, str(exc))
        case ConfigError() if not request.scope.get("faust.page"):
            return error_response(503, "not_running", str(exc), AGAIN)
        case FaustError() | Exception():
            log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
            reason = "this worker failed to answer; its log says why"
            more: dict[str, Any] = {"traceback": traceback.format_exception(exc)} if debug else {}
            return error_response(500, "failed", reason, **more)
    raise exc


def _http_error(exc: HTTPException) -> Response:
    allowed = (exc.headers or {}).get("Allow")
    methods = ", ".join(sorted((allowed or "").replace(" ", "").split(",")))
    reasons = {404: "there is no such page", 405: f"this page takes {methods} only"}
    plain = exc.detail in {"Not Found", "Method Not Allowed"}
    reason = reasons.get(exc.status_code, exc.detail) if plain else exc.detail
    return error_response(exc.status_code, word_of(exc.status_code), reason, exc.headers)
