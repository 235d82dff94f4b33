"""Keys and values by type and codec, outside of topics."""

from __future__ import annotations

from typing import Any

from faust_core.errors import DecodeError, KeyDecodeError, ValueDecodeError
from faust_core.registry import codec
from faust_core.schema import own_serializer, takes_bytes

__all__ = ["Registry"]


class Registry:
    """Reads and writes keys and values as topics do.

    Attributes:
        key_serializer, value_serializer: used where neither the call nor the type names a codec; None is bytes as
            they are.
    """

    def __init__(self, key_serializer: Any = None, value_serializer: Any = "json") -> None:
        self.key_serializer = key_serializer
        self.value_serializer = value_serializer

    def loads(self, typ: Any, data: bytes | None, *, serializer: Any = None) -> Any:
        """Return the value of bytes; None stays None.

        Raises:
            DecodeError: they are not what the type says.
        """
        if data is None:
            return None
        return codec(serializer or own_serializer(typ) or "raw", typ).decode(data)

    def loads_key(self, typ: Any, key: bytes | None, *, serializer: Any = None) -> Any:
        """The same for a key.

        Raises:
            KeyDecodeError: it is not what the type says.
        """
        try:
            return self.loads(typ, key, serializer=serializer or own_serializer(typ) or self.key_serializer)
        except DecodeError as exc:
            raise KeyDecodeError(exc.reason, codec=exc.codec, field=exc.field) from exc

    def loads_value(self, typ: Any, value: bytes | None, *, serializer: Any = None) -> Any:
        """The same for a value.

        Raises:
            ValueDecodeError: it is not what the type says.
        """
        try:
            return self.loads(typ, value, serializer=serializer or own_serializer(typ) or self.value_serializer)
        except DecodeError as exc:
            raise ValueDecodeError(exc.reason, codec=exc.codec, field=exc.field) from exc

    def dumps_key(self, typ: Any, key: Any, *, serializer: Any = None) -> bytes | None:
        """Return the bytes of a key; None stays None, and bytes stay as they are unless they are the codec's values.

        Raises:
            EncodeError: it cannot be written.
        """
        return self._dumps(typ, key, serializer or own_serializer(typ) or self.key_serializer)

    def dumps_value(self, typ: Any, value: Any, *, serializer: Any = None) -> bytes | None:
        """The same for a value."""
        return self._dumps(typ, value, serializer or own_serializer(typ) or self.value_serializer)

    def _dumps(self, typ: Any, value: Any, serializer: Any) -> bytes | None:
        if value is None:
            return None
        kind = typ if typ is not None or serializer is not None else type(value)
        found = codec(serializer or "raw", kind)
        return value if isinstance(value, bytes) and not takes_bytes(found, kind) else found.encode(value)
