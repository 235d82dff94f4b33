"""Records as Python objects: made, compared, printed, pickled, validated."""

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Optional, TypeVar

import msgspec
import pytest

from faust_models import Record, ValidationError, registry

T = TypeVar("T")


class Point(Record):
    x: int
    y: int = 0


class Point3(Point):
    z: int = 0


class Account(Record):
    name: str
    email: Optional[str]  # noqa: UP045 - the older spelling is what existing applications use
    phone: str | None
    note: Annotated[str | None, "free text"]
    kind: ClassVar[str] = "account"


class Line(Record):
    sku: str
    count: int


class Cart(Record):
    id: str
    lines: list[Line]


class Page(Record, Generic[T]):
    items: list[T]


class Checked(Record, validation=True):
    amount: int


class Node(Record):
    name: str
    parent: "Node | None" = None


def test_fields_are_given_by_position_or_keyword() -> None:
    assert Point(1, 2) == Point(1, y=2) == Point(x=1, y=2)
    assert Point(1).y == 0


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"w": 1})])
def test_wrong_arguments_are_a_type_error(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(*args, **kwargs)


def test_optional_fields_are_none_where_left_out() -> None:
    account = Account("Ann")  # type: ignore[call-arg] # checkers do not know that Optional defaults to None
    assert (account.email, account.phone, account.note) == (None, None, None)


def test_class_variables_are_no_fields() -> None:
    assert Account.kind == "account"
    assert Account._options.fieldset == {"name", "email", "phone", "note"}


def test_forward_references_to_itself_may_be_optional() -> None:
    assert Node("leaf", Node("root")).parent == Node("root")
    assert Node.loads(Node("leaf", Node("root")).dumps()) == Node("leaf", Node("root"))


def test_required_field_after_a_default_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'b' has no default but follows a"):

        class Wrong(Record):
            a: int = 1
            b: str  # type: ignore[misc] # wrong on purpose


def test_required_field_after_an_optional_one_is_taken_by_keyword() -> None:
    class Odd(Record):
        a: int | None
        b: str

    class Odder(Odd):
        c: int

    assert Odd.from_data({"b": "x"}) == Odd(a=None, b="x")
    assert list(Odder(a=None, b="x", c=1).asdict()) == ["a", "b", "c"]
    with pytest.raises(TypeError):
        Odd(None, "x")
    assert Odd.loads(b'{"b":"x"}') == Odd(a=None, b="x")
    assert pickle.loads(pickle.dumps(Point3(1, 2, 3))) == Point3(1, 2, 3)


def test_required_field_after_an_inherited_default_is_taken_by_keyword() -> None:
    class Named(Point):
        name: str  # type: ignore[misc] # taken by keyword

    assert Named(1, name="here").asdict() == {"x": 1, "y": 0, "name": "here"}


def test_subclass_has_the_fields_of_its_base_first() -> None:
    assert Point3(1, 2, 3).asdict() == {"x": 1, "y": 2, "z": 3}


def test_records_compare_and_order_by_their_fields() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 2) < Point(1, 3) < Point(2, 0)
    assert sorted([Point(2), Point(1)]) == [Point(1), Point(2)]


def test_records_of_different_classes_are_never_equal() -> None:
    assert Point(1, 2) != Point3(1, 2)


def test_equal_records_have_equal_hashes_and_may_be_keys() -> None:
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert {Point(1, 2): "here"}[Point(1, 2)] == "here"


def test_repr_shows_the_fields() -> None:
    assert repr(Point(1, 2)) == "<Point: x=1, y=2>"
    assert repr(Cart("c", [Line("a", 1)])) == "<Cart: id='c', lines=[<Line: sku='a', count=1>]>"


def test_repr_of_a_record_inside_itself_ends() -> None:
    page: Page[object] = Page([])
    page.items.append(page)
    assert repr(page) == "<Page: items=[<...>]>"


def test_records_can_be_changed() -> None:
    point = Point(1)
    point.y = 5
    assert point == Point(1, 5)


def test_mutable_default_is_not_shared() -> None:
    class Bag(Record):
        items: list[int] = []  # noqa: RUF012 - made anew for every record
        tags: set[str] = msgspec.field(default_factory=set)

    Bag().items.append(1)
    Bag().tags.add("x")
    assert Bag() == Bag([], set())


def test_records_can_be_pickled() -> None:
    cart = Cart("c", [Line("a", 1)])
    assert pickle.loads(pickle.dumps(cart)) == cart


def test_post_init_runs_when_made_and_when_decoded() -> None:
    class Doubled(Record):
        value: int
        twice: int = 0

        def __post_init__(self) -> None:
            self.twice = 2 * self.value

    assert Doubled(2).twice == 4
    assert Doubled.loads(b'{"value":3}').twice == 6


def test_asdict_cannot_be_overridden() -> None:
    with pytest.raises(RuntimeError, match="to_representation"):

        class Wrong(Record):
            def asdict(self) -> dict[str, object]:
                return {}


def test_derive_takes_later_values_over_earlier_ones() -> None:
    assert Point3(1, 2, 3).derive(Point(7, 8), y=9) == Point3(7, 9, 3)
    with pytest.raises(TypeError):
        Point(1).derive(w=1)


def test_derive_leaves_the_record_as_it_was() -> None:
    point = Point(1, 2)
    point.derive(x=9)
    assert point == Point(1, 2)


def test_from_data_makes_records_inside_too() -> None:
    assert Cart.from_data({"id": "c", "lines": [{"sku": "a", "count": 1}]}) == Cart("c", [Line("a", 1)])
    assert Cart.from_data({"id": "c", "lines": [Line("a", 1)], "unknown": 1}) == Cart("c", [Line("a", 1)])


def test_from_data_returns_a_record_of_the_class_itself() -> None:
    point = Point(1)
    assert Point.from_data(point) is point


@pytest.mark.parametrize("data", [5, [1], "x", None])
def test_from_data_takes_nothing_but_mappings(data: Any) -> None:
    with pytest.raises(ValidationError, match=r"^cannot make Point: Expected `object`, got `"):
        Point.from_data(data)


def test_from_data_names_the_path_of_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match=r"cannot make Cart: .*`int`, got `str` - at `\$\.lines\[0\]\.count`"):
        Cart.from_data({"id": "c", "lines": [{"sku": "a", "count": "many"}]})


def test_validation_names_every_wrong_field() -> None:
    point = Point("a", "b")  # type: ignore[arg-type] # wrong on purpose
    assert [error.field for error in point.validation_errors] == ["Point.x", "Point.y"]
    assert not point.is_valid()
    with pytest.raises(ValidationError, match=r"Point\.x: Expected `int`, got `str`"):
        point.validate_or_raise()


def test_valid_record_has_no_errors() -> None:
    class Full(Record):
        when: datetime
        price: Decimal
        line: Line
        tags: set[str]
        pair: tuple[int, str]

    full = Full(datetime.now(UTC), Decimal("1.10"), Line("a", 1), {"x"}, (1, "a"))
    assert full.is_valid()
    assert full.validate() == []
    full.validate_or_raise()


def test_validation_option_checks_in_the_constructor() -> None:
    assert Checked(1).amount == 1
    with pytest.raises(ValidationError, match=r"Checked\.amount"):
        Checked("1")  # type: ignore[arg-type] # wrong on purpose


def test_validation_option_is_not_inherited_but_post_init_is() -> None:
    class Sub(Checked):
        more: int = 0

    assert Sub("1").amount == "1"  # type: ignore[arg-type, comparison-overlap] # wrong on purpose


def test_validation_option_runs_post_init_first() -> None:
    class Cleaned(Record, validation=True):
        amount: int

        def __post_init__(self) -> None:
            self.amount = int(self.amount)

    assert Cleaned("7").amount == 7  # type: ignore[arg-type] # converted by __post_init__


def test_generic_records_decode_their_parameter() -> None:
    from faust_models import codecs

    page = codecs.json(Page[Line]).decode(b'{"items":[{"sku":"a","count":1}]}')
    assert page == Page([Line("a", 1)])


def test_registry_finds_records_by_namespace_but_no_abstract_ones() -> None:
    class Base(Record, abstract=True, namespace="test.Base"):
        x: int

    class Concrete(Base, namespace="test.Concrete"):
        pass

    assert registry["test.Concrete"] is Concrete
    assert "test.Base" not in registry
    assert Concrete(1).x == 1
