"""Protobuf: generated classes, message paths, imports."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_schema_registry import SchemaRegistry
from faust_schema_registry.wire import read_indexes, write_indexes
from tests.services.schema_registry import SchemaRegistryServer


def shop(*, extra_first: bool = False) -> Any:
    """What `protoc` makes of two files: money.proto, and shop.proto that imports it; as a mapping by name."""
    pool = descriptor_pool.DescriptorPool()
    money = FileDescriptorProto(name="money.proto", package="shop", syntax="proto3")
    amount = money.message_type.add(name="Money").field.add(name="cents", number=1)
    amount.type, amount.label = FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.LABEL_OPTIONAL
    file = FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3", dependency=["money.proto"])
    if extra_first:
        file.message_type.add(name="Added")
    order = file.message_type.add(name="Order")
    id_ = order.field.add(name="id", number=1)
    id_.type, id_.label = FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.LABEL_OPTIONAL
    price = order.field.add(name="price", number=2, type_name=".shop.Money")
    price.type, price.label = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.LABEL_OPTIONAL
    file.message_type.add(name="Refund")
    order.nested_type.add(name="First")
    order.nested_type.add(name="Line")
    for one in (money, file):
        pool.Add(one)
    names = ["Money", "Order", "Refund", "Order.First", "Order.Line"]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}")) for name in names}


@pytest.fixture
def registry(schema_registry: SchemaRegistryServer) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(schema_registry.url, subject_name="topic-record")
    yield registry
    registry.close()


@pytest.mark.parametrize(
    ("path", "data"),
    [((0,), b"\0"), ((1,), b"\2\2"), ((0, 0), b"\4\0\0"), ((1, 0, 300), b"\6\2\0\xd8\4")],
)
def test_the_path_of_a_message_is_written_as_confluent_writes_it(path: tuple[int, ...], data: bytes) -> None:
    assert write_indexes(path) == data
    assert read_indexes(b"12345" + data + b"rest", 5) == (path, 5 + len(data))


@pytest.mark.parametrize("data", [b"", b"\2", b"\x80", b"\xff" * 10, b"\1", b"\2\1", b"\xd8\x04\0"])
def test_a_path_that_cannot_be_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="protobuf"):
        read_indexes(data, 0)


@pytest.mark.parametrize(("name", "path"), [("Order", b"\0"), ("Refund", b"\2\2"), ("Order.Line", b"\4\0\2")])
def test_messages_are_read_back_wherever_they_stand_in_their_file(
    registry: SchemaRegistry, name: str, path: bytes
) -> None:
    cls = shop()[name]
    codec = registry.protobuf().for_topic("t", "value", cls)
    data = codec.encode(cls())
    assert data[5:] == path
    assert codec.decode(data) == cls()


def test_what_a_file_imports_is_registered_first(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    classes = shop()
    codec = registry.protobuf().for_topic("orders", "value", classes["Order"])
    order = classes["Order"](id=5, price=classes["Money"](cents=7))
    assert codec.decode(codec.encode(order)) == order
    assert list(schema_registry.state.subjects) == ["money.proto", "orders-shop.Order"]
    registered = schema_registry.state.schemas[2]
    assert registered["references"] == [{"name": "money.proto", "subject": "money.proto", "version": 1}]
    assert FileDescriptorProto.FromString(base64.b64decode(registered["schema"])).name == "shop.proto"


def test_another_message_of_the_file_is_a_decode_error_that_names_both(registry: SchemaRegistry) -> None:
    classes = shop()
    data = registry.protobuf().for_topic("t", "value", classes["Refund"]).encode(classes["Refund"]())
    codec = registry.protobuf().for_topic("t", "value", classes["Order"])
    with pytest.raises(DecodeError, match=r"protobuf: it holds shop\.Refund, not shop\.Order") as caught:
        codec.decode(data)
    assert caught.value.codec == "protobuf"


def test_a_message_that_moved_in_its_file_is_still_the_same(registry: SchemaRegistry) -> None:
    older, newer = shop()["Order"], shop(extra_first=True)["Order"]
    data = registry.protobuf().for_topic("old", "value", older).encode(older(id=3))
    read = registry.protobuf().for_topic("new", "value", newer).decode(data)
    assert read == newer(id=3)


def test_a_message_of_another_class_is_an_encode_error(registry: SchemaRegistry) -> None:
    classes = shop()
    codec = registry.protobuf().for_topic("t", "value", classes["Order"])
    for value in (classes["Refund"](), {"id": 1}, None):
        with pytest.raises(EncodeError, match="protobuf: expected Order, got"):
            codec.encode(value)


@pytest.mark.parametrize("kind", [None, dict, int, str])
def test_protobuf_needs_a_generated_class(registry: SchemaRegistry, kind: Any) -> None:
    with pytest.raises(ConfigError, match="needs a generated message class as value_type"):
        registry.protobuf().for_topic("t", "value", kind)
