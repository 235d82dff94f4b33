"""`amount: Decimal = DecimalField(max_digits=8)`: names, defaults, preparation and demands of one field."""

import pickle
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from faust_core.errors import DecodeError, EncodeError
from faust_models import Record, ValidationError, codecs
from faust_models.fields import (
    BytesField,
    DatetimeField,
    DecimalField,
    FieldDescriptor,
    FloatField,
    IntegerField,
    StringField,
)


class Choice(FieldDescriptor[str]):
    """As the original's documentation shows how to write one."""

    def __init__(self, choices: list[str], **options: Any) -> None:
        super().__init__(choices=choices, **options)

    def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
        return value.lower() if isinstance(value, str) else value

    def validate(self, value: str) -> Iterable[ValidationError]:
        if value not in self.options["choices"]:
            yield self.validation_error(f"must be one of {', '.join(self.options['choices'])}", value=value)


class Item(Record, validation=True, namespace="d.Item"):
    sku: str = StringField(min_length=2, max_length=4, trim_whitespace=True)
    count: int = IntegerField(min_value=0, max_value=9, default=1)
    weight: float = FloatField(min_value=0.5, default=1.0)
    price: Decimal = DecimalField(max_digits=4, max_decimal_places=2, default=Decimal(1))
    raw: bytes = BytesField(max_length=3, default=b"")
    colour: str = Choice(["red", "blue"], default="red")


class Renamed(Record, namespace="d.Renamed"):
    account: str = StringField(input_name="AccountID", output_name="accountId")
    both: int = IntegerField(input_name="Both", output_name="Both", default=0)
    hidden: str = StringField(exclude=True, default="x")


class Natural(Record, namespace="d.Natural"):
    both: int = IntegerField(input_name="Both", output_name="Both", default=0)


class Basket(Record, namespace="d.Basket"):
    items: list[Renamed] = []  # noqa: RUF012 - made anew for every record


class Child(Item):
    more: int = 0


def test_field_has_its_descriptor() -> None:
    assert isinstance(Item.sku, StringField)
    assert (Item.sku.ident, Item.sku.max_length, Item.sku.type, Item.sku.required) == ("Item.sku", 4, str, True)
    assert (Item.count.default, Item.count.required) == (1, False)
    assert Child.sku.ident == "Child.sku"
    assert Item("ab").sku == "ab"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sku": "a"}, r"^Item\.sku: must be at least 2 long, not 'a'$"),
        ({"sku": "abcde"}, r"^Item\.sku: must be at most 4 long, not 'abcde'$"),
        ({"sku": "ab", "count": -1}, r"^Item\.count: must be at least 0, not -1$"),
        ({"sku": "ab", "count": 10}, r"^Item\.count: must be at most 9, not 10$"),
        ({"sku": "ab", "weight": 0.0}, r"^Item\.weight: must be at least 0\.5, not 0\.0$"),
        ({"sku": "ab", "price": Decimal("1.234")}, r"^Item\.price: must have at most 2 decimal places"),
        ({"sku": "ab", "price": Decimal("12345")}, r"^Item\.price: must have at most 4 digits"),
        ({"sku": "ab", "price": Decimal("NaN")}, r"^Item\.price: must be a finite number"),
        ({"sku": "ab", "raw": b"abcd"}, r"^Item\.raw: must be at most 3 long"),
        ({"sku": "ab", "colour": "green"}, r"^Item\.colour: must be one of red, blue, not 'green'$"),
        ({"sku": "a", "count": 10}, r"^Item\.sku: must .*; Item\.count: must be at most 9, not 10$"),
        ({"sku": 5}, r"^Item\.sku: Expected `str`, got `int`, not 5$"),
    ],
)
def test_demand_that_is_broken_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Item(**values)
    with pytest.raises(ValidationError, match=said.replace("Item", "Child")):
        Child(**values).validate_or_raise()


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        (DecimalField(max_digits=3), Decimal("1E+2"), True),
        (DecimalField(max_digits=3), Decimal("1E+3"), False),
        (DecimalField(max_digits=3), Decimal("0.001"), True),
        (DecimalField(max_digits=3), Decimal("0.0001"), False),
        (IntegerField(max_value=0), 1, False),
        (IntegerField(min_value=0), 0, True),
        (StringField(allow_blank=False), "", False),
        (StringField(), "", True),
        (StringField(choices=["a", "b"]), "a", True),
        (StringField(choices=["a", "b"]), "c", False),
        (IntegerField(choices=(1, 2), max_value=1), 1, True),
        (FieldDescriptor(choices={1.5}), 2.5, False),
    ],
)
def test_limits_count_themselves_and_zero_is_one(field: FieldDescriptor[Any], value: Any, fits: bool) -> None:
    assert (list(field.validate(value)) == []) is fits


def test_all_errors_are_collected_with_field_value_and_reason() -> None:
    with pytest.raises(ValidationError) as caught:
        Item("abcde", -1)
    assert [(e.field, e.value, e.reason) for e in caught.value.errors] == [
        ("Item.sku", "abcde", "must be at most 4 long"),
        ("Item.count", -1, "must be at least 0"),
    ]


def test_values_are_prepared_when_made_and_when_decoded() -> None:
    assert Item("  ab ", colour="RED") == Item("ab")
    assert Item.loads(b'{"sku":" ab ","colour":"Blue"}') == Item("ab", colour="blue")
    assert pickle.loads(pickle.dumps(Item(" ab"))) == Item("ab")


def test_decoding_checks_what_the_constructor_checks() -> None:
    with pytest.raises(DecodeError, match=r"^json: Item\.sku: must be at least 2 long, not 'a'$"):
        Item.loads(b'{"sku":"a"}')
    with pytest.raises(DecodeError, match=r"Item\.count: must be at most 9, not 10 - at `\$\[0\]`"):
        codecs.json(list[Item]).decode(b'[{"sku":"ab","count":10}]')


def test_record_without_validation_says_what_is_wrong_only_when_asked() -> None:
    class Lax(Record):
        count: int = IntegerField(max_value=3)

    assert [error.reason for error in Lax(4).validation_errors] == ["must be at most 3"]
    assert Lax.loads(b'{"count":4}') == Lax(4)


def test_field_is_read_and_written_under_its_own_keys() -> None:
    record = Renamed.loads(b'{"AccountID":"a","Both":2,"hidden":"y"}')
    assert record == Renamed("a", 2, "y")
    assert record.dumps() == b'{"accountId":"a","Both":2,"__faust":{"ns":"d.Renamed"}}'
    assert record.asdict() == {"account": "a", "both": 2}
    assert (Renamed.account.input_name, Renamed.account.output_name) == ("AccountID", "accountId")
    with pytest.raises(DecodeError, match="missing required field `AccountID`"):
        Renamed.loads(b'{"accountId":"a"}')


def test_same_key_both_ways_costs_nothing() -> None:
    assert not Natural._options.own_representation
    assert Natural(3).dumps() == b'{"Both":3,"__faust":{"ns":"d.Natural"}}'
    assert Natural.loads(Natural(3).dumps()) == Natural(3)


def test_excluded_field_is_left_out_wherever_the_record_stands() -> None:
    inner = b'{"accountId":"a","Both":0,"__faust":{"ns":"d.Renamed"}}'
    outer = b'{"items":[' + inner + b'],"__faust":{"ns":"d.Basket"}}'
    basket = Basket([Renamed("a")])
    assert basket.dumps() == outer
    assert codecs.json().encode([basket]) == b"[" + outer + b"]"
    assert codecs.json(dict[str, Basket]).encode({"x": basket}) == b'{"x":' + outer + b"}"
    assert msgspec.msgpack.decode(codecs.msgpack(Basket).encode(basket)) == msgspec.json.decode(outer)


def test_subclass_that_excludes_is_never_written_as_its_parent() -> None:
    class Open(Record, namespace="d.Open"):
        name: str

    class Closed(Open, namespace="d.Closed"):
        token: str = StringField(exclude=True, default="secret")

    class Holder(Record, namespace="d.Holder"):
        inner: Open

    expected = b'{"inner":{"name":"a","__faust":{"ns":"d.Closed"}},"__faust":{"ns":"d.Holder"}}'
    codec = codecs.json(Holder)
    assert codec.encode(Holder(Closed("a"))) == expected
    assert codecs.json().encode(Holder(Closed("a"))) == expected
    assert codec.fast_encode(Holder(Closed("a"))) == expected
    with pytest.raises(TypeError):
        msgspec.json.encode(Closed("a"))


def test_coercion_and_dates_of_one_field() -> None:
    class Mixed(Record):
        loose: int = IntegerField(coerce=True)
        strict: int
        when: datetime = DatetimeField(
            date_parser=lambda text: datetime.strptime(text, "%Y").replace(tzinfo=UTC),
            default=datetime(1, 1, 1, tzinfo=UTC),
        )

    assert Mixed.loads(b'{"loose":"5","strict":5,"when":"2024"}') == Mixed(5, 5, datetime(2024, 1, 1, tzinfo=UTC))
    assert Mixed("5", 5).loose == 5
    with pytest.raises(DecodeError, match=r"`int`, got `str` - at `\$\.strict`"):
        Mixed.loads(b'{"loose":"5","strict":"5"}')


def test_field_may_refuse_what_its_class_coerces() -> None:
    class Mixed(Record, coerce=True):
        loose: int
        strict: int = IntegerField(coerce=False)

    assert Mixed.loads(b'{"loose":"5","strict":5}') == Mixed(5, 5)
    with pytest.raises(DecodeError, match=r"`int`, got `str` - at `\$\.strict`"):
        Mixed.loads(b'{"loose":"5","strict":"5"}')


def test_defaults_and_factories() -> None:
    class Full(Record):
        required: int = IntegerField()
        optional: int | None = IntegerField(required=False)
        made: list[int] = FieldDescriptor(default_factory=lambda: [1])

    assert Full(1) == Full(1, None, [1])
    Full(1).made.append(2)
    assert Full(1).made == [1]
    with pytest.raises(TypeError, match="either default or default_factory"):
        StringField(default="a", default_factory=str)
    with pytest.raises(TypeError, match="records would share this default: use default_factory"):
        FieldDescriptor(default=[1])


def test_field_that_is_declared_anew_has_no_demands_of_its_parent() -> None:
    class Freed(Item, validation=True):
        sku: str

    assert Freed(sku="a longer one").sku == "a longer one"
    assert type(Freed.sku) is FieldDescriptor
    with pytest.raises(ValidationError, match=r"Freed\.count"):
        Freed(sku="a", count=10)


def test_descriptor_without_a_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"field 'count' has no type; write count: <type> = IntegerField\(…\)"):

        class Wrong(Record):
            count = IntegerField()


def test_error_in_a_descriptor_names_the_field() -> None:
    class Broken(FieldDescriptor[str]):
        def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
            raise KeyError("no such thing")

    class Holder(Record):
        value: str = Broken()

    with pytest.raises(ValidationError, match=r"Holder\.value: 'no such thing', not 'x'"):
        Holder("x")


def test_value_that_cannot_be_written_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="json cannot write Renamed"):
        Renamed(object()).dumps()  # type: ignore[arg-type] # wrong on purpose
