"""Which class a value becomes, where its type leaves that to `__faust`."""

import datetime as dt
from typing import Any, Generic, Literal, TypeVar, Union

import msgspec
import pytest

from faust_core.errors import DecodeError
from faust_models import Record, codecs, maybe_model

T = TypeVar("T")


class Animal(Record, abstract=True, namespace="zoo.Animal"):
    name: str


class Dog(Animal, namespace="zoo.Dog"):
    barks: int = 0


class Puppy(Dog, namespace="zoo.Puppy"):
    weeks: int = 0


class Cat(Animal, namespace="zoo.Cat"):
    lives: int = 9


class Stone(Record, namespace="zoo.Stone"):
    name: str


class Blessed(Record, allow_blessed_key=True, namespace="zoo.Blessed"):
    x: int


class MoreBlessed(Blessed, namespace="zoo.MoreBlessed"):
    y: int = 0


class Kennel(Record, polymorphic_fields=True):
    best: Dog
    others: dict[str, list[Dog]] = {}  # noqa: RUF012 - made anew for every record


class Zoo(Record):
    first: Animal
    others: list[Animal] = []  # noqa: RUF012 - made anew for every record
    either: Dog | Cat | None = None
    anything: Record | None = None


class Cage(Record, Generic[T]):
    inside: list[T]


CODECS = [codecs.json, codecs.msgpack]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("value_type", [None, Record, Animal, Dog | Cat, Union[Dog, Stone]])  # noqa: UP007 - both work
def test_value_becomes_the_class_that_it_names(codec: Any, value_type: Any) -> None:
    value = Dog("Rex", 3)
    assert codec(value_type).decode(codec().encode(value)) == value
    assert codec(value_type).fast_decode(codec().encode(value)) == value


@pytest.mark.parametrize("codec", CODECS)
def test_subclass_is_among_what_a_type_says(codec: Any) -> None:
    value = Puppy("Rex", 3, 7)
    for value_type in (Animal, Dog | Cat, Record):
        assert codec(value_type).decode(codec().encode(value)) == value


def test_type_that_is_clear_is_not_changed_by_a_name() -> None:
    assert codecs.json(Dog).decode(Puppy("Rex", 3, 7).dumps()) == Dog("Rex", 3)


def test_blessed_key_lets_the_name_choose_a_subclass() -> None:
    for value in (Blessed(1), MoreBlessed(1, 2)):
        assert codecs.json(Blessed).decode(value.dumps()) == value
        assert codecs.json(list[Blessed]).decode(codecs.json().encode([value])) == [value]
        assert Blessed.loads(value.dumps()) == value
        assert Blessed.from_data(value.to_representation()) == value


def test_blessed_key_never_leaves_the_class() -> None:
    assert codecs.json(Blessed).decode(b'{"x":1,"__faust":{"ns":"zoo.Dog"}}') == Blessed(1)
    assert codecs.json(Blessed).decode(b'{"x":1,"__faust":{"ns":"nobody"}}') == Blessed(1)
    assert codecs.json(Blessed).decode(b'{"x":1}') == Blessed(1)
    assert codecs.json(Blessed).decode(b'{"x":1,"__faust":3}') == Blessed(1)


def test_polymorphic_fields_do_so_at_any_depth() -> None:
    kennel = Kennel(Puppy("a", 1, 2), {"x": [Dog("b"), Puppy("c")]})
    assert Kennel.loads(kennel.dumps()) == kennel
    assert Kennel.loads(kennel.dumps(serializer="msgpack"), serializer="msgpack") == kennel
    assert Kennel.from_data({"best": {"name": "a"}}) == Kennel(Dog("a"))


def test_abstract_fields_and_unions_are_chosen_by_name() -> None:
    zoo = Zoo(Dog("a"), [Cat("b"), Puppy("c", weeks=5)], Cat("d"), Stone("e"))
    assert Zoo.loads(zoo.dumps()) == zoo
    assert zoo.is_valid()
    assert Zoo.loads(Zoo(Dog("a")).dumps()).either is None


def test_union_without_a_name_is_the_member_that_knows_the_most_keys() -> None:
    assert codecs.json(Dog | Cat).decode(b'{"name":"x","lives":3}') == Cat("x", 3)
    assert codecs.json(Dog | Cat).decode(b'{"name":"x"}') == Dog("x")


def test_union_that_looks_alike_is_tried_in_order() -> None:
    class Mixed(Record):
        value: dt.date | int | str | list[Dog] | None = None
        level: Literal["low", "high"] | dt.date = "low"

    for value in (None, dt.date(2024, 1, 2), 5, "x", [Dog("a")]):
        assert Mixed.loads(Mixed(value, dt.date(2024, 1, 2)).dumps()) == Mixed(value, dt.date(2024, 1, 2))
    with pytest.raises(DecodeError, match=r"Expected one of `date`, `int`, `str`, .*, got `float` - at `\$\.value`"):
        Mixed.loads(b'{"value":2.5}')


def test_generic_record_may_hold_a_union() -> None:
    cage = Cage([Dog("a"), Cat("b")])
    assert codecs.json(Cage[Dog | Cat]).decode(cage.dumps()) == cage
    assert codecs.json(Cage[Animal]).decode(cage.dumps()) == cage


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"name":"x"}', "json: Animal is abstract, and the value does not name its class in `__faust`"),
        (b'{"name":"x","__faust":{"ns":"zoo.Bird"}}', "json: Animal is abstract, and 'zoo.Bird', which .* no record"),
        (b'{"name":"x","__faust":{"ns":"zoo.Stone"}}', "json: Animal is abstract, and 'zoo.Stone', which"),
        (b'{"name":1,"__faust":{"ns":"zoo.Dog"}}', r"json: Expected `str`, got `int` - at `\$\.name`"),
        (b"5", "json: Animal is abstract, and the value does not name"),
    ],
)
def test_value_that_cannot_be_told_is_a_decode_error(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        codecs.json(Animal).decode(data)


def test_untyped_value_of_an_unknown_class_stays_what_it_is() -> None:
    plain = {"name": "x", "__faust": {"ns": "nobody"}}
    assert codecs.json().decode(codecs.json().encode(plain)) == plain
    assert maybe_model(plain) is plain
    assert maybe_model([1]) == [1]


def test_untyped_value_of_a_known_class_must_fit_it() -> None:
    with pytest.raises(DecodeError, match=r"Expected `str`, got `int` - at `\$\.name`"):
        codecs.json().decode(b'{"name":1,"__faust":{"ns":"zoo.Dog"}}')
    assert maybe_model({"name": "x", "__faust": {"ns": "zoo.Dog"}}) == Dog("x")


def test_class_that_comes_later_is_found() -> None:
    codec = codecs.json(Animal)
    assert codec.decode(Dog("x").dumps()) == Dog("x")

    class Bird(Animal, namespace="zoo.LateBird"):
        wings: int = 2
        hatched: dt.date | str | None = None

    assert codec.decode(msgspec.json.encode(Bird("x"))) == Bird("x")
    assert codecs.json(list[Animal]).decode(msgspec.json.encode([Bird("x")])) == [Bird("x")]


def test_name_of_another_service_is_as_good_as_none() -> None:
    dog = codecs.json(Dog).decode(b'{"name":"x","__faust":{"ns":"other.Dog"}}')
    assert dog == Dog("x")
    assert dog.dumps() == Dog("x").dumps()
    assert hash(dog) == hash(Dog("x"))
    assert not dog < Dog("x")
