"""JSON Schema: JSON behind the header, checked by its type or its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from faust_core.errors import ConfigError, DecodeError, EncodeError, PluginMissing

from .client import RegistryClient, Schema
from .codec import Decode, Encode, Format
from .fields import field_path
from .wire import HEADER_BYTES, check_header

__all__ = ["JsonSchemaFormat"]

#: A schema without `$schema` is taken for this draft, which registries take it for, too.
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class JsonSchemaFormat:
    """Values of one type in JSON.

    Typed values are checked by their type; plain ones (`value_type` None) by the JSON schema: when written by that of
    the codec, when read by the one that they were written with.
    """

    name = "json-schema"
    kind = "JSON"

    def __init__(
        self, value_type: Any, schema: str | Mapping[str, Any] | None, name: str | None, *, validate: bool
    ) -> None:
        """Args:
        schema: in place of the type's own.
        name: the schema's title, in place of the class's name.
        validate: whether plain values are checked; needs the package jsonschema.

        Raises:
            PluginMissing: jsonschema is needed and not installed.
            ConfigError: JSON cannot carry the type, or this is no schema.
        """
        self._type = None if value_type in (None, Any) else value_type
        self._validate = validate and self._type is None
        self.needs_schema = self._validate
        self._schema: dict[str, Any] | None = None
        if schema is not None:
            try:
                self._schema = dict(json.loads(schema) if isinstance(schema, str) else schema)
            except (ValueError, TypeError) as exc:
                raise ConfigError(f"json-schema: the schema is no JSON object: {exc}") from exc
        elif self._type is not None:
            try:
                self._schema = _inlined(msgspec.json.schema(self._type))
            except (TypeError, ValueError, NameError) as exc:
                raise ConfigError(f"json-schema cannot carry {self._type!r}: {exc}") from exc
            self._schema = {"$schema": DRAFT, **self._schema}
        if name is not None and self._schema is not None:
            self._schema["title"] = name
        self.record = str((self._schema or {}).get("title", ""))
        if self._validate:
            try:
                import jsonschema  # noqa: PLC0415
            except ImportError as exc:
                raise PluginMissing(
                    "codec 'json-schema' needs jsonschema for plain values: pip install 'faust-schema-registry[json]', "
                    "give the topic a value_type, or say validate=False"
                ) from exc
            if self._schema is not None:
                try:
                    jsonschema.validators.validator_for(self._schema).check_schema(self._schema)
                except jsonschema.SchemaError as exc:
                    raise ConfigError(f"json-schema: this is no schema: {exc.message}") from exc
        self._write = msgspec.json.Encoder().encode
        try:
            self._read = msgspec.json.Decoder(Any if self._type is None else self._type).decode
        except (TypeError, ValueError, NameError) as exc:
            raise ConfigError(f"json-schema cannot carry {self._type!r}: {exc}") from exc

    def schema(self, _client: RegistryClient, *, register: bool) -> Schema | None:
        del register
        return None if self._schema is None else Schema(json.dumps(self._schema, separators=(",", ":")), self.kind)

    def encoder(self, client: RegistryClient, schema: Schema) -> Encode:
        if self._type is not None:
            expected = msgspec.inspect.type_info(self._type)
            cls = getattr(expected, "cls", None)
            write = self._write

            def encode(value: Any) -> bytes:
                if cls is not None and isinstance(cls, type) and not isinstance(value, cls):
                    raise EncodeError(f"json-schema: expected {cls.__qualname__}, got {type(value).__qualname__}")
                return write(value)

            return encode if not isinstance(expected, msgspec.inspect.TypedDictType) else write
        if not self._validate:
            return self._write
        validator = self._validator(client, schema)

        def encode_checked(value: Any) -> bytes:
            data = self._write(value)
            if (error := next(validator.iter_errors(self._read(data)), None)) is not None:
                raise EncodeError(f"json-schema: {error.json_path.lstrip('$.') or 'the value'}: {error.message}")
            return data

        return encode_checked

    def decoder(self, client: RegistryClient, schema: Schema | None) -> Decode:
        validator = self._validator(client, schema) if self._validate and schema is not None else None
        read = self._read

        def decode(data: bytes) -> Any:
            if schema is None:
                check_header(self.name, data)
            try:
                value = read(data[HEADER_BYTES:])
            except msgspec.ValidationError as exc:
                raise DecodeError(f"json-schema: {exc}", field=field_path(str(exc))) from exc
            if validator is not None and (error := next(validator.iter_errors(value), None)) is not None:
                path = error.json_path.removeprefix("$").lstrip(".")
                raise DecodeError(f"json-schema: {path or 'the value'}: {error.message}", field=path)
            return value

        return decode

    def _validator(self, client: RegistryClient, schema: Schema) -> Any:
        import jsonschema  # noqa: PLC0415
        import jsonschema_specifications  # noqa: PLC0415
        import referencing  # noqa: PLC0415
        from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

        # A registry of its own: the default one would fetch whatever URL a schema names.
        known: Any = jsonschema_specifications.REGISTRY
        for reference in schema.references:
            text = json.loads(client.version(reference.subject, reference.version).text)
            resource = referencing.Resource.from_contents(text, default_specification=DRAFT202012)
            known = known.with_resource(reference.name, resource)
        contents = json.loads(schema.text)
        cls = jsonschema.validators.validator_for(contents, default=jsonschema.Draft202012Validator)
        return cls(contents, registry=known)


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its outermost `$ref` followed, so that title and fields stand where they are looked for."""
    reference = schema.get("$ref", "")
    definitions = schema.get("$defs", {})
    name = reference.removeprefix("#/$defs/")
    if name not in definitions:
        return schema
    # It stays among the definitions where it has itself inside.
    recursive = f'"{reference}"' in json.dumps(definitions)
    others = {other: part for other, part in definitions.items() if other != name or recursive}
    return {**definitions[name], **({"$defs": others} if others else {})}


if TYPE_CHECKING:
    _: type[Format] = JsonSchemaFormat
