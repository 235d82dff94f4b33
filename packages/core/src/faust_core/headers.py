"""What a program may give as headers and timestamps, and what the broker takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from faust_core.errors import EncodeError

__all__ = ["HeadersArg", "header_list", "milliseconds"]

HeadersArg = Mapping[str, Any] | Sequence[tuple[str, Any]] | None


def header_list(headers: HeadersArg, topic: str) -> list[tuple[str, bytes | None]] | None:
    """Return headers as the broker takes them: text values become UTF-8.

    Raises:
        EncodeError: they are something else than text, bytes or None by name.
    """
    if not headers:
        return None
    pairs = []
    try:
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            if type(value) is str:
                value = value.encode()
            elif value is not None and not isinstance(value, bytes):
                raise EncodeError(
                    f"header {name!r} of a record for {topic} is a {type(value).__name__}: give text, bytes or None"
                )
            if not isinstance(name, str):
                raise EncodeError(f"a record for {topic} has a header whose name is {name!r}, not text")
            pairs.append((name, value))
    except EncodeError:
        raise
    except (TypeError, ValueError) as exc:
        raise EncodeError(f"the headers of a record for {topic} cannot be written: {exc}") from exc
    return pairs


def milliseconds(timestamp: float | dt.datetime, topic: str) -> int:
    """Return a record's time as the broker takes it.

    Raises:
        EncodeError: it is neither epoch seconds nor a datetime with a time zone.
    """
    if isinstance(timestamp, dt.datetime) and timestamp.tzinfo is not None:
        timestamp = timestamp.timestamp()
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)) or not 0 <= timestamp < 1e14:
        raise EncodeError(
            f"the timestamp of a record for {topic} is {timestamp!r}: "
            "give epoch seconds, or a datetime with a time zone"
        )
    return int(timestamp * 1000)
