"""JSON as topics write it."""

from typing import Any

from faust_core.registry import codec

__all__ = ["dumps", "loads"]


def dumps(obj: Any, **_options: Any) -> str:
    """Return a value as compact JSON.

    Raises:
        EncodeError: it cannot be written.
    """
    return codec("json").encode(obj).decode()


def loads(s: str | bytes, **_options: Any) -> Any:
    """Return the value of JSON.

    Raises:
        DecodeError: it is none.
    """
    return codec("json").decode(s.encode() if isinstance(s, str) else s)
