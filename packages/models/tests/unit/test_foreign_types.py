"""What is no record as the type of values, and inside of records: dataclasses, attrs, msgspec, pydantic, TypedDict."""

import dataclasses
import datetime as dt
from typing import Any, NamedTuple, NewType, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from faust_core.errors import DecodeError
from faust_models import Record, codecs


class Point(Record):
    x: int


@dataclasses.dataclass
class Data:
    day: dt.date
    points: list[Point] = dataclasses.field(default_factory=list)


@attrs.define
class Attrs:
    day: dt.date
    points: list[Point] = attrs.field(factory=list)


class Struct(msgspec.Struct):
    day: dt.date
    points: list[Point] = []


class Typed(TypedDict):
    day: dt.date
    points: list[Point]


class Pair(NamedTuple):
    day: dt.date
    points: list[Point]


class Model(pydantic.BaseModel):
    day: dt.date
    points: list[int] = []


Day = NewType("Day", dt.date)
DAY = dt.date(2024, 1, 2)
VALUES = [
    (Data, Data(DAY, [Point(1)])),
    (Attrs, Attrs(DAY, [Point(1)])),
    (Struct, Struct(DAY, [Point(1)])),
    (Typed, Typed(day=DAY, points=[Point(1)])),
    (Pair, Pair(DAY, [Point(1)])),
    (Model, Model(day=DAY, points=[1])),
    (Day, DAY),
]


class Tree(msgspec.Struct):
    leaf: Point
    branches: list["Tree"] = []


@pytest.mark.parametrize("codec", [codecs.json, codecs.msgpack])
@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda v: getattr(v, "__name__", ""))
def test_value_survives_alone_in_a_list_and_in_a_record(codec: Any, kind: Any, value: Any) -> None:
    class Holder(Record):
        inside: kind
        more: list[kind | None] = []  # noqa: RUF012 - made anew for every record

    assert codec(kind).decode(codec(kind).encode(value)) == value
    assert codec(list[kind]).decode(codec(list[kind]).encode([value])) == [value]
    holder = Holder(value, [value, None])
    assert codec(Holder).decode(codec(Holder).encode(holder)) == holder
    assert codec(Holder).decode(codec().encode(holder)) == holder
    assert Holder.from_data({"inside": value}) == Holder(value)
    assert holder.is_valid()


def test_recursive_struct_may_hold_records() -> None:
    tree = Tree(Point(1), [Tree(Point(2))])
    assert codecs.json(Tree).decode(codecs.json(Tree).encode(tree)) == tree


def test_error_of_pydantic_is_one_line_without_values() -> None:
    with pytest.raises(DecodeError) as caught:
        codecs.json(Model).decode(b'{"day":"hunter2","points":["x"]}')
    assert caught.value.reason.startswith("json: day: Input should be a valid date")
    assert "; points.0: Input should be a valid integer" in caught.value.reason
    assert "hunter2" not in caught.value.reason
    assert "\n" not in caught.value.reason

    class Holder(Record):
        inside: list[Model]

    with pytest.raises(DecodeError, match=r"json: day: Field required - at `\$\.inside\[0\]`"):
        Holder.loads(b'{"inside":[{}]}')


def test_error_in_a_dataclass_names_the_path() -> None:
    with pytest.raises(DecodeError, match=r"`int`, got `str` - at `\$\.points\[0\]\.x`"):
        codecs.json(Data).decode(b'{"day":"2024-01-02","points":[{"x":"a"}]}')
