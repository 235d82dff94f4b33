"""What a record says when its own values are wrong."""

from __future__ import annotations

from faust_core.errors import FaustError

__all__ = ["ValidationError"]


class ValidationError(FaustError, ValueError):
    """A value does not have the type that its field declares.

    Attributes:
        reason: what was wrong, with the path inside the value where there is one.
        field: the full name of the field, such as ``Order.amount``; empty where none is to blame.
    """

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason
