"""Values that must not be shown: `password: Secret[str]`.

They are written to the broker as the plain values they hold, and never to a log by accident.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from .errors import SecurityError

__all__ = ["Personal", "Secret", "SecurityError", "Sensitive", "Tag"]

T = TypeVar("T")


class Tag(Generic[T]):
    """Holds one value and keeps it out of sight; `get_value()` returns it.

    Two of the same kind are equal if their values are.  Immutable by convention; safe in any thread.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T | Tag[T]) -> None:
        self._value: T = value.get_value() if isinstance(value, Tag) else value

    def get_value(self) -> T:
        """Return the value in the clear."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Tag) and type(other) is type(self) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        mine: Any = self._value
        return mine < other.get_value() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: ***>"

    def __reduce__(self) -> Any:
        return type(self), (self._value,)


class Secret(Tag[T]):
    """A password or a token: shown as asterisks wherever it is printed."""

    __slots__ = ()
    mask = "***********"

    def __str__(self) -> str:
        return self.mask

    def __format__(self, spec: str) -> str:
        return format(self.mask, spec)


class _Unprintable(Tag[T]):
    __slots__ = ()

    def __str__(self) -> str:
        raise SecurityError(
            f"a value tagged as {type(self).__name__} cannot be shown; get_value() returns it where it has to be"
        )

    def __format__(self, spec: str) -> str:
        return str(self)


class Sensitive(_Unprintable[T]):
    """A value such as a card number: turning it into text is a `SecurityError`."""

    __slots__ = ()


class Personal(Sensitive[T]):
    """A value that tells about a person: turning it into text is a `SecurityError`."""

    __slots__ = ()
