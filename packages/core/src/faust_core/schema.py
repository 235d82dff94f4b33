"""A schema: how keys and values of a topic are read and written, in one object, with hooks to override."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from faust_core.codecs import codec_name
from faust_core.errors import ConfigError
from faust_core.messages import Message
from faust_core.protocols.codec import Codec, Part
from faust_core.registry import codec as find_codec

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App

__all__ = ["CodecArg", "Schema"]

K = TypeVar("K")
V = TypeVar("V")

#: A codec's name, a chain of names, a codec, or what makes one.
CodecArg = Any
Loads = Callable[[Any, bytes], Any]


class Schema(Generic[K, V]):
    """Types and codecs of keys and values, for topics and tables that share them.

    `app.topic("orders", schema=faust.Schema(value_type=Order, value_serializer="json|zlib"))` costs nothing more than
    the same options without a schema.  A subclass may override how a record is read and written: `loads_key`,
    `loads_value`, `dumps_key`, `dumps_value`, and the headers that go with it: `on_dumps_key_prepare_headers`,
    `on_dumps_value_prepare_headers`.  Such methods are called for each record; whatever they raise when reading is a
    decode error of that record.

    Attributes:
        key_type, value_type: what keys and values are; None leaves it to the serializer.
        key_serializer, value_serializer: codecs; None leaves it to the type, then to the application.
        allow_empty: null values are None although there is a `value_type`.
    """

    _HOOKS: ClassVar[tuple[str, ...]] = (
        "loads_key",
        "loads_value",
        "dumps_key",
        "dumps_value",
        "on_dumps_key_prepare_headers",
        "on_dumps_value_prepare_headers",
    )

    def __init__(
        self,
        *,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
        allow_empty: bool | None = None,
    ) -> None:
        self.key_type: Any = None
        self.value_type: Any = None
        self.key_serializer: CodecArg = None
        self.value_serializer: CodecArg = None
        self.allow_empty = False
        self._topic = ""
        self._codecs: dict[tuple[Any, ...], tuple[Codec, Any]] = {}
        self.update(
            key_type=key_type,
            value_type=value_type,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            allow_empty=allow_empty,
        )

    def update(
        self,
        *,
        key_type: type[K] | None = None,
        value_type: type[V] | None = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
        allow_empty: bool | None = None,
    ) -> None:
        """Change what is not None.  Topics that are declared already keep what they had."""
        if key_type is not None:
            self.key_type = key_type
        if value_type is not None:
            self.value_type = value_type
        if key_serializer is not None:
            self.key_serializer = key_serializer
        if value_serializer is not None:
            self.value_serializer = value_serializer
        if allow_empty is not None:
            self.allow_empty = allow_empty

    def bound(self, topic: str) -> Self:
        """Return this schema for one topic, whose name some codecs need to write."""
        schema = copy.copy(self)
        schema._topic = topic  # noqa: SLF001  its own copy
        schema._codecs = {}  # noqa: SLF001
        return schema

    def overrides(self) -> list[str]:
        """Return the names of the methods that a subclass has of its own."""
        return [name for name in self._HOOKS if getattr(type(self), name) is not getattr(Schema, name)]

    # -- reading

    def loads_key(
        self, app: App, message: Message, *, loads: Loads | None = None, serializer: CodecArg = None
    ) -> K | None:
        """Return the key of a record.

        Args:
            loads: called as `loads(codec, data)` in place of the codec's own decoding.
            serializer: in place of `key_serializer`.

        Raises:
            DecodeError: it is not what `key_type` says.
        """
        return self._loads("key", app, message.key, loads, serializer)  # type: ignore[no-any-return]

    def loads_value(
        self, app: App, message: Message, *, loads: Loads | None = None, serializer: CodecArg = None
    ) -> V | None:
        """Return the value of a record; arguments and errors as `loads_key`."""
        return self._loads("value", app, message.value, loads, serializer)  # type: ignore[no-any-return]

    # -- writing

    def dumps_key(self, app: App, key: Any, *, serializer: CodecArg = None, headers: Any = None) -> tuple[Any, Any]:
        """Return the bytes of a key, and the headers that its record shall have.

        Raises:
            EncodeError: the key cannot be written.
        """
        return self._dumps("key", app, key, serializer), self.on_dumps_key_prepare_headers(key, headers)

    def dumps_value(self, app: App, value: Any, *, serializer: CodecArg = None, headers: Any = None) -> tuple[Any, Any]:
        """Return the bytes of a value, and the headers that its record shall have.

        Raises:
            EncodeError: the value cannot be written.
        """
        return self._dumps("value", app, value, serializer), self.on_dumps_value_prepare_headers(value, headers)

    def on_dumps_key_prepare_headers(self, _key: Any, headers: Any) -> Any:
        """Return the headers for a record with this key; called with a dict, which may be changed."""
        return headers

    def on_dumps_value_prepare_headers(self, _value: Any, headers: Any) -> Any:
        """Return the headers for a record with this value; called with a dict, which may be changed."""
        return headers

    # -- codecs

    def codec(self, part: Part, app: App, serializer: CodecArg = None) -> Codec:
        """Return the codec of keys or values: `serializer`, the schema's own, the type's, or the application's.

        Raises:
            ConfigError: there is none, or it cannot carry the type.
        """
        is_key = part == "key"
        kind = self.key_type if is_key else self.value_type
        own = serializer or (self.key_serializer if is_key else self.value_serializer)
        # Codecs need not be hashable; kept beside what was made of them, their ids stay theirs.
        place = (part, id(kind), own if isinstance(own, str) else id(own), id(app))
        found = self._codecs.get(place)
        if found is None:
            found = self._codecs[place] = chosen_codec(own, kind, app, part, self._topic), (kind, own, app)
        return found[0]

    def _loads(self, part: Part, app: App, data: bytes | None, loads: Loads | None, serializer: CodecArg) -> Any:
        if data is None:
            return None
        codec = self.codec(part, app, serializer)
        return codec.decode(data) if loads is None else loads(codec, data)

    def _dumps(self, part: Part, app: App, value: Any, serializer: CodecArg) -> bytes | None:
        if value is None:
            return None
        codec = self.codec(part, app, serializer)
        if isinstance(value, bytes) and not takes_bytes(codec, self.key_type if part == "key" else self.value_type):
            return value
        return codec.encode(value)

    def __repr__(self) -> str:
        shown: Mapping[str, Any] = {
            "key_type": self.key_type,
            "value_type": self.value_type,
            "key_serializer": self.key_serializer,
            "value_serializer": self.value_serializer,
        }
        said = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"<{type(self).__name__}: {said}>"


def chosen_codec(own: CodecArg, value_type: Any, app: App, part: Part, topic: str) -> Codec:
    """Return the codec that a topic or schema names, else the type, else the application.

    Raises:
        ConfigError: there is none, it cannot carry the type, or it is unsafe and only the application asks for it.
    """
    declared = own or own_serializer(value_type)
    setting = "key_serializer" if part == "key" else "value_serializer"
    codec = find_codec(declared or getattr(app.conf, setting), value_type, topic=topic, part=part)
    if not declared and getattr(codec, "unsafe", False):
        raise ConfigError(
            f"topic {topic!r}: the setting {setting} is {codec_name(codec)!r}, which runs code that records name, so "
            f"each topic must ask for it: app.topic({topic!r}, {setting}={codec_name(codec)!r})"
        )
    return codec


def own_serializer(value_type: Any) -> CodecArg:
    """Return the codec that a type names for itself; bytes are written as they are."""
    return "raw" if value_type is bytes else getattr(value_type, "__faust_serializer__", None)


def takes_bytes(codec: Codec, value_type: Any) -> bool:
    """Return whether bytes are values for this codec, and not encoded already."""
    return value_type is bytes or bool(getattr(codec, "encodes_bytes", False))


def as_dict(headers: Any) -> dict[str, Any] | Sequence[tuple[str, Any]]:
    """Return headers as hooks get them: a dict of its own, unless a name is there twice."""
    if not headers:
        return {}
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    mapping = dict(pairs)
    return mapping if len(mapping) == len(pairs) else pairs
