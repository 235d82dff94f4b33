"""`"__faust":{"ns":…}` as a hidden field, which msgspec then writes and reads at its own speed.

Reading another class's name into it gives this class's own: what a record calls itself on the wire
never depends on where it came from.
"""

import enum
from typing import Any

import msgspec

__all__ = ["HIDDEN", "KEY", "RepresentsItself", "hidden_field", "namespace_of", "no_metadata", "own_representation"]

#: The attribute that holds it, and the key on the wire.
HIDDEN = "_faust_metadata"
KEY = "__faust"
#: What it is called where it is neither written nor read.
_UNUSED = "__faust_unused__"


class RepresentsItself(Exception):
    """A record that decides itself what is written stands inside something that msgspec was writing."""


class _Marker:
    """Makes msgspec ask before it writes a record that represents itself."""

    def __repr__(self) -> str:
        return "represents itself"


MARKER = _Marker()


def hidden_field(namespace: str) -> tuple[Any, Any]:
    """Return annotation and default of the hidden field of a class."""

    class Name(str, enum.Enum):  # noqa: UP042 - StrEnum would take the text of any member for its own
        OWN = namespace

        @classmethod
        def _missing_(cls, value: object) -> "Name":  # noqa: ARG003 - any name reads as this one
            return cls.OWN

    written: Any = namespace

    class Metadata(msgspec.Struct, frozen=True, gc=False, order=True):
        # Plain text is written faster than a member, which is equal to it.
        ns: Name = written

        def __reduce__(self) -> Any:
            return str, ("",)  # never pickled: a record makes its own

    return Metadata, msgspec.field(default=Metadata(), name=KEY)


def no_metadata() -> tuple[Any, Any]:
    """Return annotation and default of the hidden field of a class that writes none."""
    return Any, msgspec.field(default=msgspec.UNSET, name=_UNUSED)


def own_representation() -> tuple[Any, Any]:
    """Return annotation and default of the hidden field of a class that msgspec cannot write on its own."""
    # Made, not given: what describes the class as JSON Schema writes defaults down.
    return Any, msgspec.field(default_factory=lambda: MARKER, name=_UNUSED)


def namespace_of(plain: Any) -> str | None:
    """Return the class name that a plain object carries, if it carries one."""
    metadata = plain.get(KEY) if isinstance(plain, dict) else None
    name = metadata.get("ns") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None
