"""Which unions msgspec takes as they are, and that all others are read too."""

import dataclasses
import datetime as dt
import enum
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict, Union

import attrs
import msgspec
import pytest

from faust_core.errors import DecodeError
from faust_models import Record, codecs


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.Enum):
    RED = "red"


class Square(msgspec.Struct, tag="square"):
    side: int


class Circle(msgspec.Struct, tag="circle"):
    radius: int


class Row(msgspec.Struct, array_like=True):
    x: int


class Pair(NamedTuple):
    a: int


class Typed(TypedDict):
    k: int


@dataclasses.dataclass
class Data:
    d: int


@attrs.define
class Attrs:
    e: int


class Rec(Record):
    r: int


class Other(Record):
    o: int


class Own:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __json__(self) -> str:
        return self.text


Name = NewType("Name", str)

CASES: list[tuple[Any, list[Any]]] = [
    (int | float | bool | str | None, [1, 1.5, True, "a", None]),
    (list[int] | dict[str, int], [[1], {"a": 1}]),
    (Square | Circle, [Square(1), Circle(2)]),
    (Square | Circle | None, [Square(1), None]),
    (Square | Rec, [Square(1), Rec(2)]),
    (Rec | Other | dict[str, str], [Rec(1), Other(2), {"z": "x"}]),
    (Rec | Data | Attrs, [Rec(1), Data(2), Attrs(3)]),
    (Rec | int, [Rec(1), 5]),
    (Row | str, [Row(1), "a"]),
    (Pair | list[str], [Pair(1), ["a"]]),
    (Typed | str, [Typed(k=1), "a"]),
    (Level | str, [Level.LOW, "x"]),
    (Colour | int, [Colour.RED, 5]),
    (Colour | Name, [Colour.RED, "blue"]),
    (Literal["a", "b"] | dt.date, ["a", dt.date(2024, 1, 2)]),
    (Annotated[int, msgspec.Meta(ge=0)] | str, [5, "a"]),
    (dt.timedelta | dt.datetime | str, [dt.timedelta(1), dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "x"]),
    (Union[set[int], tuple[str, str]], [{1}, ("a", "b")]),  # noqa: UP007 - the older spelling
    (Literal[1, 2] | dt.date, [1, dt.date(2024, 1, 2)]),
    (bytes | int, [b"ab", 5]),
]


@pytest.mark.parametrize(("kind", "values"), CASES, ids=lambda v: "" if isinstance(v, list) else str(v))
def test_each_member_is_read_as_itself(kind: Any, values: list[Any]) -> None:
    class Holder(Record):
        value: kind
        more: list[kind] = []  # noqa: RUF012 - made anew for every record

    for value in values:
        for codec in (codecs.json, codecs.msgpack):
            read = codec(kind).decode(codec(kind).encode(value))
            assert (type(read), read) == (type(value), value)
            holder = Holder(value, [value])
            assert codec(Holder).decode(codec(Holder).encode(holder)) == holder
        assert holder.is_valid()


def test_member_with_a_coercion_is_one_of_them() -> None:
    class Holder(Record, coercions={Own: lambda text: Own({"x": "X"}[text])}):
        value: Own | int
        maybe: Own | None = None

    assert Holder.loads(b'{"value":5}') == Holder(5)
    assert Holder.loads(b'{"value":"x","maybe":"x"}') == Holder(Own("X"), Own("X"))
    with pytest.raises(DecodeError, match=r"Expected one of `Own`, `int`, got `list` - at `\$\.value`"):
        Holder.loads(b'{"value":[]}')


def test_coerced_union_takes_what_fits_before_what_can_be_made_to() -> None:
    class Holder(Record, coerce=True):
        value: int | dt.date | list[int] | list[str]

    assert Holder.loads(b'{"value":"2024-01-02"}').value == dt.date(2024, 1, 2)
    assert Holder.loads(b'{"value":["5"]}').value == ["5"]
    assert Holder.loads(b'{"value":"5"}').value == 5
