"""Paths of pages: `/users/{user_id}/`, `/days/{day:[0-9-]+}/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from faust_core.errors import ConfigError

__all__ = ["Pattern", "decoded"]

#: Stands for a slash that is part of a value, written `%2F`.
SLASH = "\x00"


class Pattern:
    """A path with parts that have a name.

    Attributes:
        path: as it was written, with a slash before it.
        names: of its parts.
    """

    def __init__(self, path: str) -> None:
        """Raises:
        ConfigError: it cannot be read.
        """
        self.path = path if path.startswith("/") else f"/{path}"
        self.names: list[str] = []
        #: what stands between the parts
        self._literals: list[str] = []
        self._regex = re.compile(self._read())

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parts of a path that is `decoded`; None where it is another one."""
        found = self._regex.fullmatch(path)
        return None if found is None else {name: found[name].replace(SLASH, "/") for name in self.names}

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the path with these parts, percent-encoded.

        Raises:
            TypeError: a part is missing, or there is none of that name.
        """
        if values.keys() != set(self.names):
            raise TypeError(f"{self.path} has the parts {self.names}, not {sorted(values)}")
        parts = [quote(str(values[name]), safe="") for name in self.names] + [""]
        return "".join(quote(literal) + part for literal, part in zip(self._literals, parts, strict=True))

    def _read(self) -> str:
        """Return the regular expression; fills in names and literals."""
        regex, at = [], 0
        while True:
            opening = self.path.find("{", at)
            literal = self.path[at:] if opening < 0 else self.path[at:opening]
            if "}" in literal:
                raise ConfigError(f"page {self.path!r}: there is a closing brace too many")
            self._literals.append(literal)
            regex.append(re.escape(literal))
            if opening < 0:
                return "".join(regex)
            closing = self._closing(opening)
            name, _, own = self.path[opening + 1 : closing].partition(":")
            if not name.isidentifier() or name in self.names:
                raise ConfigError(f"page {self.path!r}: {name!r} cannot be the name of a part, or is one already")
            try:
                re.compile(own)
            except re.error as exc:
                raise ConfigError(f"page {self.path!r}: {own!r} is no regular expression: {exc}") from None
            self.names.append(name)
            regex.append(f"(?P<{name}>{own or '[^/]+'})")
            at = closing + 1

    def _closing(self, opening: int) -> int:
        depth = 0
        for at in range(opening, len(self.path)):
            depth += {"{": 1, "}": -1}.get(self.path[at], 0)
            if depth == 0:
                return at
        raise ConfigError(f"page {self.path!r}: a brace is not closed")


def decoded(raw: bytes) -> str | None:
    """Return a path as patterns are matched with it: without percent signs, slashes of values told apart.

    None where it is no text.
    """
    try:
        segments = [unquote_to_bytes(segment).decode() for segment in raw.split(b"/")]
    except UnicodeDecodeError:
        return None
    if any(SLASH in segment for segment in segments):
        return None
    return "/".join(segment.replace("/", SLASH) for segment in segments)
