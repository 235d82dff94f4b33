"""What a setting may be given as, and what becomes of it.

Each parser returns the value, or raises `ValueError` with what it would have taken: "seconds, as …".
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = [
    "Parser",
    "any_value",
    "boolean",
    "broker_urls",
    "cache_url",
    "choice",
    "class_or_path",
    "directory",
    "integer",
    "mapping",
    "members_of",
    "modules",
    "port",
    "producer_acks",
    "seconds",
    "sequence",
    "ssl_context",
    "text",
    "time_zone",
    "token",
    "url",
    "web_transport",
]

Parser = Callable[[Any], Any]

_E = TypeVar("_E", bound=StrEnum)
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on", "enable", "enabled"})
_FALSE: Final = frozenset({"", "0", "false", "f", "no", "n", "off", "disable", "disabled"})


def any_value(value: Any) -> Any:
    return value


def text(value: Any) -> str:
    """Return text; URL and path objects of any library are written out."""
    is_plain = value is None or isinstance(value, (bytes, bool, int, float, complex, Iterable))
    if (isinstance(value, str) or not (is_plain or callable(value))) and (written := str(value)):
        return written
    raise ValueError("text that is not empty")


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("true, yes, on, 1, or false, no, off, 0")


def token(value: Any) -> str:
    """Return what may stand behind `Bearer`."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._~+/=-]+", value):
        return value
    raise ValueError("letters, digits and any of - . _ ~ + / =, without spaces")


def url(value: Any) -> str:
    """Return the URL of a web server, without a slash at its end."""
    with contextlib.suppress(ValueError):
        written = text(value).rstrip("/")
        parts = urlsplit(written)
        more = parts.query or parts.fragment or parts.username
        if parts.scheme in {"http", "https"} and parts.hostname and not more and parts.port != 0:
            return written
    raise ValueError("a URL such as https://worker-1.example.com:6066")


def cache_url(value: Any) -> str:
    written = text(value)
    if "://" in written:
        return written
    raise ValueError("a URL such as memory:// or redis://localhost:6379/0")


def web_transport(value: Any) -> str:
    written = text(value)
    scheme, separator, path = written.partition("://")
    if separator and ((scheme == "tcp" and not path) or (scheme == "unix" and path.startswith("/"))):
        return written
    raise ValueError("tcp://, or unix:///path/to/socket")


def ssl_context(value: Any) -> Any:
    if hasattr(value, "wrap_bio"):
        return value
    raise ValueError("an ssl.SSLContext")


def class_or_path(value: Any) -> Any:
    """Return a class, or where it is; imported when it is needed."""
    if isinstance(value, type) or (isinstance(value, str) and re.fullmatch(r"[\w.]+:[\w.]+|\w+(\.\w+)+", value)):
        return value
    raise ValueError("a class, or where it is, as in 'shop.tables:Ledger'")


def modules(value: Any) -> Any:
    """Return whether to look for modules, which, or what says which."""
    if isinstance(value, bool) or callable(value):
        return value
    if isinstance(value, str):
        return (value,)
    names = tuple(value) if isinstance(value, Iterable) else ()
    if names and all(isinstance(name, str) for name in names):
        return names
    raise ValueError("True, False, names of modules, or a function that returns these")


def integer(minimum: int, maximum: int | None = None) -> Parser:
    """Return a parser of whole numbers within bounds, both of them included."""
    allowed = f"a whole number from {minimum} to {maximum}" if maximum is not None else f"a whole number >= {minimum}"

    def parse(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(allowed) from None
        fits = number >= minimum and (maximum is None or number <= maximum)
        if isinstance(value, bool) or not fits or (isinstance(value, float) and value != number):
            raise ValueError(allowed)
        return number

    return parse


port: Final = integer(0, 65_535)


def seconds(*, above_zero: bool = False) -> Parser:
    """Return a parser of durations; the result is in seconds."""
    allowed = "seconds, as a number, a numeric text or a timedelta, " + ("> 0" if above_zero else ">= 0")

    def parse(value: Any) -> float:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(allowed)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ValueError(allowed) from None
        if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
            raise ValueError(allowed)
        return number

    return parse


def choice(*allowed: str) -> Parser:
    """Return a parser of one of a few words."""

    def parse(value: Any) -> str:
        word = str(value).lower()
        if word not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return word

    return parse


def members_of(kind: type[_E]) -> Callable[[Any], _E]:
    """Return a parser of an enumeration's values; members of other enumerations with equal values are taken too."""

    def parse(value: Any) -> _E:
        try:
            return kind(getattr(value, "value", value))
        except ValueError:
            raise ValueError("one of " + ", ".join(kind)) from None

    return parse


def producer_acks(value: Any) -> int:
    words = {"all": -1, "-1": -1, "0": 0, "1": 1}
    if isinstance(value, bool) or (number := words.get(str(value).lower())) is None:
        raise ValueError("all (or -1), 1 or 0")
    return number


def broker_urls(value: Any) -> tuple[str, ...]:
    """Return the URLs of `value`, each with a scheme; the first one's holds for those that have none."""
    given = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    parts = [part.strip() for url in given for part in str(url).split(";") if part.strip()]
    if not parts:
        raise ValueError("a URL such as kafka://localhost:9092, a list of them, or several with ';' between")
    scheme = parts[0].partition("://")[0] if "://" in parts[0] else "kafka"
    urls = tuple(part if "://" in part else f"{scheme}://{part}" for part in parts)
    if any(not url.startswith(f"{scheme}://") for url in urls):
        raise ValueError(f"URLs of one scheme; the first one is {scheme}://")
    return urls


def directory(value: Any) -> Path:
    if isinstance(value, (str, Path)) and str(value):
        return Path(value).expanduser()
    raise ValueError("a path")


def time_zone(value: Any) -> tzinfo:
    if isinstance(value, tzinfo):
        return value
    if isinstance(value, str):
        if value.upper() == "UTC":
            return UTC
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ValueError("a tzinfo, or the name of a time zone such as Europe/Berlin")


def mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError("a dict")


def sequence(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return tuple(value)
    raise ValueError("a list")
