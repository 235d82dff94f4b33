"""A view of a partition at one moment, although Redis has no such thing.

Only one store object writes to a partition, so it can keep the view itself: before it changes a key that a scan has
not come to, it gives the scan the value from before.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["View"]

Row = tuple[bytes, bytes]


class View:
    """How far a scan has come, and what has changed ahead of it."""

    def __init__(self, start: bytes, end: bytes | None) -> None:
        self._start = start
        self._end = end
        self._position: bytes | None = None  # the last key of the last page
        self._before: dict[bytes, bytes | None] = {}

    @property
    def lower_bound(self) -> bytes:
        """Where the next page begins, as ZRANGEBYLEX has it."""
        return b"[" + self._start if self._position is None else b"(" + self._position

    @property
    def upper_bound(self) -> bytes:
        return b"+" if self._end is None else b"(" + self._end

    def remember(self, before: Mapping[bytes, bytes | None]) -> None:
        """Keep the values that keys had, None for no value, where the scan is still to come to them."""
        for key, value in before.items():
            ahead = key >= self._start if self._position is None else key > self._position
            if ahead and (self._end is None or key < self._end):
                self._before.setdefault(key, value)

    def as_it_was(self, page: list[Row], *, last: bool) -> list[Row]:
        """Return the rows of a page with what has changed undone, and move on behind it."""
        if not last:
            self._position = page[-1][0]
        changed = self._before
        if not changed:
            return page
        due = {key: value for key, value in changed.items() if last or key <= page[-1][0]}
        self._before = {key: value for key, value in changed.items() if key not in due}
        rows = [row for row in page if row[0] not in due]
        rows += [(key, value) for key, value in due.items() if value is not None]
        return sorted(rows)
