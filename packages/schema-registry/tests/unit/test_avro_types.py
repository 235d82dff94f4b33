"""Avro schemas of Python types."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest

import faust_models
from faust_core.errors import ConfigError, EncodeError
from faust_schema_registry import SchemaRegistry
from faust_schema_registry.avro_schema import avro_type
from tests.services.schema_registry import SchemaRegistryServer


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Spaced(enum.Enum):
    ODD = "not a name"


class Level(enum.IntEnum):
    LOW = 1


class Item(faust_models.Record):
    name: str
    price: Decimal


class Everything(faust_models.Record):
    flag: bool
    number: int
    fraction: float
    text: str
    data: bytes
    at: dt.datetime
    day: dt.date
    time: dt.time
    local: Annotated[dt.datetime, msgspec.Meta(tz=False)]
    id: uuid.UUID
    money: Annotated[
        Decimal,
        msgspec.Meta(extra={"avro": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}}),
    ]
    colour: Colour
    again: Colour | None
    spaced: Spaced
    level: Level
    kind: Literal["a", "b"]
    items: list[Item]
    tags: set[str]
    pair: tuple[int, ...]
    counts: dict[str, list[int]]
    either: int | str
    maybe: Item | None = None
    note: str | None = "none"
    many: list[str] = msgspec.field(default_factory=list)
    renamed: int = msgspec.field(default=0, name="other")


class Node(msgspec.Struct):
    value: int
    next: Node | None = None


class Keys(TypedDict):
    a: int
    b: str


class Pair(NamedTuple):
    a: int


@dataclasses.dataclass
class Dated:
    day: dt.date = dt.date(2024, 1, 1)


@dataclasses.dataclass
class Timed:
    at: dt.datetime


@dataclasses.dataclass
class Odd:
    inner: list[dict[int, str]]


@dataclasses.dataclass
class Anything:
    value: Any


class TwoRecords(msgspec.Struct):
    either: Item | None
    both: Keys | str


@pytest.fixture
def registry(schema_registry: SchemaRegistryServer) -> SchemaRegistry:
    return SchemaRegistry(schema_registry.url)


def everything() -> Everything:
    return Everything(
        flag=True,
        number=-(2**63),
        fraction=0.1,
        text="ä€",
        data=b"\0\xff",
        at=dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC),
        day=dt.date(1969, 12, 31),
        time=dt.time(1, 2, 3, 4),
        local=dt.datetime(2024, 5, 6, 7, 8, 9, 10),  # noqa: DTZ001  that is what it is for
        id=uuid.UUID(int=7),
        money=Decimal("-12.30"),
        colour=Colour.RED,
        again=Colour.BLUE,
        spaced=Spaced.ODD,
        level=Level.LOW,
        kind="b",
        items=[Item("a", Decimal("1.10")), Item("b", Decimal(2))],
        tags={"x", "y"},
        pair=(1, 2, 3),
        counts={"a": [1], "": []},
        either="text",
        renamed=5,
    )


def test_every_type_that_avro_has_something_for_is_read_back(registry: SchemaRegistry) -> None:
    codec = registry.avro().for_topic("t", "value", Everything)
    value = everything()
    assert codec.decode(codec.encode(value)) == value
    plain = registry.avro().for_topic("t", "value", None).decode(codec.encode(value))
    assert plain["money"] == Decimal("-12.30")
    assert plain["at"] == value.at
    assert plain["other"] == 5


def test_a_type_that_has_itself_inside_is_a_schema_by_its_name(registry: SchemaRegistry) -> None:
    codec = registry.avro(name="tree.Node").for_topic("t", "value", Node)
    assert avro_type(Node, "tree.Node").schema["fields"][1]["type"] == ["null", "tree.Node"]
    value = Node(1, Node(2, Node(3)))
    assert codec.decode(codec.encode(value)) == value
    for _ in range(5_000):
        value = Node(0, value)
    with pytest.raises(EncodeError, match="recursion"):
        codec.encode(value)


def test_typed_dicts_are_records(registry: SchemaRegistry) -> None:
    codec = registry.avro().for_topic("t", "value", Keys)
    assert codec.decode(codec.encode({"a": 1, "b": "x"})) == {"a": 1, "b": "x"}
    with pytest.raises(EncodeError, match="avro cannot write a dict"):
        codec.encode({"a": 1})


def test_simple_types_need_no_record(registry: SchemaRegistry) -> None:
    for kind, value in [(int, 5), (str, "x"), (list[int], [1, 2]), (dict[str, float], {"a": 1.5}), (uuid.UUID, None)]:
        value = uuid.UUID(int=1) if value is None else value
        codec = registry.avro().for_topic(repr(kind), "key", kind)
        assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Anything, "avro cannot carry Anything because of value: Avro has nothing for Any"),
        (Odd, r"because of inner\[\]: a map's keys are text in Avro"),
        (Pair, "Avro has nothing for NamedTuple"),
        (Dated, "because of day: a date cannot be a default here"),
        (TwoRecords, "because of both: a union of such types cannot be told apart"),
        (dt.timedelta, "Avro has nothing for TimeDelta"),
        (tuple[int, str], "Avro has nothing for Tuple"),
        (object, "Avro has nothing for"),
    ],
)
def test_what_avro_has_nothing_for_is_an_error_that_names_it(registry: SchemaRegistry, kind: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.avro().for_topic("t", "value", kind)


def test_a_name_must_be_one_of_avros(registry: SchemaRegistry) -> None:
    with pytest.raises(ConfigError, match="is no name for a record"):
        registry.avro(name="my-order").for_topic("t", "value", Item)
    for schema, message in [("{", "the schema is no JSON"), ({"type": "nonsense"}, "this is no schema")]:
        with pytest.raises(ConfigError, match=message):
            registry.avro(schema=schema).for_topic("t", "value", None)


def test_a_time_without_a_zone_is_not_taken_for_one_of_this_machine(registry: SchemaRegistry) -> None:
    codec = registry.avro().for_topic("t", "value", Timed)
    with pytest.raises(EncodeError, match="has no time zone"):
        codec.encode(Timed(dt.datetime(2024, 1, 1)))  # noqa: DTZ001


@pytest.mark.parametrize("value", [Node(1), {"name": "a"}, None, 3])
def test_a_value_of_another_type_is_an_encode_error(registry: SchemaRegistry, value: Any) -> None:
    with pytest.raises(EncodeError, match="expected Item, got"):
        registry.avro().for_topic("t", "value", Item).encode(value)


def test_a_number_that_avro_cannot_hold_is_an_encode_error(registry: SchemaRegistry) -> None:
    with pytest.raises(EncodeError, match="avro cannot write a int"):
        registry.avro().for_topic("t", "value", int).encode(2**63)
