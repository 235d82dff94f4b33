"""The client and its codecs against a registry over HTTP: subjects, ids, refusals, faults, evolution."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from faust_core.errors import ConfigError, DecodeError, EncodeError, RetriableTransportError
from faust_core.registry import codec as find_codec
from faust_schema_registry import (
    IncompatibleSchema,
    RegistryRefused,
    RegistryUnavailable,
    Schema,
    SchemaNotFound,
    SchemaRegistry,
)
from tests.services.patience import PATIENCE
from tests.services.schema_registry import SchemaRegistryServer


@dataclasses.dataclass
class Order:
    id: int
    note: str = ""


@dataclasses.dataclass
class Priced:
    id: float
    price: float
    note: str = ""


@pytest.fixture
def registry(schema_registry: SchemaRegistryServer) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(schema_registry.url, retries=1, retry_wait_s=0.01)
    yield registry
    registry.close()


def version(*fields: tuple[str, Any] | tuple[str, Any, Any], name: str = "Order") -> dict[str, Any]:
    """An Avro record."""
    described = [{"name": f[0], "type": f[1], **({"default": f[2]} if len(f) > 2 else {})} for f in fields]
    return {"type": "record", "name": name, "fields": described}


# -- subjects and ids


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("topic", "orders-key"),
        ("record", "shop.Order"),
        ("topic-record", "orders-shop.Order"),
        (lambda topic, part, record: f"{record}/{part}/{topic}", "shop.Order/key/orders"),
    ],
)
def test_a_schema_stands_under_the_subject_that_the_strategy_says(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer, strategy: Any, subject: str
) -> None:
    registry.avro(name="shop.Order", subject_name=strategy).for_topic("orders", "key", Order).encode(Order(1))
    assert list(schema_registry.state.subjects) == [subject]


def test_strategies_that_cannot_be_are_errors(registry: SchemaRegistry) -> None:
    with pytest.raises(ConfigError, match="subject_name is one of topic, record, topic-record"):
        registry.avro(subject_name="recrod")
    with pytest.raises(ConfigError, match="can write only for a topic"):
        registry.avro().for_topic("", "value", Order).encode(Order(1))
    with pytest.raises(ConfigError, match="needs a schema with a name"):
        registry.avro(subject_name="record").for_topic("t", "value", int).encode(1)


def test_the_registry_is_asked_once_for_each_schema(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    codec = registry.avro().for_topic("orders", "value", Order)
    data = [codec.encode(Order(n)) for n in range(100)]
    assert [codec.decode(one) for one in data] == [Order(n) for n in range(100)]
    assert schema_registry.requests == ["POST /subjects/orders-value/versions"]
    other = SchemaRegistry(schema_registry.url).avro().for_topic("orders", "value", Order)
    assert [other.decode(one) for one in data][-1] == Order(99)
    assert schema_registry.requests[1:] == ["GET /schemas/ids/1"]


def test_a_value_begins_with_a_zero_and_the_schemas_id(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    for topic in ("a", "b"):
        codec = registry.avro(schema=json.dumps("string" if topic == "a" else "long")).for_topic(topic, "value", None)
        value = "hi" if topic == "a" else -1
        expected = b"\0\0\0\0\1\4hi" if topic == "a" else b"\0\0\0\0\2\1"
        assert codec.encode(value) == expected
        assert codec.decode(expected) == value


def test_what_a_batch_needs_is_told_without_asking(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    data = registry.avro().for_topic("orders", "value", Order).encode(Order(1))
    codec = SchemaRegistry(schema_registry.url).avro().for_topic("orders", "value", Order)
    before = schema_registry.requests
    missing = codec.missing([data, None, b"", b"\1\2", b"\0\0\0\0\x63x", data])
    assert missing == {data[:5], b"\0\0\0\0\x63"}
    assert schema_registry.requests == before
    codec.fetch(missing)
    assert codec.missing([data, b"\0\0\0\0\x63x"]) == frozenset(), "an unknown id is not asked for again at once"
    after = schema_registry.requests
    assert codec.decode(data) == Order(1)
    with pytest.raises(DecodeError, match="the schema registry has no schema 99"):
        codec.decode(b"\0\0\0\0\x63x")
    assert schema_registry.requests == after


# -- who may register


def test_an_incompatible_schema_is_refused_with_the_registrys_reasons(registry: SchemaRegistry) -> None:
    registry.avro(name="Order").for_topic("orders", "value", Order).prepare()
    codec = registry.avro(name="Order").for_topic("orders", "value", Priced)
    with pytest.raises(IncompatibleSchema) as caught:
        codec.prepare()
    message = str(caught.value)
    assert "cannot register the schema of 'orders-value'" in message
    assert "READER_FIELD_MISSING_DEFAULT_VALUE at /price" in message
    assert "change the type so that it is compatible" in message
    assert caught.value.status == 409
    assert not codec.prepared


def test_without_auto_register_the_schema_must_be_there(schema_registry: SchemaRegistryServer) -> None:
    registry = SchemaRegistry(schema_registry.url, auto_register=False)
    codec = registry.avro().for_topic("orders", "value", Order)
    with pytest.raises(SchemaNotFound, match="not registered under 'orders-value', and auto_register is off") as caught:
        codec.encode(Order(1))
    assert caught.value.code == 40401
    SchemaRegistry(schema_registry.url).avro().for_topic("orders", "value", Order).prepare()
    assert codec.encode(Order(1))[:5] == b"\0\0\0\0\1"
    with pytest.raises(SchemaNotFound) as caught:
        registry.avro().for_topic("orders", "value", Priced).prepare()
    assert caught.value.code == 40403


def test_the_latest_schema_can_be_written_whatever_the_type_says(schema_registry: SchemaRegistryServer) -> None:
    SchemaRegistry(schema_registry.url).avro(
        schema=version(("id", "long"), ("note", "string", ""), ("extra", "int", 7))
    ).for_topic("orders", "value", None).prepare()
    codec = SchemaRegistry(schema_registry.url, use_latest=True).avro().for_topic("orders", "value", Order)
    data = codec.encode(Order(1, "n"))
    plain = SchemaRegistry(schema_registry.url).avro().for_topic("orders", "value", None)
    assert plain.decode(data) == {"id": 1, "note": "n", "extra": 7}
    with pytest.raises(SchemaNotFound, match="latest schema of 'none-value'"):
        SchemaRegistry(schema_registry.url, use_latest=True).avro().for_topic("none", "value", Order).prepare()


def test_a_codec_without_type_and_schema_can_only_read(registry: SchemaRegistry) -> None:
    data = registry.avro().for_topic("orders", "value", Order).encode(Order(1, "n"))
    plain = registry.avro().for_topic("orders", "value", None)
    assert plain.decode(data) == {"id": 1, "note": "n"}
    with pytest.raises(ConfigError, match="nothing says what is written"):
        plain.encode({"id": 1})


def test_a_schema_that_the_registry_finds_invalid_is_refused(registry: SchemaRegistry) -> None:
    with pytest.raises(RegistryRefused, match="Invalid schema") as caught:
        registry.client.register("s", Schema('{"no":"type"}', "AVRO"))
    assert (caught.value.status, caught.value.code) == (422, 42201)


# -- faults


def test_a_registry_that_fails_for_a_moment_is_asked_again(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    schema_registry.state.failing = [503]
    registry.avro().for_topic("orders", "value", Order).prepare()
    assert schema_registry.requests == ["POST /subjects/orders-value/versions"] * 2


def test_a_registry_that_fails_for_longer_is_unavailable_and_no_record_is_to_blame(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    schema_registry.state.failing = [500, 500]
    codec = registry.avro().for_topic("orders", "value", Order)
    with pytest.raises(RegistryUnavailable, match=r"the schema registry http://\S+ fails with 500") as caught:
        codec.decode(b"\0\0\0\0\1")
    assert isinstance(caught.value, RetriableTransportError)
    assert not isinstance(caught.value, DecodeError)
    assert codec.encode(Order(1)), "and later it works"
    schema_registry.stop()
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        codec.decode(b"\0\0\0\0\2")
    schema_registry.start()
    with pytest.raises(DecodeError, match="has no schema 2"):
        codec.decode(b"\0\0\0\0\2")


def test_the_next_url_is_asked_where_one_cannot_be_reached(schema_registry: SchemaRegistryServer) -> None:
    with SchemaRegistryServer() as gone:
        url = gone.url
    for urls in (f"{url}, {schema_registry.url}", [url, schema_registry.url]):
        registry = SchemaRegistry(urls, retries=0)
        assert registry.avro().for_topic("orders", "value", Order).encode(Order(1))[:5] == b"\0\0\0\0\1"


def test_a_registry_that_does_not_answer_is_unavailable_after_the_timeout() -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = SchemaRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2, retries=0)
        begun = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="cannot be reached"):
            registry.avro().for_topic("orders", "value", Order).prepare()
        assert time.monotonic() - begun < 5 * PATIENCE


def test_what_is_no_registry_is_refused(schema_registry: SchemaRegistryServer) -> None:
    registry = SchemaRegistry(f"{schema_registry.url}/wrong")
    with pytest.raises(RegistryRefused, match="is it the URL of a schema registry"):
        registry.avro().for_topic("orders", "value", Order).prepare()


def test_credentials_are_sent_and_their_refusal_is_final() -> None:
    with SchemaRegistryServer(credentials=SchemaRegistryServer.basic("ada", "s:ecret")) as server:
        for auth in (("ada", "s:ecret"), "ada:s:ecret"):
            SchemaRegistry(server.url, basic_auth=auth).avro().for_topic("t", "value", Order).prepare()
        for options in ({}, {"basic_auth": "ada:wrong"}, {"bearer_token": "wrong"}):
            codec = SchemaRegistry(server.url, **options).avro().for_topic("t", "value", Order)  # type: ignore[arg-type]
            with pytest.raises(RegistryRefused, match="refuses the credentials") as caught:
                codec.prepare()
            assert not isinstance(caught.value, RetriableTransportError)
    with SchemaRegistryServer(credentials="Bearer tok") as server:
        SchemaRegistry(server.url, bearer_token="tok").avro().for_topic("t", "value", Order).prepare()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "registry.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def test_tls_takes_only_certificates_of_the_authorities_given(certificate: Path) -> None:
    with SchemaRegistryServer(certificate=certificate) as server:
        SchemaRegistry(server.url, ssl_ca=certificate).avro().for_topic("t", "value", Order).prepare()
        codec = SchemaRegistry(server.url, retries=0).avro().for_topic("t", "value", Order)
        with pytest.raises(RegistryUnavailable, match="certificate verify failed"):
            codec.prepare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "localhost:8081"}, "begins with http:// or https://"),
        ({"url": ""}, "needs a URL"),
        ({"basic_auth": "a:b", "bearer_token": "c"}, "not both"),
        ({"ssl_ca": "/no/such/file"}, "there is no file '/no/such/file'"),
        ({"timeout_s": 0}, "timeout_s is above 0"),
        ({"retries": -1}, "are not below"),
        ({"subject_name": "nonsense"}, "subject_name is one of"),
    ],
)
def test_options_that_cannot_be_are_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SchemaRegistry(**{"url": "http://localhost", **options})


def test_an_option_that_confluents_client_does_not_know_is_named() -> None:
    registry = SchemaRegistry("http://localhost", options={"no.such.option": 1})
    with pytest.raises(RegistryRefused, match=r"no\.such\.option"):
        registry.avro().for_topic("t", "value", Order).prepare()


def test_the_environment_says_which_registry_a_name_means(
    schema_registry: SchemaRegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    with pytest.raises(ConfigError, match="Set SCHEMA_REGISTRY_URL"):
        find_codec("avro", Order, topic="orders")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", schema_registry.url)
    monkeypatch.setenv("SCHEMA_REGISTRY_SUBJECT_NAME", "topic-record")
    for name in ("avro", "json-schema"):
        codec = find_codec(name, Order, topic=name, part="key")
        assert codec.decode(codec.encode(Order(1))) == Order(1)
    assert [subject.split("-")[0] for subject in schema_registry.state.subjects] == ["avro", "json"]
    chain = find_codec("avro|zlib", Order, topic="zipped")
    assert chain.decode(chain.encode(Order(1))) == Order(1)
    monkeypatch.setenv("SCHEMA_REGISTRY_AUTO_REGISTER", "perhaps")
    with pytest.raises(ConfigError, match="SCHEMA_REGISTRY_AUTO_REGISTER='perhaps': true or false"):
        find_codec("avro", Order, topic="orders")
    monkeypatch.setenv("SCHEMA_REGISTRY_AUTO_REGISTER", "off")
    with pytest.raises(SchemaNotFound):
        find_codec("avro", Order, topic="new").encode(Order(1))


# -- evolution


def test_avro_reads_what_other_versions_of_a_type_have_written(registry: SchemaRegistry) -> None:
    def write(schema: dict[str, Any], value: Any) -> bytes:
        return registry.avro(schema=schema, subject_name="record").for_topic("t", "value", None).encode(value)

    registry.client._ask("set", lambda client: client.set_compatibility(level="NONE"))
    reader = registry.avro(name="Order", subject_name="record").for_topic("t", "value", Order)
    older = write(version(("id", "int")), {"id": 5})
    newer = write(version(("new", "string"), ("note", "string"), ("id", "long")), {"new": "x", "note": "n", "id": 6})
    assert reader.decode(older) == Order(5, "")
    assert reader.decode(newer) == Order(6, "n")
    for schema, value in [(version(("id", "string")), {"id": "x"}), (version(("note", "string")), {"note": "x"})]:
        with pytest.raises(DecodeError) as caught:
            reader.decode(write(schema, value))
        assert caught.value.codec == "avro"


def test_schemas_of_other_formats_and_schemas_of_no_use_are_decode_errors(registry: SchemaRegistry) -> None:
    registry.client.register("json", Schema('{"type":"object"}', "JSON"))
    endless = {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}}
    registry.client.register("endless", Schema(json.dumps(endless), "AVRO"))
    codec = registry.avro().for_topic("t", "value", None)
    with pytest.raises(DecodeError, match="avro: schema 1 is of the format JSON, not AVRO"):
        codec.decode(b"\0\0\0\0\1{}")
    with pytest.raises(DecodeError, match="an array of items that take no bytes"):
        codec.decode(b"\0\0\0\0\2" + b"\xfe" * 8 + b"\1\0")


def test_a_schema_may_refer_to_others(registry: SchemaRegistry, schema_registry: SchemaRegistryServer) -> None:
    money = Schema(json.dumps(version(("cents", "long"), name="Money")), "AVRO")
    registry.client.register("money", money)
    order = {
        "schemaType": "AVRO",
        "schema": json.dumps(version(("id", "long"), ("price", "Money"))),
        "references": [{"name": "Money", "subject": "money", "version": 1}],
    }
    schema_registry.state.schemas[2] = order
    codec = registry.avro().for_topic("t", "value", None)
    assert codec.decode(b"\0\0\0\0\2\2\4") == {"id": 1, "price": {"cents": 2}}


def test_bytes_behind_a_value_are_a_decode_error(registry: SchemaRegistry) -> None:
    codec = registry.avro().for_topic("t", "value", Order)
    with pytest.raises(DecodeError, match="2 bytes too many"):
        codec.decode(codec.encode(Order(1)) + b"xx")


# -- JSON Schema


def test_plain_json_is_checked_by_its_schema(registry: SchemaRegistry) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    codec = registry.json_schema(schema=schema).for_topic("t", "value", None)
    assert codec.decode(codec.encode({"id": 1})) == {"id": 1}
    with pytest.raises(EncodeError, match="'x' is not of type 'integer'"):
        codec.encode({"id": "x"})
    unchecked = registry.json_schema(schema=schema, validate=False).for_topic("t", "value", None)
    with pytest.raises(DecodeError, match="json-schema: id: 'x' is not of type 'integer'") as caught:
        codec.decode(unchecked.encode({"id": "x"}))
    assert caught.value.field == "id"
    with pytest.raises(ConfigError, match="this is no schema"):
        registry.json_schema(schema={"type": "nonsense"}).for_topic("t", "value", None)


def test_typed_json_is_checked_by_its_type_and_needs_no_registry_to_be_read(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    codec = registry.json_schema().for_topic("t", "value", Order)
    data = codec.encode(Order(1, "n"))
    assert data == b'\0\0\0\0\1{"id":1,"note":"n"}'
    registered = json.loads(schema_registry.state.schemas[1]["schema"])
    assert (registered["title"], registered["required"]) == ("Order", ["id"])
    with pytest.raises(DecodeError, match="json-schema: Expected `int`") as caught:
        codec.decode(b'\0\0\0\0\1{"id":"x"}')
    assert caught.value.field == "id"
    schema_registry.stop()
    other = SchemaRegistry(schema_registry.url).json_schema().for_topic("t", "value", Order)
    assert other.missing([data]) == frozenset()
    assert other.decode(data) == Order(1, "n")


def test_a_schema_cannot_make_the_codec_fetch_other_urls(
    registry: SchemaRegistry, schema_registry: SchemaRegistryServer
) -> None:
    registry.client.register("evil", Schema(json.dumps({"$ref": f"{schema_registry.url}/subjects"}), "JSON"))
    before = schema_registry.requests
    with pytest.raises(DecodeError):
        registry.json_schema().for_topic("t", "value", None).decode(b"\0\0\0\0\1{}")
    assert "GET /subjects" not in schema_registry.requests[len(before) :]


def test_money_keeps_its_cents(registry: SchemaRegistry) -> None:
    @dataclasses.dataclass
    class Money:
        amount: Decimal

    for codec in (registry.avro(), registry.json_schema()):
        bound = codec.for_topic(codec.name, "value", Money)
        assert bound.decode(bound.encode(Money(Decimal("1.10")))) == Money(Decimal("1.10"))
