"""What a page raises to answer with an error."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from faust_core.errors import FaustError

__all__ = [
    "AuthenticationFailed",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotAuthenticated",
    "NotFound",
    "ParseError",
    "PermissionDenied",
    "ServerError",
    "ServiceUnavailable",
    "Throttled",
    "UnsupportedMediaType",
    "ValidationError",
    "WebError",
]


class WebError(FaustError):
    """A page answers with an error: status `code`, and as JSON `{"error": word, "reason": detail, **extra_context}`.

    Attributes:
        code: the status.
        detail: what is wrong, for people.
        word: the same for programs.
        extra_context: more that is told.
        headers: of the answer.
    """

    code: int = HTTPStatus.INTERNAL_SERVER_ERROR
    detail: str = "Internal server error."
    word: ClassVar[str] = "failed"

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: int | None = None,
        headers: Mapping[str, str] | None = None,
        **extra_context: Any,
    ) -> None:
        if detail:
            self.detail = detail
        if code:
            self.code = code
        self.headers = dict(headers or {})
        self.extra_context = extra_context
        super().__init__(self.detail)


class ServerError(WebError):
    """500: the page failed."""


class ValidationError(WebError):
    """400: what was sent is not what is wanted."""

    code = HTTPStatus.BAD_REQUEST
    detail = "Invalid input."
    word = "invalid"


class ParseError(WebError):
    """400: what was sent cannot be read."""

    code = HTTPStatus.BAD_REQUEST
    detail = "Malformed request."
    word = "bad_request"


class AuthenticationFailed(WebError):
    """401: the credentials are wrong."""

    code = HTTPStatus.UNAUTHORIZED
    detail = "Incorrect authentication credentials."
    word = "wrong_credentials"


class NotAuthenticated(WebError):
    """401: there are no credentials."""

    code = HTTPStatus.UNAUTHORIZED
    detail = "Authentication credentials were not provided."
    word = "no_credentials"


class PermissionDenied(WebError):
    """403: not for these credentials."""

    code = HTTPStatus.FORBIDDEN
    detail = "You do not have permission to perform this action."
    word = "forbidden"


class NotFound(WebError):
    """404: there is nothing of that name."""

    code = HTTPStatus.NOT_FOUND
    detail = "Not found."
    word = "not_found"


class MethodNotAllowed(WebError):
    """405: not by this method."""

    code = HTTPStatus.METHOD_NOT_ALLOWED
    detail = "Method not allowed."
    word = "wrong_method"


class NotAcceptable(WebError):
    """406: not in any form that is accepted."""

    code = HTTPStatus.NOT_ACCEPTABLE
    detail = "Could not satisfy the request's Accept header."
    word = "not_acceptable"


class UnsupportedMediaType(WebError):
    """415: what was sent is of a kind that is not taken."""

    code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    detail = "Unsupported media type in request."
    word = "wrong_media_type"


class Throttled(WebError):
    """429: too many requests."""

    code = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Request was throttled."
    word = "throttled"


class ServiceUnavailable(WebError):
    """503: not now; `Retry-After` says when to try again."""

    code = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "Service unavailable. Try again later."
    word = "unavailable"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1, **context: Any) -> None:
        context["headers"] = {"Retry-After": str(retry_after), **(context.get("headers") or {})}
        super().__init__(detail, **context)


#: The word for a status, where nothing says it better.
WORDS: Mapping[int, str] = {
    int(kind.code): kind.word
    for kind in (
        ParseError,
        NotAuthenticated,
        PermissionDenied,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        UnsupportedMediaType,
        Throttled,
        ServiceUnavailable,
    )
} | {408: "too_slow", 413: "too_large", 414: "too_large"}


def word_of(status: int) -> str:
    """Return the word for programs that stands for a status."""
    return WORDS.get(status, "bad_request" if status < 500 else "failed")
