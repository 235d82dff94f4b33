"""Confluent's own serializers read what we write, and we read what they write, over one real registry."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema as TheirSchema
from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP

from faust_schema_registry import SchemaRegistry
from faust_schema_registry.avro_schema import avro_type


@dataclasses.dataclass
class Order:
    id: int
    tags: list[str]
    note: str | None = None


ORDER = Order(5, ["a", "ä"])


@pytest.fixture
def theirs(schema_registry_url: str) -> Iterator[Any]:
    with SchemaRegistryClient({"url": schema_registry_url}) as client:
        yield client


@pytest.fixture
def ours(schema_registry_url: str) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(schema_registry_url)
    yield registry
    registry.close()


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


# -- Avro


def test_avro(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    schema = json.dumps(avro_type(Order).schema)
    codec = ours.avro().for_topic(unique, "value", Order)
    data = AvroSerializer(theirs, schema)(dataclasses.asdict(ORDER), value_of(unique))
    assert codec.decode(data) == ORDER
    assert codec.encode(ORDER) == data, "same subject, same id, same bytes"
    assert AvroDeserializer(theirs)(codec.encode(ORDER), value_of(unique)) == dataclasses.asdict(ORDER)


def test_avro_keys_have_a_subject_of_their_own(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    codec = ours.avro().for_topic(unique, "key", str)
    context = SerializationContext(unique, MessageField.KEY)
    assert AvroSerializer(theirs, '"string"')("ada", context) == codec.encode("ada")
    assert AvroDeserializer(theirs)(codec.encode("ada"), context) == "ada"
    assert theirs.get_versions(f"{unique}-key") == [1]


def test_avro_of_older_and_newer_versions_is_read_by_both(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    def version(*fields: Any) -> str:
        return json.dumps({"type": "record", "name": "Event", "fields": list(fields)})

    ident = {"name": "id", "type": "int"}
    older, newer = version(ident), version(ident, {"name": "kind", "type": "string", "default": "sale"})
    data = AvroSerializer(theirs, older)({"id": 1}, value_of(unique))
    codec = ours.avro(schema=newer).for_topic(unique, "value", None)
    assert codec.decode(data) == {"id": 1, "kind": "sale"}
    written = codec.encode({"id": 2, "kind": "refund"})
    assert AvroDeserializer(theirs, older)(written, value_of(unique)) == {"id": 2}
    assert theirs.get_versions(f"{unique}-value") == [1, 2]


def test_avro_with_a_named_type_of_another_subject(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    money = {"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]}
    theirs.register_schema(f"{unique}-money", TheirSchema(json.dumps(money), "AVRO"))
    line = {"type": "record", "name": "shop.Line", "fields": [{"name": "price", "type": "shop.Money"}]}
    to_money = SchemaReference("shop.Money", f"{unique}-money", 1)
    theirs.register_schema(f"{unique}-line", TheirSchema(json.dumps(line), "AVRO", [to_money]))
    to_line = SchemaReference("shop.Line", f"{unique}-line", 1)
    order = {
        "type": "record",
        "name": "shop.Order",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "lines", "type": {"type": "array", "items": "shop.Line"}},
            {"name": "total", "type": "shop.Money"},
        ],
    }
    value = {"id": 1, "lines": [{"price": {"cents": 2}}], "total": {"cents": 2}}
    schema = TheirSchema(json.dumps(order), "AVRO", [to_money, to_line])
    data = AvroSerializer(theirs, schema)(value, value_of(unique))
    assert ours.avro().for_topic(unique, "value", None).decode(data) == value
    latest = SchemaRegistry(ours.client.urls, use_latest=True)
    written = latest.avro().for_topic(unique, "value", None).encode(value)
    assert written == data
    latest.close()


# -- JSON Schema


def test_json_schema(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    codec = ours.json_schema().for_topic(unique, "value", Order)
    data = codec.encode(ORDER)
    schema = theirs.get_schema(int.from_bytes(data[1:5], "big")).schema_str
    deserialize = JSONDeserializer(schema, schema_registry_client=theirs)
    assert deserialize(data, value_of(unique)) == dataclasses.asdict(ORDER)
    their_data = JSONSerializer(schema, theirs)(dataclasses.asdict(ORDER), value_of(unique))
    assert codec.decode(their_data) == ORDER
    assert their_data[:5] == data[:5]


def test_json_schema_that_refers_to_another_subject(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    money = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}
    theirs.register_schema(f"{unique}-money", TheirSchema(json.dumps(money), "JSON"))
    order = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "type": "object",
        "properties": {"price": {"$ref": "money.json"}},
    }
    reference = SchemaReference("money.json", f"{unique}-money", 1)
    serialize = JSONSerializer(TheirSchema(json.dumps(order), "JSON", [reference]), theirs, conf={"validate": False})
    codec = ours.json_schema().for_topic(unique, "value", None)
    good = serialize({"price": {"cents": 2}}, value_of(unique))
    assert codec.decode(good) == {"price": {"cents": 2}}
    bad = serialize({"price": {"cents": "two"}}, value_of(unique))
    with pytest.raises(Exception, match=r"price\.cents: 'two' is not of type 'integer'"):
        codec.decode(bad)


# -- Protobuf


def compiled(prefix: str) -> dict[str, Any]:
    """What `protoc` makes of two files, one of which imports the other and one of Google's."""
    money = FileDescriptorProto(name=f"{prefix}/money.proto", package="shop", syntax="proto3")
    money.message_type.add(name="Money").field.add(name="cents", number=1, type="TYPE_INT64", label="LABEL_OPTIONAL")
    shop = FileDescriptorProto(
        name=f"{prefix}/shop.proto", package="shop", syntax="proto3", dependency=[money.name, TIMESTAMP.name]
    )
    shop.message_type.add(name="Refund")
    order = shop.message_type.add(name="Order")
    add = order.field.add
    add(name="id", number=1, type="TYPE_INT64", label="LABEL_OPTIONAL")
    add(name="price", number=2, type="TYPE_MESSAGE", type_name=".shop.Money", label="LABEL_OPTIONAL")
    add(name="at", number=3, type="TYPE_MESSAGE", type_name=".google.protobuf.Timestamp", label="LABEL_OPTIONAL")
    line = order.nested_type.add(name="Line")
    line.field.add(name="sku", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(TIMESTAMP.serialized_pb)
    for file in (money, shop):
        pool.AddSerializedFile(file.SerializeToString())
    names = ["Money", "Order", "Refund", "Order.Line"]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}")) for name in names}


def test_protobuf_with_imports(theirs: Any, ours: SchemaRegistry, unique: str) -> None:
    classes = compiled(unique)
    order = classes["Order"](id=5, price=classes["Money"](cents=7))
    order.at.FromSeconds(1000)
    codec = ours.protobuf().for_topic(unique, "value", classes["Order"])
    data = codec.encode(order)
    deserialize = ProtobufDeserializer(classes["Order"], {"use.deprecated.format": False}, theirs)
    assert deserialize(data, value_of(unique)) == order
    serialize = ProtobufSerializer(classes["Order"], theirs, {"use.deprecated.format": False})
    their_data = serialize(order, value_of(f"{unique}-theirs"))
    assert codec.decode(their_data) == order
    assert theirs.get_versions(f"{unique}/money.proto") == [1], "one import, registered once by both"


@pytest.mark.parametrize("name", ["Refund", "Order.Line"])
def test_protobuf_of_any_message_of_a_file(theirs: Any, ours: SchemaRegistry, unique: str, name: str) -> None:
    classes = compiled(unique)
    cls = classes[name]
    codec = ours.protobuf().for_topic(unique, "value", cls)
    message = cls(sku="x") if name == "Order.Line" else cls()
    serialize = ProtobufSerializer(cls, theirs, {"use.deprecated.format": False})
    their_data = serialize(message, value_of(unique))
    assert codec.encode(message)[5:] == their_data[5:], "the same path to the message"
    assert codec.decode(their_data) == message
    wrong = ours.protobuf().for_topic(unique, "value", classes["Order"])
    with pytest.raises(Exception, match=rf"it holds shop\.{name}, not shop\.Order"):
        wrong.decode(their_data)


def test_protobuf_whose_schema_another_language_registered_as_text(
    theirs: Any, ours: SchemaRegistry, unique: str
) -> None:
    cls = compiled(unique)["Money"]
    text = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
    id_ = theirs.register_schema(f"{unique}-value", TheirSchema(text, "PROTOBUF"))
    data = b"\0" + id_.to_bytes(4, "big") + b"\0" + cls(cents=5).SerializeToString()
    assert ours.protobuf().for_topic(unique, "value", cls).decode(data) == cls(cents=5)
