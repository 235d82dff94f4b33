"""Confluent's own serializers read what we write, and we read what they write."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from faust_schema_registry import SchemaRegistry
from faust_schema_registry.avro_schema import avro_type


@dataclasses.dataclass
class Order:
    id: int
    tags: list[str]
    note: str | None = None


@pytest.fixture
def theirs(schema_registry_url: str) -> Any:
    with SchemaRegistryClient({"url": schema_registry_url}) as client:
        yield client


@pytest.fixture
def ours(schema_registry_url: str) -> Any:
    registry = SchemaRegistry(schema_registry_url)
    yield registry
    registry.close()


ORDER = Order(5, ["a", "ä"])


def test_avro(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    context = SerializationContext(unique, MessageField.VALUE)
    schema = json.dumps(avro_type(Order).schema)
    codec = ours.avro().for_topic(unique, "value", Order)
    data = AvroSerializer(theirs, schema)(dataclasses.asdict(ORDER), context)
    assert codec.decode(data) == ORDER
    assert codec.encode(ORDER) == data, "same subject, same id, same bytes"
    assert AvroDeserializer(theirs)(codec.encode(ORDER), context) == dataclasses.asdict(ORDER)


def test_json_schema(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    context = SerializationContext(unique, MessageField.VALUE)
    codec = ours.json_schema().for_topic(unique, "value", Order)
    data = codec.encode(ORDER)
    schema = theirs.get_schema(int.from_bytes(data[1:5], "big")).schema_str
    assert JSONDeserializer(schema, schema_registry_client=theirs)(data, context) == dataclasses.asdict(ORDER)
    their_data = JSONSerializer(schema, theirs)(dataclasses.asdict(ORDER), context)
    assert codec.decode(their_data) == ORDER
    assert their_data[:5] == data[:5]
