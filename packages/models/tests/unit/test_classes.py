"""What the hidden field of a record class changes for nobody."""

import copy
import pickle
import threading
from typing import Any

import msgspec
import pytest

from faust_models import Record, codecs
from faust_models.fields import StringField
from faust_models.tags import Secret


class Base(Record, namespace="c.Base"):
    x: int


class Mixin(Record, abstract=True):
    def doubled(self) -> int:
        return 2 * self.x  # type: ignore[attr-defined, no-any-return] # it is mixed in


class Mixed(Mixin, Base, namespace="c.Mixed"):
    y: int = 0


class Frozen(Record, frozen=True, namespace="c.Frozen"):
    x: int
    password: Secret[str] = Secret("none")
    name: str = StringField(trim_whitespace=True, default="")


class FrozenSub(Frozen, namespace="c.FrozenSub"):
    z: int = 0


class Keyword(Record, kw_only=True, namespace="c.Keyword"):
    optional: int = 0
    required: str


class Bare(Base, include_metadata=False):
    pass


class Again(Bare, include_metadata=True, namespace="c.Again"):
    pass


def test_only_record_itself_knows_of_what_carries_the_metadata() -> None:
    assert Base.__subclasses__() == [Mixed, Bare]
    assert [cls.__name__ for cls in Bare.__subclasses__()] == ["Again"]


def test_hooks_of_a_parent_see_each_subclass_once() -> None:
    seen: list[str] = []

    class Hooked(Record, abstract=True):
        def __init_subclass__(cls, **options: Any) -> None:
            seen.append(cls.__name__)

    class First(Hooked):
        x: int

    assert seen == ["First"]


def test_mixins_have_fields_and_methods_of_both() -> None:
    assert Mixed(1, 2).doubled() == 2
    assert Mixed(1).dumps() == b'{"x":1,"y":0,"__faust":{"ns":"c.Mixed"}}'


def test_plain_mixin_may_say_what_is_written_and_prepared() -> None:
    class Loud:
        __slots__ = ()

        def __post_init__(self) -> None:
            self.name = self.name.upper()  # type: ignore[has-type] # it is mixed in

        def to_representation(self) -> Any:
            return {"NAME": self.name}

    class Person(Loud, Record):
        name: str

    class Coerced(Loud, Record, coerce=True):
        name: str

    assert Person("ann").dumps() == b'{"NAME":"ANN"}'
    assert codecs.json(list[Person]).encode([Person("ann")]) == b'[{"NAME":"ANN"}]'
    assert Coerced("ann").name == "ANN"


def test_frozen_records_are_prepared_too_and_then_stay() -> None:
    record = FrozenSub(1, "pw", " a ", 3)  # type: ignore[arg-type] # tagged by the constructor
    assert (record.password, record.name, record.z) == (Secret("pw"), "a", 3)
    assert hash(record) == hash(copy.deepcopy(record)) == hash(pickle.loads(pickle.dumps(record)))
    with pytest.raises(AttributeError):
        record.x = 2  # type: ignore[misc] # frozen


def test_keyword_records_may_mix_defaults() -> None:
    record = Keyword(required="a")
    assert Keyword.loads(record.dumps()) == record
    assert msgspec.json.decode(record.dumps()) == {"optional": 0, "required": "a", "__faust": {"ns": "c.Keyword"}}
    with pytest.raises(TypeError):
        Keyword("a")  # type: ignore[misc] # by keyword only


def test_metadata_can_be_turned_off_and_on_again_down_the_line() -> None:
    assert Bare(1).dumps() == b'{"x":1}'
    assert Again(1).dumps() == b'{"x":1,"__faust":{"ns":"c.Again"}}'
    assert Bare.loads(Again(1).dumps()) == Bare(1)


def test_metadata_is_written_by_msgspec_itself_and_in_the_users_own_structs() -> None:
    class Holder(msgspec.Struct):
        inner: Base

    assert msgspec.json.encode(Holder(Base(1))) == b'{"inner":{"x":1,"__faust":{"ns":"c.Base"}}}'
    assert msgspec.to_builtins(Base(1)) == {"x": 1, "__faust": {"ns": "c.Base"}}


def test_json_schema_of_a_record_can_be_made() -> None:
    class Excluding(Base, namespace="c.Excluding"):
        token: str = StringField(exclude=True, default="")

    for cls in (Base, Bare, Excluding):
        properties = msgspec.json.schema(cls)["$defs"][cls.__name__]["properties"]
        assert properties["x"] == {"type": "integer"}


def test_decoded_and_made_records_are_the_same() -> None:
    for data in (
        b'{"x":1}',
        b'{"x":1,"__faust":{"ns":"c.Base"}}',
        b'{"x":1,"__faust":{"ns":"?"}}',
        b'{"x":1,"__faust":7}',
    ):
        read = Base.loads(data)
        assert read == Base(1)
        assert Base(1) <= read <= Base(1)
        assert hash(read) == hash(Base(1))
        assert read.dumps() == Base(1).dumps()
        assert repr(read) == "<Base: x=1>"


def test_threads_may_meet_a_class_at_once() -> None:
    class Node(Record):
        value: "Base | Frozen | None" = None
        secret: Secret[str] = Secret("x")
        children: "list[Base | Frozen]" = []  # noqa: RUF012 - made anew for every record

    data = b'{"value":{"x":1,"__faust":{"ns":"c.Frozen"}},"secret":"y","children":[{"x":2,"__faust":{"ns":"c.Base"}}]}'
    together = threading.Barrier(8)
    results: list[Any] = []

    def read() -> None:
        together.wait()
        results.append(codecs.json(Node).decode(data))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [Node(Frozen(1), Secret("y"), [Base(2)])] * 8
