"""The codecs of the schema registry keep the rules of codecs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.protobuf.struct_pb2 import Struct, Value

from faust_conformance.codec import CodecCapability as Can
from faust_conformance.codec import CodecConformance
from faust_schema_registry import SchemaRegistry
from tests.services.schema_registry import SchemaRegistryServer


class Node(msgspec.Struct):
    value: int
    next: Node | None = None


class _Registry:
    @pytest.fixture
    def registry(self, schema_registry: SchemaRegistryServer) -> Any:
        registry = SchemaRegistry(schema_registry.url)
        yield registry
        registry.close()


class TestAvro(_Registry, CodecConformance):
    capabilities = frozenset({Can.TYPED, Can.UNTRUSTED_BYTES, Can.DETERMINISTIC})

    @pytest.fixture
    def make_codec(self, registry: SchemaRegistry, unique: str) -> Any:
        return lambda value_type: registry.avro().for_topic(unique, "value", value_type)

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"\0", b"{}{}{}", b"\0\0\0\0\1", b"\0\xff\xff\xff\xff\0"]


class TestRecursiveAvro(TestAvro):
    """Where the C code of fastavro overflows its stack."""

    capabilities = frozenset({Can.UNTRUSTED_BYTES})

    @pytest.fixture
    def samples(self) -> Any:
        return Node, [Node(1), Node(1, Node(2, Node(3)))]


class TestPlainAvro(TestAvro):
    capabilities = frozenset({Can.UNTRUSTED_BYTES, Can.DETERMINISTIC})

    @pytest.fixture
    def make_codec(self, registry: SchemaRegistry, unique: str) -> Any:
        fields = [{"name": "id", "type": "long"}, {"name": "tags", "type": {"type": "array", "items": "string"}}]
        avro = registry.avro(schema={"type": "record", "name": "Plain", "fields": fields})
        return lambda value_type: avro.for_topic(unique, "value", value_type)

    @pytest.fixture
    def samples(self) -> Any:
        return None, [{"id": 1, "tags": []}, {"id": -5, "tags": ["a", "ä"]}]


class TestJsonSchema(TestAvro):
    @pytest.fixture
    def make_codec(self, registry: SchemaRegistry, unique: str) -> Any:
        return lambda value_type: registry.json_schema().for_topic(unique, "value", value_type)


class TestPlainJsonSchema(TestAvro):
    capabilities = frozenset({Can.UNTRUSTED_BYTES, Can.DETERMINISTIC})

    @pytest.fixture
    def make_codec(self, registry: SchemaRegistry, unique: str) -> Any:
        json_schema = registry.json_schema(schema={"type": "object", "properties": {"id": {"type": "integer"}}})
        return lambda value_type: json_schema.for_topic(unique, "value", value_type)

    @pytest.fixture
    def samples(self) -> Any:
        return None, [{"id": 1}, {"id": 2, "other": [1, None, "x"]}]


class TestProtobuf(TestAvro):
    capabilities = frozenset({Can.UNTRUSTED_BYTES})

    @pytest.fixture
    def make_codec(self, registry: SchemaRegistry, unique: str) -> Any:
        return lambda value_type: registry.protobuf().for_topic(unique, "value", value_type)

    @pytest.fixture
    def samples(self) -> Any:
        return Value, [
            Value(),
            Value(string_value="x"),
            Value(struct_value=Struct(fields={"a": Value(number_value=1)})),
        ]
