"""Where in a value something is wrong."""

from __future__ import annotations

import re

__all__ = ["field_path"]

_AT = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


def field_path(reason: str) -> str:
    """Return the path that msgspec says at the end of its messages; empty where there is none."""
    found = _AT.search(reason)
    return found.group(1) if found else ""
