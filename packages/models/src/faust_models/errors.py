"""What a record says when its own values are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faust_core.errors import FaustError

__all__ = ["SecurityError", "ValidationError", "clipped"]

_CLIP = 80


class ValidationError(FaustError, ValueError):
    """A value is not what its field declares.

    Attributes:
        reason: what was wrong.
        field: the full name of the field, such as ``Order.amount``; empty where data were read.
        path: where in the data it stands, such as ``$.lines[0].count``; empty where a record was checked.
        value: the value itself; None where it is missing or must not be shown.
        errors: all that was found in the same record, this one first.
    """

    def __init__(
        self,
        reason: str,
        *,
        field: str = "",
        path: str = "",
        value: Any = None,
        errors: Sequence[ValidationError] = (),
    ) -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field
        self.path = path
        self.value = value
        self.errors: tuple[ValidationError, ...] = (self, *errors)

    def __str__(self) -> str:
        return "; ".join(error.shown for error in self.errors)

    @property
    def shown(self) -> str:
        """This error alone, without the others of the same record."""
        if self.field:
            value = "" if self.value is None else f", not {clipped(self.value)}"
            return f"{self.field}: {self.reason}{value}{self._place}"
        return f"{self.reason}{self._place}"

    @property
    def _place(self) -> str:
        return "" if self.path in ("", "$") else f" - at `{self.path}`"

    def with_others(self, others: Sequence[ValidationError], *, prefix: str = "") -> ValidationError:
        """Return this error as the first of several."""
        return ValidationError(prefix + self.reason, field=self.field, path=self.path, value=self.value, errors=others)


class SecurityError(FaustError):
    """A value that is tagged as sensitive or personal was about to be shown."""


def clipped(value: Any) -> str:
    """Return a scalar's repr, cut after 80 characters; of containers no more than their kind and size."""
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list | tuple | set | frozenset):
        return f"an array of {len(value)} items"
    if isinstance(value, str | bytes):
        value = value[: _CLIP + 1]
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - any value can be asked for its repr, and may refuse
        return f"a {type(value).__name__}"
    return text if len(text) <= _CLIP else f"{text[:_CLIP]}…"
