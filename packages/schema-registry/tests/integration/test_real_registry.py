"""The client and its codecs against a real registry: ids, versions, subjects, refusals, size."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from faust_core.errors import ConfigError, DecodeError
from faust_schema_registry import (
    IncompatibleSchema,
    Reference,
    RegistryRefused,
    Schema,
    SchemaNotFound,
    SchemaRegistry,
)


@dataclasses.dataclass
class Order:
    id: int
    note: str = ""


@dataclasses.dataclass
class Priced:
    id: int
    price: float
    note: str = ""


@pytest.fixture
def registry(schema_registry_url: str) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(schema_registry_url)
    yield registry
    registry.close()


def record(*fields: tuple[str, Any], name: str = "Order") -> Schema:
    described = [{"name": name, "type": kind} for name, kind in fields]
    return Schema(json.dumps({"type": "record", "name": name, "fields": described}), "AVRO")


def test_a_schema_is_found_by_id_version_and_as_the_latest(registry: SchemaRegistry, unique: str) -> None:
    subject = f"{unique}-value"
    first, second = record(("id", "int")), record(("id", "long"))
    ids = [registry.client.register(subject, schema) for schema in (first, second)]
    fresh = SchemaRegistry(registry.client.urls).client
    assert json.loads(fresh.schema(ids[0]).text) == json.loads(first.text)
    assert fresh.schema(ids[0]).kind == "AVRO"
    assert json.loads(fresh.version(subject, 2).text) == json.loads(second.text)
    assert fresh.latest(subject)[0] == ids[1]
    assert fresh.register(subject, first) == ids[0], "an older version is there already"
    assert (fresh.id_of(subject, second), fresh.version_of(subject, first)) == (ids[1], 1)
    fresh.close()


def test_what_is_not_there_is_named(registry: SchemaRegistry, unique: str) -> None:
    client = registry.client
    with pytest.raises(SchemaNotFound, match=f"cannot find the latest schema of '{unique}'"):
        client.latest(unique)
    with pytest.raises(SchemaNotFound, match=r"cannot find schema 2147483647: .*40403"):
        client.schema(2**31 - 1)
    with pytest.raises(SchemaNotFound, match=f"cannot find version 3 of '{unique}'"):
        client.version(unique, 3)
    client.register(unique, record(("id", "int")))
    with pytest.raises(SchemaNotFound, match=r"40402|40403"):
        client.version(unique, 3)
    with pytest.raises(SchemaNotFound, match=f"cannot find the schema of '{unique}'"):
        client.id_of(unique, record(("other", "int")))


@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, 2**32 - 1])
def test_an_id_that_the_registry_has_not_given_is_a_decode_error(
    registry: SchemaRegistry, unique: str, number: int
) -> None:
    codec = registry.avro().for_topic(unique, "value", Order)
    data = b"\0" + number.to_bytes(4, "big") + b"\0"
    codec.fetch(codec.missing([data]))
    with pytest.raises(DecodeError, match=str(number)):
        codec.decode(data)


def test_an_incompatible_schema_is_refused_with_the_registrys_reasons(registry: SchemaRegistry, unique: str) -> None:
    registry.avro(name="Order").for_topic(unique, "value", Order).prepare()
    registry.avro(name="Order", schema=record(("id", "long"), ("note", "string")).text).for_topic(
        unique, "value", None
    ).prepare()
    with pytest.raises(IncompatibleSchema) as caught:
        registry.avro(name="Order").for_topic(unique, "value", Priced).encode(Priced(1, 2.0))
    said = str(caught.value)
    assert f"cannot register the schema of '{unique}-value': it is incompatible" in said
    assert "price" in said or "/fields/1" in said, said
    assert "change the type so that it is compatible" in said
    assert (caught.value.status, caught.value.code) == (409, 409)


def test_json_schema_and_protobuf_are_checked_too(registry: SchemaRegistry, unique: str) -> None:
    client = registry.client
    client.register(
        f"{unique}-json", Schema('{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}', "JSON")
    )
    with pytest.raises(IncompatibleSchema):
        client.register(
            f"{unique}-json",
            Schema('{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}', "JSON"),
        )
    client.register(f"{unique}-proto", Schema('syntax = "proto3"; message A { string x = 1; }', "PROTOBUF"))
    with pytest.raises(IncompatibleSchema):
        client.register(f"{unique}-proto", Schema('syntax = "proto3"; message A { int64 x = 1; }', "PROTOBUF"))


@pytest.mark.parametrize(
    "schema",
    [
        Schema('{"type":"record","name":"NoFields"}', "AVRO"),
        Schema("no schema", "PROTOBUF"),
        Schema('{"type":"record","name":"R","fields":[{"name":"a","type":"Unknown"}]}', "AVRO"),
        Schema(record(("id", "Money")).text, "AVRO", (Reference("Money", "no-such-subject", 1),)),
    ],
    ids=["avro", "protobuf", "unknown type", "unknown reference"],
)
def test_an_invalid_schema_is_refused(registry: SchemaRegistry, unique: str, schema: Schema) -> None:
    with pytest.raises(RegistryRefused, match=f"cannot register the schema of '{unique}'") as caught:
        registry.client.register(unique, schema)
    assert caught.value.status in (404, 422)


@pytest.mark.parametrize(
    ("strategy", "subject"), [("topic", "{}-value"), ("record", "{}.Order"), ("topic-record", "{}-{}.Order")]
)
def test_a_schema_stands_under_the_subject_that_the_strategy_says(
    registry: SchemaRegistry, unique: str, strategy: str, subject: str
) -> None:
    name = unique.replace("-", "_")
    codec = registry.avro(name=f"{name}.Order", subject_name=strategy).for_topic(unique, "value", Order)
    data = codec.encode(Order(1))
    expected = subject.format(
        *((unique, name) if strategy == "topic-record" else (unique if strategy == "topic" else name,))
    )
    assert registry.client.latest(expected)[0] == int.from_bytes(data[1:5], "big")


def test_subjects_with_slashes_and_spaces_are_those_subjects(registry: SchemaRegistry, unique: str) -> None:
    subject = f"{unique}/a b/ä?x=1#y"
    id_ = registry.client.register(subject, record(("id", "int")))
    assert registry.client.latest(subject)[0] == id_


def test_without_auto_register_the_schema_must_be_there(schema_registry_url: str, unique: str) -> None:
    strict = SchemaRegistry(schema_registry_url, auto_register=False)
    with pytest.raises(SchemaNotFound, match=r"is not registered under .* register it, or write with what is there"):
        strict.avro(name="Order").for_topic(unique, "value", Order).encode(Order(1))
    loose = SchemaRegistry(schema_registry_url)
    data = loose.avro(name="Order").for_topic(unique, "value", Order).encode(Order(1))
    assert strict.avro(name="Order").for_topic(unique, "value", Order).encode(Order(1)) == data
    strict.close()
    loose.close()


def test_a_schema_of_a_megabyte_is_registered_and_read(registry: SchemaRegistry, unique: str) -> None:
    doc = "x" * 400
    fields = [{"name": f"field_{n}", "type": ["null", "string"], "default": None, "doc": doc} for n in range(2000)]
    schema = {"type": "record", "name": "Wide", "fields": fields}
    value = {"field_7": "seven", "field_1999": "last"}
    data = registry.avro(schema=schema).for_topic(unique, "value", None).encode(value)
    other = SchemaRegistry(registry.client.urls)
    read = other.avro().for_topic(unique, "value", None).decode(data)
    assert {name: part for name, part in read.items() if part is not None} == value
    other.close()


def test_the_url_of_something_else_is_called_that(schema_registry_url: str, unique: str) -> None:
    elsewhere = SchemaRegistry(schema_registry_url.replace("/apis/ccompat/v7", "/no/such/page"), retries=0)
    with pytest.raises(ConfigError, match=r"no such page: is it the URL of a schema registry\?"):
        elsewhere.avro().for_topic(unique, "value", Order).encode(Order(1))
    elsewhere.close()
