"""Avro, JSON Schema and Protobuf with a schema registry, for the Faust stream processor."""

from .client import Reference, RegistryClient, Schema
from .errors import IncompatibleSchema, RegistryRefused, RegistryUnavailable, SchemaNotFound
from .registry import SchemaCodec, SchemaRegistry, avro, json_schema, protobuf

__all__ = [
    "IncompatibleSchema",
    "Reference",
    "RegistryClient",
    "RegistryRefused",
    "RegistryUnavailable",
    "Schema",
    "SchemaCodec",
    "SchemaNotFound",
    "SchemaRegistry",
    "avro",
    "json_schema",
    "protobuf",
]
