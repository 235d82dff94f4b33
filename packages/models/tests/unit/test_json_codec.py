"""The JSON codec: exact bytes, forgiving reads, errors that name the field."""

import dataclasses
import datetime as dt
import enum
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import attrs
import msgspec
import pytest

from faust_core import registry
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_models import Record, codecs


class Order(Record, namespace="jsonshop.Order"):
    account_id: str
    amount: int
    price: float = 1.5


class Rush(Order, namespace="jsonshop.Rush"):
    hours: int = 1


class Line(Record, namespace="jsonshop.Line"):
    sku: str
    count: int = 1


class Cart(Record, namespace="jsonshop.Cart"):
    id: str
    lines: list[Line] = []  # noqa: RUF012 - made anew for every record
    extra: dict[str, Any] = {}  # noqa: RUF012


class Bare(Record, include_metadata=False):
    id: str


class Nothing(Record, namespace="jsonshop.Nothing"):
    pass


class Tree(Record, namespace="t"):
    name: str
    children: list["Tree"] = []  # noqa: RUF012


class Renamed(Record, rename="camel", namespace="r"):
    account_id: str
    line: Line | None = None


class Loud(Record, namespace="loud"):
    name: str

    def to_representation(self) -> Mapping[str, Any]:
        return {"NAME": self.name.upper()}


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    a: int
    b: str


class Plain(msgspec.Struct):
    x: int
    order: Order | None = None


class Tagged(msgspec.Struct, tag="tagged", tag_field="kind"):
    x: int
    order: Any = None


class Row(msgspec.Struct, array_like=True):
    x: int
    order: Any = None


@dataclasses.dataclass
class Data:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)


@attrs.define
class Attrs:
    x: int


class Typed(TypedDict):
    x: int


class OwnJson:
    def __json__(self) -> Any:
        return {"own": Line("a")}


LINE = b'{"sku":"a","count":1,"__faust":{"ns":"jsonshop.Line"}}'

WIRE = [
    (Order("a1", 5), b'{"account_id":"a1","amount":5,"price":1.5,"__faust":{"ns":"jsonshop.Order"}}'),
    (Rush("a1", 5), b'{"account_id":"a1","amount":5,"price":1.5,"hours":1,"__faust":{"ns":"jsonshop.Rush"}}'),
    (Bare("b"), b'{"id":"b"}'),
    (Nothing(), b'{"__faust":{"ns":"jsonshop.Nothing"}}'),
    (Cart("c", [Line("a")]), b'{"id":"c","lines":[' + LINE + b'],"extra":{},"__faust":{"ns":"jsonshop.Cart"}}'),
    (
        Cart("c", extra={"best": Line("a")}),
        b'{"id":"c","lines":[],"extra":{"best":' + LINE + b'},"__faust":{"ns":"jsonshop.Cart"}}',
    ),
    (
        Tree("a", [Tree("b")]),
        b'{"name":"a","children":[{"name":"b","children":[],"__faust":{"ns":"t"}}],"__faust":{"ns":"t"}}',
    ),
    (Renamed("a", Line("a")), b'{"accountId":"a","line":' + LINE + b',"__faust":{"ns":"r"}}'),
    (Loud("x"), b'{"NAME":"X"}'),
]


@pytest.mark.parametrize(("record", "data"), WIRE, ids=lambda v: type(v).__name__)
def test_record_is_written_as_fields_in_order_then_metadata(record: Record, data: bytes) -> None:
    assert record.dumps() == data
    assert codecs.json(type(record)).encode(record) == data
    assert codecs.json(type(record)).fast_encode(record) == data
    assert codecs.json().encode(record) == data
    assert codecs.json().encode([record]) == b"[" + data + b"]"
    assert codecs.json(list[type(record)]).encode([record]) == b"[" + data + b"]"  # type: ignore[misc] # at run time


@pytest.mark.parametrize(("record", "data"), WIRE[:-1], ids=lambda v: type(v).__name__)
def test_record_is_read_back_and_its_metadata_skipped(record: Record, data: bytes) -> None:
    if not isinstance(record, Cart):
        assert codecs.json(type(record)).decode(data) == record
    else:
        assert Cart.loads(data).id == "c"


def test_codec_of_a_record_writes_a_subclass_in_full() -> None:
    assert codecs.json(Order).encode(Rush("a", 1)) == Rush("a", 1).dumps()


def test_codec_of_a_record_writes_other_values_too() -> None:
    assert codecs.json(Order).encode({"account_id": "a"}) == b'{"account_id":"a"}'
    assert codecs.json(Order).encode([1]) == b"[1]"


def test_metadata_of_another_class_is_ignored() -> None:
    assert Order.loads(b'{"__faust":{"ns":"other.Order"},"account_id":"a","amount":1}') == Order("a", 1)
    assert Order.loads(b'{"account_id":"a","amount":1,"__faust":"?","more":[{}]}') == Order("a", 1)


PLAIN = [
    (None, b"null"),
    (True, b"true"),
    (1.5, b"1.5"),
    ("é", '"é"'.encode()),
    (10**30, b"1" + b"0" * 30),
    ({"a": -(10**20), "b": [10**20, Line("a")]}, b'{"a":-1%b,"b":[1%b,%b]}' % (b"0" * 20, b"0" * 20, LINE)),
    ({"a": [1, 2.5, None], "b": {}}, b'{"a":[1,2.5,null],"b":{}}'),
    ({1: "a", 2: Line("a")}, b'{"1":"a","2":' + LINE + b"}"),
    ({None: 1, True: 2, False: 3}, b'{"null":1,"true":2,"false":3}'),
    (Decimal("1.10"), b'"1.10"'),
    (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC), b'"2024-01-02T03:04:05Z"'),
    (dt.datetime(2024, 1, 2, 3, 4, 5, 6), b'"2024-01-02T03:04:05.000006"'),  # noqa: DTZ001 - naive on purpose
    (dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), b'"2024-01-02T00:00:00+02:00"'),
    (dt.date(2024, 1, 2), b'"2024-01-02"'),
    (Colour.RED, b'"red"'),
    ({3}, b"[3]"),
    (frozenset({3}), b"[3]"),
    (deque([1, 2]), b"[1,2]"),
    ((1, "a"), b'[1,"a"]'),
    (Pair(1, "a"), b'[1,"a"]'),
    (Counter("aa"), b'{"a":2}'),
    (MappingProxyType({"a": 1}), b'{"a":1}'),
    (b"ab", b'"YWI="'),
    (Data(1, ["a"]), b'{"x":1,"tags":["a"]}'),
    (Attrs(1), b'{"x":1}'),
    (Plain(1, Order("a", 1)), b'{"x":1,"order":' + Order("a", 1).dumps() + b"}"),
    (Tagged(1, Line("a")), b'{"kind":"tagged","x":1,"order":' + LINE + b"}"),
    (Row(1, Line("a")), b"[1," + LINE + b"]"),
    (OwnJson(), b'{"own":' + LINE + b"}"),
    ([OwnJson()], b'[{"own":' + LINE + b"}]"),
]


@pytest.mark.parametrize(("value", "data"), PLAIN, ids=lambda v: type(v).__name__)
def test_anything_is_written_as_compact_json(value: object, data: bytes) -> None:
    assert codecs.json().encode(value) == data
    assert codecs.json().fast_encode(value) == data


@pytest.mark.parametrize(("value", "data"), PLAIN, ids=lambda v: type(v).__name__)
def test_what_a_type_writes_is_what_untyped_json_writes(value: object, data: bytes) -> None:
    if not isinstance(value, Counter | MappingProxyType | deque):
        assert codecs.json(type(value)).encode(value) == data


def test_untyped_json_reads_plain_values() -> None:
    assert codecs.json().decode(b'{"a":[1,2.5,null,"x"]}') == {"a": [1, 2.5, None, "x"]}
    assert codecs.json().decode(b"1" + b"0" * 30) == 10**30


@pytest.mark.parametrize(
    ("value_type", "data", "value"),
    [
        (int, b"5", 5),
        (float, b"5", 5.0),
        (str, b'"a"', "a"),
        (bytes, b'"YWI="', b"ab"),
        (Decimal, b'"1.10"', Decimal("1.10")),
        (Decimal, b"1.10", Decimal("1.10")),
        (uuid.UUID, b'"00000000-0000-0000-0000-000000000001"', uuid.UUID(int=1)),
        (dt.datetime, b'"2024-01-02T03:04:05Z"', dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        (dt.date, b'"2024-01-02"', dt.date(2024, 1, 2)),
        (Colour, b'"red"', Colour.RED),
        (Literal["a", "b"], b'"a"', "a"),
        (int | None, b"null", None),
        (int | str, b'"a"', "a"),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (dict[int, int], b'{"1":1}', {1: 1}),
        (set[str], b'["a"]', {"a"}),
        (tuple[int, str], b'[1,"a"]', (1, "a")),
        (Pair, b'[1,"a"]', Pair(1, "a")),
        (Data, b'{"x":1}', Data(1)),
        (Attrs, b'{"x":1}', Attrs(1)),
        (Typed, b'{"x":1}', {"x": 1}),
        (Plain, b'{"x":1}', Plain(1)),
        (Annotated[int, msgspec.Meta(ge=0)], b"5", 5),
        (list[Annotated[int, msgspec.Meta(ge=0)]], b"[5]", [5]),
        (dict[str, Order], b'{"k":{"account_id":"a","amount":1}}', {"k": Order("a", 1)}),
    ],
)
def test_types_are_read(value_type: Any, data: bytes, value: object) -> None:
    assert codecs.json(value_type).fast_decode(data) == value


@pytest.mark.parametrize(
    ("value_type", "data", "value"),
    [
        (int, b"5.0", 5),
        (dict[str, int], b'{"a":5.0}', {"a": 5}),
        (Order, b'{"account_id":"a","amount":1,"price":null}', Order("a", 1)),
        (Order, b'{"account_id":"a","amount":2.0}', Order("a", 2)),
        (Cart, b'{"id":"c","lines":[{"sku":"a","count":null}],"extra":null}', Cart("c", [Line("a")])),
        (tuple[int, str], b'[1.0,"a"]', (1, "a")),
        (int | None, b"5.0", 5),
        (Annotated[int, msgspec.Meta(ge=0)], b"5.0", 5),
        (list[int | None], b"[5.0,null]", [5, None]),
        (float, b"Infinity", float("inf")),
    ],
)
def test_what_older_writers_do_is_forgiven(value_type: Any, data: bytes, value: object) -> None:
    assert codecs.json(value_type).decode(data) == value


@pytest.mark.parametrize(
    ("value_type", "data", "reason"),
    [
        (Order, b'{"account_id":"a","amount":"x"}', "json: Expected `int`, got `str` - at `$.amount`"),
        (Order, b'{"account_id":"a"}', "json: Object missing required field `amount`"),
        (Order, b'{"account_id":null,"amount":1}', "json: Expected `str`, got `null` - at `$.account_id`"),
        (Order, b"[]", "json: Expected `object`, got `array`"),
        (Cart, b'{"id":"c","lines":[{"sku":1}]}', "json: Expected `str`, got `int` - at `$.lines[0].sku`"),
        (int, b"5.5", "json: Expected `int`, got `float`"),
        (int, b'"5"', "json: Expected `int`, got `str`"),
        (Order, b"", "json: Input data was truncated"),
        (None, b'{"a":', "json: Input data was truncated"),
        (None, b"\xff", "json: JSON is malformed: invalid character (byte 0)"),
        (Colour, b'"blue"', "json: Invalid enum value 'blue'"),
    ],
)
def test_decode_error_says_what_is_wrong_and_where(value_type: Any, data: bytes, reason: str) -> None:
    codec = codecs.json(value_type)
    with pytest.raises(DecodeError) as caught:
        codec.decode(data)
    assert caught.value.reason == reason
    with pytest.raises(codec.decode_errors):
        codec.fast_decode(data)


@pytest.mark.parametrize("data", [b'"\xff"', b"[" * 100_000])
def test_hostile_bytes_are_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codecs.json().decode(data)


def test_error_in_post_init_is_a_decode_error() -> None:
    class Picky(Record):
        x: int

        def __post_init__(self) -> None:
            raise RuntimeError("no such x")

    with pytest.raises(DecodeError, match="no such x"):
        codecs.json(Picky).decode(b'{"x":1}')


def test_value_that_cannot_be_written_is_an_encode_error_that_names_it() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), [object()], {"a": object()}, Cart("c", extra={"a": object()}), {object(): 1}, loop):
        codec = codecs.json()
        with pytest.raises(EncodeError, match=f"json cannot write {type(value).__qualname__}"):
            codec.encode(value)
        with pytest.raises(codec.encode_errors):
            codec.fast_encode(value)


def test_type_that_json_cannot_carry_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="json cannot carry"):
        codecs.json(Annotated[int, msgspec.Meta(max_length=3)])


def test_record_may_be_a_key() -> None:
    codec = codecs.json(Bare)
    assert codec.decode(codec.encode(Bare("k"))) == Bare("k")


def test_codec_shows_its_format_and_type() -> None:
    assert repr(codecs.json(Order)) == "json(Order)"
    assert repr(codecs.json()) == "json()"
    assert repr(codecs.json(list[int])) == "json(list[int])"


def test_codec_is_found_by_its_serializers_name() -> None:
    assert codecs.codec_for("json", Order).decode(b'{"account_id":"a","amount":1}') == Order("a", 1)
    with pytest.raises(ConfigError, match=r"no codec 'jsn': did you mean 'json'\?"):
        codecs.codec_for("jsn", Order)


def test_codec_of_another_distribution_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "shout-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shout\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[faust.codecs]\nshout = faust_models.codecs:json\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("faust_core.registry._installed", registry._installed.__wrapped__)
    assert Bare("a").dumps(serializer="shout") == b'{"id":"a"}'


def test_codec_object_may_be_the_serializer() -> None:
    assert Order.loads(Order("a", 1).dumps(serializer=codecs.json()), serializer=codecs.json()) == Order("a", 1)
