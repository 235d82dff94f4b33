"""Schemas: types and codecs in one object, with hooks for each record."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from faust_core import Schema
from faust_core.errors import ConfigError, DecodeError


@dataclasses.dataclass
class Order:
    id: int
    note: str = ""


class Versioned(Schema[Any, Any]):
    """Reads by a header what it writes with one."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        version = dict(message.headers).get("version")
        if version == b"0":
            return Order(int(message.value))
        if version == b"9":
            raise RuntimeError("from the future")
        return super().loads_value(app, message, loads=loads, serializer=serializer)

    def on_dumps_value_prepare_headers(self, value: Any, headers: Any) -> Any:
        headers["version"] = "1"
        return headers

    def on_dumps_key_prepare_headers(self, key: Any, headers: Any) -> Any:
        return {**headers, "keyed": "no" if key is None else "yes"}


def test_a_schema_says_what_a_topic_says(lab: Any) -> None:
    app = lab.app()
    schema = Schema(key_type=int, value_type=Order, value_serializer="json|zlib", allow_empty=True)
    topic = app.topic("in", schema=schema)
    assert (topic.key_type, topic.value_type, topic.value_serializer, topic.allow_empty) == (
        int,
        Order,
        "json|zlib",
        True,
    )
    assert not topic.by_record, "costs nothing more"
    wins = app.topic("in", schema=schema, value_type=int, value_serializer="json")
    assert (wins.key_type, wins.value_type, wins.value_serializer) == (int, int, "json")


def test_update_changes_what_is_not_none(lab: Any) -> None:
    schema = Schema(value_type=Order, value_serializer="json")
    schema.update(key_type=int, value_serializer="json|zlib")
    assert (schema.key_type, schema.value_type, schema.value_serializer) == (int, Order, "json|zlib")


def test_a_schema_reads_and_writes_without_a_topic(lab: Any) -> None:
    app = lab.app()
    schema = Schema(value_type=Order, value_serializer="json")
    data, headers = schema.dumps_value(app, Order(1), headers={})
    assert (data, headers) == (b'{"id":1,"note":""}', {})
    assert schema.dumps_key(app, None, headers={}) == (None, {})
    assert schema.dumps_value(app, Order(1), serializer="json|binary", headers={})[0].startswith(b"eyJ")


async def test_hooks_see_each_record_and_its_headers(lab: Any, eventually: Any) -> None:
    app = lab.app()
    topic = app.topic("in", schema=Versioned(value_type=Order, value_serializer="json"))
    seen: list[Any] = []

    @app.agent(topic)
    async def read(stream: Any) -> None:
        async for event in stream.events():
            seen.append((event.value, event.key))

    lab.put("in", b"5", headers=[("version", b"0")])
    lab.put("in", b'{"id":6}')
    lab.put("in", b"7", headers=[("version", b"9")])
    lab.put("in", b"not json")
    async with app:
        await eventually(lambda: lab.committed("in") == 4)
        await topic.send(key="k", value=Order(8), headers={"mine": b"x"})
        await eventually(lambda: len(seen) == 3)
    assert seen == [(Order(5), None), (Order(6), None), (Order(8), b"k")]
    assert dict(lab.records("in")[-1].headers) == {"mine": b"x", "keyed": b"yes", "version": b"1"}
    messages = [dict(letter.headers)["Faust-Error-Message"].decode() for letter in lab.records("app-dead-letter")]
    assert messages[0] == "cannot decode the value of in/0 at offset 2: from the future"
    assert messages[1].startswith("cannot decode the value of in/0 at offset 3: ")
    assert "json: " in messages[1]


async def test_hooks_of_a_schema_go_along_with_a_repartitioned_stream(lab: Any, eventually: Any) -> None:
    app = lab.app()
    topic = app.topic("in", schema=Versioned(value_type=Order, value_serializer="json"))
    seen: list[Any] = []

    @app.agent(topic, name="by-note")
    async def read(stream: Any) -> None:
        async for event in stream.group_by(lambda order: order.note, name="note").events():
            seen.append((event.value, event.key))

    lab.put("in", b"5", headers=[("version", b"0")])
    lab.put("in", b'{"id":6,"note":"n"}')
    async with app:
        await eventually(lambda: len(seen) == 2)
    assert seen == [(Order(5), b""), (Order(6, "n"), b"n")]


async def test_hooks_write_what_processors_make_before_a_stream_is_repartitioned(lab: Any, eventually: Any) -> None:
    app = lab.app()
    topic = app.topic("in", schema=Versioned(value_serializer="json"))
    seen: list[Any] = []

    @app.agent(topic, name="doubled")
    async def read(stream: Any) -> None:
        async for event in stream.map(lambda value: value * 2).group_by(lambda value: "k", name="k").events():
            seen.append((event.value, dict(event.headers)["version"]))

    lab.put("in", b"5")
    async with app:
        await eventually(lambda: seen == [(10, b"1")])


async def test_a_schema_can_be_given_for_one_record(lab: Any) -> None:
    app = lab.app()
    lab.broker.create_topic("out", 1)
    topic = app.topic("out", value_serializer="json")
    schema = Schema(value_serializer="json|binary")
    async with app:
        for _ in range(3):
            await topic.send(value=1, schema=schema)
        await topic.send(value=1, schema=Versioned(value_serializer="json"))
        assert topic.with_codecs(schema) is topic.with_codecs(schema)
    assert [record.value for record in lab.records("out")] == [b"MQ=="] * 3 + [b"1"]
    assert dict(lab.records("out")[-1].headers)["version"] == b"1"


def test_a_table_takes_no_hooks(lab: Any) -> None:
    app = lab.app()
    with pytest.raises(ConfigError, match="Versioned overrides loads_value, on_dumps_key_prepare_headers"):
        app.Table("t", schema=Versioned(value_type=Order))
    table = app.Table("t", schema=Schema(value_type=Order, value_serializer="json|zlib"))
    assert table.value_type is Order
    with pytest.raises(DecodeError):
        table.codec.decode_value(b"{}")


def test_a_derived_topic_takes_types_from_its_changes_not_from_the_schema(lab: Any) -> None:
    app = lab.app()
    topic = app.topic("in", schema=Versioned(key_type=int, value_type=Order, value_serializer="json"))
    derived = topic.derive(topics=("other",), key_type=None)
    assert (derived.key_type, derived.value_type, derived.by_record) == (None, Order, True)
    assert topic.schema.key_type is int


async def test_an_agent_takes_a_schema_and_codecs_for_one_record(lab: Any, eventually: Any) -> None:
    app = lab.app()
    seen: list[Any] = []

    @app.agent("in", schema=Schema(value_type=Order, value_serializer="json|binary"), name="reads")
    async def read(stream: Any) -> None:
        async for value in stream:
            seen.append(value)

    lab.broker.create_topic("in", 1)
    async with app:
        await read.send(value=Order(1))
        await app.send(read, value=Order(2))
        await app.send("in", value={"id": 3}, value_serializer="json|binary")
        await read.send(value=Order(4), value_serializer="json")
        await eventually(lambda: lab.committed("in") == 4)
    assert seen == [Order(1), Order(2), Order(3)]
    assert [record.offset for record in lab.records("in")] == [0, 1, 2, 3]
    assert len(lab.records("app-dead-letter")) == 1
