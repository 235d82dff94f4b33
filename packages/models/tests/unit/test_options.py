"""What the class options do, and that none of them is ignored in silence."""

import types
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from faust_core.errors import ConfigError, DecodeError
from faust_models import ModelOptions, Record, codecs
from faust_models.registry import canonical_name


class Base(Record, serializer="msgpack", coerce=True, namespace="base"):
    x: int


class Sub(Base):
    y: int = 0


class Place:
    def __init__(self, name: str) -> None:
        self.name = name

    def __json__(self) -> str:
        return self.name


class Visit(Record, coercions={Place: Place}):
    place: Place
    places: list[Place] = []  # noqa: RUF012 - made anew for every record


def test_serializer_is_offered_to_whoever_has_the_type() -> None:
    assert Base.__faust_serializer__ == "msgpack"
    assert Record.__faust_serializer__ is None
    assert Base.loads(Base(1).dumps()) == Base(1)
    assert Base(1).dumps() == b"\x81\xa1x\x01"


def test_options_are_inherited_except_the_namespace() -> None:
    assert Sub._options.serializer == "msgpack"
    assert Sub._options.coerce
    assert Sub._options.namespace == f"{__name__}.Sub"


def test_options_tell_about_the_fields() -> None:
    options = Sub._options
    assert isinstance(options, ModelOptions)
    assert options.fields == {"x": int, "y": int}
    assert options.fieldset == {"x", "y"}
    assert options.fieldpos == {0: "x", 1: "y"}
    assert options.optionalset == {"y"}
    assert options.defaults == {"y": 0}
    assert list(options.descriptors) == ["x", "y"]


def test_inner_options_class_says_the_same() -> None:
    class Inner(Record):
        x: int

        class Options:
            serializer = "msgpack"
            namespace = "inner"

    assert (Inner._options.serializer, Inner._options.namespace) == ("msgpack", "inner")


def test_coerce_reads_numbers_in_strings() -> None:
    class Strict(Record):
        x: int

    assert codecs.json(Base).decode(b'{"x":"5"}') == Base(5)
    with pytest.raises(DecodeError, match=r"`int`, got `str` - at `\$\.x`"):
        codecs.json(Strict).decode(b'{"x":"5"}')


def test_dates_and_decimals_are_decoded_whatever_the_options_say() -> None:
    class Dated(Record, isodates=True, decimals=True):
        when: datetime
        price: Decimal

    record = Dated.loads(b'{"when":"2024-01-02T03:04:05Z","price":"1.10"}')
    assert record.when == datetime.fromisoformat("2024-01-02T03:04:05+00:00")
    assert record.price == Decimal("1.10")


def test_coercions_build_types_that_json_does_not_know() -> None:
    visit = Visit.loads(b'{"place":"Oslo","places":["Rome"]}')
    assert visit.place.name == "Oslo"
    assert [place.name for place in visit.places] == ["Rome"]
    assert Visit.loads(visit.dumps()).place.name == "Oslo"


def test_coercions_of_a_type_that_is_decoded_anyway_are_refused() -> None:
    with pytest.raises(ConfigError, match="decoded without help"):

        class Wrong(Record, coercions={datetime: datetime.fromisoformat}):
            when: datetime


def test_conflicting_coercions_inside_one_type_are_refused() -> None:
    class Other(Record, coercions={Place: lambda name: Place(name.upper())}):
        place: Place
        visit: Visit | None

    with pytest.raises(ConfigError, match="Place in different ways"):
        codecs.json(Other)


@pytest.mark.parametrize("option", ["polymorphic_fields", "allow_blessed_key", "date_parser"])
def test_option_without_effect_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} does not work yet"):
        types.new_class("Wrong", (Record,), {option: True})


def test_option_without_effect_may_be_off() -> None:
    class Fine(Record, polymorphic_fields=False, allow_blessed_key=False, date_parser=None, lazy_creation=True):
        x: "int"

    Fine.make_final()
    assert Fine._options.fields == {"x": int}


def test_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        types.new_class("Wrong", (Record,), {"serialiser": "json"})


def test_annotation_that_names_nothing_is_a_config_error_when_first_used() -> None:
    class Dangling(Record):
        x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - wrong on purpose

    with pytest.raises(ConfigError, match="Nowhere"):
        codecs.json(Dangling)


def test_abstract_class_cannot_be_the_type_of_values() -> None:
    class Shape(Record, abstract=True):
        name: str

    for abstract in (Shape, Record):
        with pytest.raises(ConfigError, match="abstract"):
            codecs.json(abstract)


def test_main_module_is_named_as_if_it_were_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import __main__

    monkeypatch.setattr(__main__, "__file__", str(tmp_path / "app.py"), raising=False)
    assert canonical_name("__main__", "Order") == "app.Order"
    (tmp_path / "__init__.py").touch()
    assert canonical_name("__main__", "Order") == f"{tmp_path.name}.app.Order"
    monkeypatch.delattr(__main__, "__file__")
    assert canonical_name("__main__", "Order") == "__main__.Order"
    assert canonical_name("shop.models", "Order") == "shop.models.Order"
