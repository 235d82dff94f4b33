"""How sets stand in bytes: one row per element, `[16,key,element]` → `true`.

The original wrote operations instead, `[op,key]` → what is added or removed.  These are read, and written anew by the
partition's next owner; see docs/adr/0005-sets-element-by-element.md.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.store import Change
from faust_core.table_codec import TableCodec, hashable
from faust_core.table_overlay import Overlay, OverlayOwner

__all__ = ["ELEMENTS", "OLD_RECORDS", "RawKey", "SetCodec", "SetOverlay"]

log = logging.getLogger(__name__)

ADD, DISCARD, UPDATE = 1, 2, 15
PREFIX = b"[16,"
#: Ranges of a store: the elements, and the records of the original.
ELEMENTS = (PREFIX, b"[16-")
OLD_RECORDS = ((b"[1,", b"[1-"), (b"[2,", b"[2-"), (b"[15,", b"[15-"))
PRESENT = b"true"

_parse = json.JSONDecoder().raw_decode


class RawKey(bytes):
    """A key of the changelog as it is, to be deleted."""


class SetOverlay(Overlay):
    """Uncommitted changes of sets, to be found by key.

    Attributes:
        by_key: the elements of each key that are added or deleted here.
    """

    __slots__ = ("by_key",)

    def __init__(self, owner: OverlayOwner, changes: dict[Any, Any]) -> None:
        super().__init__(owner, changes)
        self.by_key: dict[Any, set[Any]] = {}
        for at in changes:
            self._note(at)

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, value)
        self._note(at)

    def _note(self, at: Any) -> None:
        if not isinstance(at, RawKey):
            key, element = at
            self.by_key.setdefault(key, set()).add(element)


class SetCodec(TableCodec):
    """Keys here are `(key, element)`, or a `RawKey`; each value is True."""

    __slots__ = ("_foreign",)

    def __init__(self, name: str, key: tuple[Any, Any], value: tuple[Any, Any], *, topic: str = "") -> None:
        for option, (serializer, _) in {"key_serializer": key, "value_serializer": value}.items():
            format_name = serializer.strip() if isinstance(serializer, str) else getattr(serializer, "name", None)
            if format_name != "json":
                raise ConfigError(
                    f"table {name!r} has sets: their keys and elements are written as JSON. Leave out "
                    f"{option}={serializer!r}, or use 'json'"
                )
        super().__init__(name, key, value, topic=topic)
        self._foreign = False

    #: By `encode_key` and `encode_value`, as rows are more than the codecs make of them.
    encode_changes = TableCodec.encode_each

    def encode_key(self, key: Any) -> bytes:
        if isinstance(key, RawKey):
            return bytes(key)
        inner, element = key
        return self.prefix(inner) + self.encode_element(element) + b"]"

    def prefix(self, key: Any) -> bytes:
        """Return what the rows of a key begin with."""
        return PREFIX + super().encode_key(key) + b","

    def range(self, key: Any) -> tuple[bytes, bytes]:
        """Return where the rows of a key begin and end."""
        return self.rows_of(super().encode_key(key))

    def encode_inner_key(self, key: Any) -> bytes:
        """Return a set's key, without an element."""
        return super().encode_key(key)

    def decode_inner_key(self, data: bytes) -> Any:
        return super().decode_key(data)

    @staticmethod
    def rows_of(key: bytes) -> tuple[bytes, bytes]:
        """Return where the rows of a key, given as bytes, begin and end."""
        return PREFIX + key + b",", PREFIX + key + b"-"

    def encode_element(self, element: Any) -> bytes:
        return super().encode_value(element)

    def decode_element(self, data: bytes) -> Any:
        return hashable(super().decode_value(data))

    def encode_value(self, _value: Any) -> bytes:
        return PRESENT

    def decode_value(self, _data: bytes) -> Any:
        return True

    def decode_key(self, data: bytes) -> Any:
        try:
            if not data.startswith(PREFIX):
                return hashable(json.loads(data))
            text = data.decode()
            _, end = _parse(text, len(PREFIX))
        except (ValueError, RecursionError) as exc:
            raise DecodeError(f"table {self._name!r} has sets: {data!r} is not [16,key,element]: {exc}") from exc
        return super().decode_key(text[len(PREFIX) : end].encode()), self.decode_element(text[end + 1 : -1].encode())

    def changes(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[Change]:
        rows: list[Change] = []
        for key, value in zip(keys, values, strict=True):
            if key is None:
                continue
            if not key.startswith(PREFIX):
                rows += self._old_changes(key, value)
            # Kept as it is, so that the next owner finds what it has to write anew, whatever happens until then.
            rows.append((key, value))
        return rows

    def _old_changes(self, key: bytes, value: bytes | None) -> Iterable[Change]:
        """Return the rows that an operation of the original makes."""
        if value is None:
            return
        try:
            operation, inner = json.loads(key)
            operand = json.loads(value)
            if operation == UPDATE:
                added, removed = operand
            elif operation in {ADD, DISCARD}:
                added, removed = ([operand], []) if operation == ADD else ([], [operand])
            else:
                raise ValueError(f"operation {operation} is not known")
            inner = hashable(inner)
            for element in added:
                yield self.encode_key((inner, self._typed(element))), PRESENT
            for element in removed:
                yield self.encode_key((inner, self._typed(element))), None
        except (ValueError, TypeError, RecursionError, DecodeError, EncodeError) as exc:
            if not self._foreign:
                self._foreign = True
                log.warning("in the changelog of %s a record is no set's, and left alone: %r: %s", self._name, key, exc)

    def _typed(self, element: Any) -> Any:
        return self.decode_element(json.dumps(element).encode())
