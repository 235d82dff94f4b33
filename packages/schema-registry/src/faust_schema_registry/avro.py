"""Avro, by fastavro."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from faust_core.errors import ConfigError, DecodeError, PluginMissing

from .avro_depth import DepthCheck, is_recursive, walk
from .avro_schema import avro_type
from .client import RegistryClient, Schema
from .codec import Decode, Encode, Format
from .fields import field_path
from .wire import HEADER_BYTES

__all__ = ["AvroFormat"]


class AvroFormat:
    """Values of one type in Avro.

    What is written by another version of the type is read by the rules of Avro: fields that are new here get their
    defaults, fields that are not here are skipped, numbers are widened.
    """

    name = "avro"
    kind = "AVRO"
    needs_schema = True

    def __init__(self, value_type: Any, schema: str | Mapping[str, Any] | list[Any] | None, name: str | None) -> None:
        """Args:
        value_type: None for plain values: dicts, lists, text, numbers.
        schema: to read and write by, in place of the type's own.
        name: full name of the record, in place of its module and class.

        Raises:
            PluginMissing: fastavro is not installed.
            ConfigError: Avro cannot carry the type, or this is no schema.
        """
        try:
            import fastavro  # noqa: PLC0415
        except ImportError as exc:
            raise PluginMissing("codec 'avro' needs fastavro: pip install 'faust-schema-registry[avro]'") from exc
        self._fastavro: Any = fastavro
        self._type = None if value_type in (None, Any) else value_type
        own = avro_type(value_type, name) if self._type is not None else None
        self._to_avro = own.to_avro if own is not None else None
        self._reading: Any = own.schema if own is not None else None
        if schema is not None:
            try:
                self._reading = json.loads(schema) if isinstance(schema, str) else schema
            except ValueError as exc:
                raise ConfigError(f"avro: the schema is no JSON: {exc}") from exc
        self.record = ""
        self._reader: Any = None
        if self._reading is not None:
            try:
                self._reader = fastavro.parse_schema(self._reading)
            except Exception as exc:  # of several kinds
                raise ConfigError(f"avro: this is no schema: {exc}") from exc
            self.record = str(self._reader.get("name", "")) if isinstance(self._reader, dict) else ""
        self._from_avro: Callable[[Any], Any] | None = None
        if self._type is not None:
            try:
                inspected = msgspec.inspect.type_info(self._type)
            except (TypeError, NameError) as exc:
                raise ConfigError(f"avro cannot carry {self._type!r}: {exc}") from exc
            assert inspected is not None
            self._from_avro = self._converted

    def schema(self, _client: RegistryClient, *, register: bool) -> Schema | None:
        del register  # there is nothing else to register first
        if self._reading is None:
            return None
        return Schema(json.dumps(self._reading, separators=(",", ":")), self.kind)

    def encoder(self, client: RegistryClient, schema: Schema) -> Encode:
        parsed = self._parsed(client, schema)
        write = self._fastavro.schemaless_writer
        if is_recursive(parsed):
            from fastavro import _write_py  # noqa: PLC0415  the C code overflows its stack instead of raising

            write = _write_py.schemaless_writer
        to_avro = self._to_avro

        def encode(value: Any) -> bytes:
            out = io.BytesIO()
            write(out, parsed, value if to_avro is None else to_avro(value))
            return out.getvalue()

        return encode

    def decoder(self, client: RegistryClient, schema: Schema | None) -> Decode:
        assert schema is not None, "needs_schema"
        written = self._parsed(client, schema)
        _refuse_endless(written)
        # Nothing to resolve: the faster way.
        reading = None if self._reader is None or self._reader == written else self._reader
        read = self._fastavro.schemaless_reader
        check = DepthCheck(written) if is_recursive(written) else None
        from_avro = self._from_avro

        def decode(data: bytes) -> Any:
            if check is not None:
                check(data, HEADER_BYTES)
            stream = io.BytesIO(data)
            stream.seek(HEADER_BYTES)
            value = read(stream, written, reading)
            if stream.tell() != len(data):
                raise DecodeError(f"avro: {len(data) - stream.tell()} bytes too many behind the value")
            return value if from_avro is None else from_avro(value)

        return decode

    def _converted(self, plain: Any) -> Any:
        try:
            return msgspec.convert(plain, self._type, str_keys=True)
        except msgspec.ValidationError as exc:
            raise DecodeError(f"avro: {exc}", field=field_path(str(exc))) from exc

    def _parsed(self, client: RegistryClient, schema: Schema) -> Any:
        named: dict[str, Any] = {}
        self._load_references(client, schema, named, set())
        return self._fastavro.parse_schema(json.loads(schema.text), named_schemas=named)

    def _load_references(
        self, client: RegistryClient, schema: Schema, named: dict[str, Any], seen: set[tuple[str, int]]
    ) -> None:
        """Parse what a schema refers to, and what that refers to, into `named`."""
        for reference in schema.references:
            place = (reference.subject, reference.version)
            if place not in seen:
                seen.add(place)
                referred = client.version(*place)
                self._load_references(client, referred, named, seen)
                self._fastavro.parse_schema(json.loads(referred.text), named_schemas=named)


def _refuse_endless(schema: Any) -> None:
    """Raise for arrays of items that take no bytes: a few bytes of data could stand for any number of them."""

    def visit(part: Any, _within: tuple[str, ...]) -> None:
        if isinstance(part, dict) and part.get("type") == "array" and _may_be_empty(part["items"]):
            raise ConfigError("it has an array of items that take no bytes, which could be of any length")

    walk(schema, (), visit)


def _may_be_empty(schema: Any) -> bool:
    if isinstance(schema, dict):
        kind = schema.get("type")
        if kind in ("record", "error"):
            return all(_may_be_empty(field["type"]) for field in schema.get("fields", ()))
        if kind == "fixed":
            return not schema.get("size")
        return _may_be_empty(kind) if isinstance(kind, str | dict) and kind not in ("array", "map", "enum") else False
    return bool(schema == "null")


if TYPE_CHECKING:
    _: type[Format] = AvroFormat
