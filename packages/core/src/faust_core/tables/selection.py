"""Which rows of a table partition a scan wants: bounds for the store, and a test of decoded keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from faust_core.errors import QueryError
from faust_core.table_codec import TableCodec

__all__ = ["Rows", "rows_with_windows", "select", "up_to"]

#: Codecs that write text keys so that a prefix of the key is a prefix of the bytes; others are looked at key by key.
PLAIN, QUOTED = frozenset({"raw", "text"}), frozenset({"json"})


class Rows(NamedTuple):
    """Rows with first <= key bytes < last (None: to the end) whose decoded key `matches`."""

    first: bytes = b""
    last: bytes | None = None
    matches: Callable[[Any], bool] | None = None


def select(codec: TableCodec, serializer: Any, criteria: Mapping[str, bytes]) -> Rows:
    """Return the rows of a dict's partition that have `criteria`: `prefix`, `start`, `end`; see `Scan`.

    The bounds may hold more than what matches, never less.

    Raises:
        QueryError: there is no such criterion, or the keys have no prefixes.
        DecodeError: a criterion is no key of this table.
    """
    unknown = criteria.keys() - {"prefix", "start", "end"}
    if unknown:
        raise QueryError(f"keys are selected by prefix, start and end, not by {', '.join(sorted(unknown))}")
    decoded = {name: codec.decode_key(data) for name, data in criteria.items()}
    if not decoded:
        return Rows()
    tests: list[Callable[[Any], bool]] = []
    first, last = b"", None
    if (prefix := decoded.get("prefix")) is not None:
        if not isinstance(prefix, str | bytes | tuple):
            raise QueryError(f"a prefix is text, bytes or the beginning of a tuple, not {prefix!r}")
        tests.append(_begins_with(prefix))
        first = _bytes_prefix(serializer, prefix, criteria["prefix"])
        last = up_to(first)
    start, end = decoded.get("start"), decoded.get("end")
    if start is not None or end is not None:
        tests.append(_between(start, end))
        low, high = _bounds(serializer, start, end, criteria)
        first = max(first, low)
        last = high if last is None else last if high is None else min(last, high)
    return Rows(first, last, tests[0] if len(tests) == 1 else lambda key: all(test(key) for test in tests))


def rows_with_windows(of: bytes | None) -> Rows:
    """Return the rows of a windowed table's partition, or those of one key; what else its store has is left out."""
    if of is None:
        return Rows(b"[", up_to(b"["), _has_window)
    return Rows(b"[" + of + b",[", b"[" + of + b",\\", _has_window)


def _has_window(key: Any) -> bool:
    _, (start, end) = key
    return bool(start <= end)


def up_to(prefix: bytes) -> bytes | None:
    """Return the first bytes behind all that begin with `prefix`; None where nothing is behind."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


def _bytes_prefix(serializer: Any, prefix: Any, written: bytes) -> bytes:
    """Return what the bytes of all keys with this prefix begin with."""
    if isinstance(prefix, str | bytes) and serializer in PLAIN:
        return written
    if isinstance(prefix, str) and serializer in QUOTED:
        return written[:-1]
    return b""


def _bounds(serializer: Any, start: Any, end: Any, criteria: Mapping[str, bytes]) -> tuple[bytes, bytes | None]:
    given = [key for key in (start, end) if key is not None]
    if serializer in PLAIN and all(isinstance(key, str | bytes) for key in given):
        return criteria.get("start", b""), criteria.get("end")  # UTF-8 sorts as the text does
    if serializer in QUOTED and isinstance(start, str) and isinstance(end, str):
        # Of bytes, so perhaps a part of a character: a wider bound, which does no harm.
        common = _common(criteria["start"][:-1], criteria["end"][:-1])
        return common, up_to(common)
    return b"", None


def _common(left: bytes, right: bytes) -> bytes:
    length = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return left[:length]


def _begins_with(prefix: Any) -> Callable[[Any], bool]:
    if isinstance(prefix, tuple):
        return lambda key: isinstance(key, tuple) and key[: len(prefix)] == prefix
    return lambda key: isinstance(key, type(prefix)) and bool(key.startswith(prefix))


def _between(start: Any, end: Any) -> Callable[[Any], bool]:
    def matches(key: Any) -> bool:
        try:
            return (start is None or start <= key) and (end is None or key < end)
        except TypeError:  # a key of another type is not between these two
            return False

    return matches
