"""Protobuf: the messages of generated classes, and behind the header which message of its file it is."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from faust_core.errors import ConfigError, DecodeError, EncodeError, PluginMissing

from .client import Reference, RegistryClient, Schema
from .codec import Decode, Encode, Format
from .wire import HEADER_BYTES, read_indexes, write_indexes

__all__ = ["ProtobufFormat"]


class ProtobufFormat:
    """Messages of one generated class.  Protobuf itself reads what older and newer versions of it have written.

    A record that holds a message of another name is a decode error.
    """

    name = "protobuf"
    kind = "PROTOBUF"
    needs_schema = True

    def __init__(self, value_type: Any) -> None:
        """Raises:
        PluginMissing: protobuf is not installed.
        ConfigError: this is no generated class.
        """
        try:
            from google.protobuf.message import DecodeError as Malformed  # noqa: PLC0415
            from google.protobuf.message import Message  # noqa: PLC0415
        except ImportError as exc:
            raise PluginMissing(
                "codec 'protobuf' needs protobuf: pip install 'faust-schema-registry[protobuf]'"
            ) from exc
        if not (isinstance(value_type, type) and issubclass(value_type, Message)):
            shown = getattr(value_type, "__qualname__", value_type)
            raise ConfigError(f"codec 'protobuf' needs a generated message class as value_type, not {shown}")
        self._type: Any = value_type
        self._malformed = Malformed
        self._descriptor: Any = self._type.DESCRIPTOR
        self.record = str(self._descriptor.full_name)
        self._path = _path(self._descriptor)

    def schema(self, client: RegistryClient, *, register: bool) -> Schema | None:
        return _file_schema(client, self._descriptor.file, {}, register=register)

    def encoder(self, _client: RegistryClient, _schema: Schema) -> Encode:
        indexes = write_indexes(self._path)
        cls = self._type

        def encode(value: Any) -> bytes:
            if type(value) is not cls:
                raise EncodeError(f"protobuf: expected {cls.__qualname__}, got {type(value).__qualname__}")
            return indexes + bytes(value.SerializeToString())

        return encode

    def decoder(self, _client: RegistryClient, schema: Schema | None) -> Decode:
        assert schema is not None, "needs_schema"
        cls, own_path, malformed, record = self._type, self._path, self._malformed, self.record
        names = _message_names(schema.text)
        # Without a descriptor only the place tells; messages seldom move in their file.
        paths = {own_path} if names is None else {path for path, name in names.items() if name == record}

        def decode(data: bytes) -> Any:
            indexes, at = read_indexes(data, HEADER_BYTES)
            if indexes not in paths:
                found = (names or {}).get(indexes) or f"the message at {list(indexes)} of its file"
                raise DecodeError(f"protobuf: it holds {found}, not {record}")
            message = cls()
            try:
                message.ParseFromString(data[at:])
            except malformed as exc:
                raise DecodeError(f"not {record}: {exc}") from exc
            return message

        return decode


def _message_names(text: str) -> dict[tuple[int, ...], str] | None:
    """Return the full names of a file's messages by their places; None where the schema is no descriptor."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto  # noqa: PLC0415
    from google.protobuf.message import DecodeError as Malformed  # noqa: PLC0415

    try:
        file = FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, Malformed):
        return None
    names: dict[tuple[int, ...], str] = {}
    waiting: list[tuple[tuple[int, ...], str, Any]] = [
        ((i,), file.package, message) for i, message in enumerate(file.message_type)
    ]
    while waiting:
        path, scope, message = waiting.pop()
        names[path] = f"{scope}.{message.name}".lstrip(".")
        waiting += [((*path, i), names[path], inner) for i, inner in enumerate(message.nested_type)]
    return names


def _path(descriptor: Any) -> tuple[int, ...]:
    """Return where a message stands in its file: the index of the outermost message around it, and so on inwards."""
    indexes = []
    while True:
        parent = descriptor.containing_type
        siblings = parent.nested_types if parent is not None else descriptor.file.message_types_by_name.values()
        indexes.append(next(i for i, sibling in enumerate(siblings) if sibling.name == descriptor.name))
        if parent is None:
            return tuple(reversed(indexes))
        descriptor = parent


def _file_schema(client: RegistryClient, file: Any, done: dict[str, Schema], *, register: bool) -> Schema:
    """Return a file as a schema; what it imports is registered under its path first.  Google's own files are known."""
    references = []
    for imported in file.dependencies:
        if imported.name.startswith("google/protobuf/"):
            continue
        if imported.name not in done:
            done[imported.name] = _file_schema(client, imported, done, register=register)
            if register:
                client.register(imported.name, done[imported.name])
        version = client.version_of(imported.name, done[imported.name])
        references.append(Reference(imported.name, imported.name, version))
    return Schema(base64.b64encode(file.serialized_pb).decode(), "PROTOBUF", tuple(references))


if TYPE_CHECKING:
    _: type[Format] = ProtobufFormat
