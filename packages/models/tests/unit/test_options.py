"""What the class options do, and that none of them is ignored in silence."""

import enum
import types
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from faust_core.errors import ConfigError, DecodeError
from faust_models import ModelOptions, Record, ValidationError, codecs
from faust_models.registry import canonical_name


class Base(Record, serializer="msgpack", coerce=True, namespace="base", include_metadata=False):
    x: int


class Sub(Base):
    y: int = 0


class Place:
    def __init__(self, name: str) -> None:
        self.name = name

    def __json__(self) -> str:
        return self.name


class Colour(enum.Enum):
    RED = "red"


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


def test_coercions_go_before_what_json_knows() -> None:
    class Stamped(Record, coercions={datetime: lambda seconds: datetime.fromtimestamp(seconds, UTC)}):
        when: datetime
        colour: Colour | None = None

    assert Stamped.loads(b'{"when":0}').when == datetime(1970, 1, 1, tzinfo=UTC)
    assert (
        Stamped.loads(Stamped.loads(b'{"when":0}').dumps(serializer="msgpack"), serializer="msgpack").when.year == 1970
    )


def test_each_record_coerces_in_its_own_way() -> None:
    class Other(Record, coercions={Place: lambda name: Place(name.upper())}):
        place: Place
        visit: Visit | None

    other = codecs.json(Other).decode(b'{"place":"Oslo","visit":{"place":"Rome"}}')
    assert (other.place.name, other.visit.place.name) == ("OSLO", "Rome")


def test_coercions_are_inherited_one_by_one() -> None:
    class Later(Visit, coercions={Colour: lambda name: Colour(name.lower())}):
        colour: Colour = Colour.RED

    later = Later.loads(b'{"place":"Oslo","colour":"RED"}')
    assert (later.place.name, later.colour) == ("Oslo", Colour.RED)
    assert Visit.loads(b'{"place":"Oslo"}').place.name == "Oslo"


def test_error_in_a_coercion_names_the_path() -> None:
    class Picky(Record, coercions={Colour: lambda name: {"r": Colour.RED}[name]}):
        colours: list[Colour]

    with pytest.raises(DecodeError, match=r"^json: 'b' - at `\$\.colours\[1\]`$"):
        codecs.json(Picky).decode(b'{"colours":["r","b"]}')


def test_type_that_nothing_can_make_says_what_to_declare() -> None:
    class Helpless(Record):
        place: Place

    with pytest.raises(DecodeError, match=r"declare coercions=\{Place: …\} - at `\$\.place`"):
        codecs.json(Helpless).decode(b'{"place":"Oslo"}')


@pytest.mark.parametrize(
    ("option", "value"),
    [("coercions", {"int": int}), ("coercions", {int: 5}), ("coercions", [int]), ("date_parser", "iso")],
)
def test_option_that_makes_no_sense_is_refused(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"class Wrong: {option} "):
        types.new_class("Wrong", (Record,), {option: value})


@pytest.mark.parametrize("option", ["array_like", "tag", "tag_field", "omit_defaults", "forbid_unknown_fields"])
def test_option_of_msgspec_that_would_change_the_wire_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"records do not have the option {option}"):
        types.new_class("Wrong", (Record,), {option: True})


def test_date_parser_reads_dates_wherever_they_stand() -> None:
    class Dated(Record, date_parser=lambda text: datetime.strptime(text, "%d.%m.%Y").replace(tzinfo=UTC)):
        when: datetime
        more: list[datetime | None] = []  # noqa: RUF012 - made anew for every record

    dated = Dated.loads(b'{"when":"02.01.2024","more":["03.01.2024",null]}')
    assert dated == Dated(datetime(2024, 1, 2, tzinfo=UTC), [datetime(2024, 1, 3, tzinfo=UTC), None])
    assert dated.dumps().startswith(b'{"when":"2024-01-02T00:00:00Z"')
    with pytest.raises(DecodeError, match=r"does not match format .* - at `\$\.more\[0\]`"):
        Dated.loads(b'{"when":"02.01.2024","more":["2024"]}')


@pytest.mark.parametrize("text", ["20240102T030405+0000", "2024-01-02 03:04:05+00:00", "2024-W01-2T03:04:05Z"])
def test_dates_are_read_in_any_form_of_iso_8601(text: str) -> None:
    class Dated(Record):
        when: datetime

    assert Dated.loads(b'{"when":"%b"}' % text.encode()).when == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_coerce_works_in_the_constructor_too() -> None:
    class Coerced(Record, coerce=True):
        count: int
        when: datetime | None = None
        visits: list[int] = []  # noqa: RUF012 - made anew for every record

    coerced = Coerced("5", "2024-01-02T03:04:05Z", ["1"])  # type: ignore[arg-type, list-item] # that is the point
    assert coerced == Coerced(5, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), [1])
    with pytest.raises(ValidationError, match=r"Coerced\.count: Expected `int`, got `str`, not 'x'"):
        Coerced("x")  # type: ignore[arg-type] # wrong on purpose


def test_coerced_fields_are_ready_in_post_init() -> None:
    class Doubled(Record, coerce=True):
        value: int

        def __post_init__(self) -> None:
            self.value *= 2

    class Sub(Doubled):
        more: int = 0

        def __post_init__(self) -> None:
            super().__post_init__()
            self.more += self.value

    assert Doubled("2").value == 4  # type: ignore[arg-type] # coerced
    assert Sub("2", "3") == Sub(2, 3)  # type: ignore[arg-type] # coerced
    assert (Sub(2, 3).value, Sub(2, 3).more) == (4, 7)


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


def test_main_module_is_named_as_if_it_were_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import __main__

    monkeypatch.setattr(__main__, "__file__", str(tmp_path / "app.py"), raising=False)
    assert canonical_name("__main__", "Order") == "app.Order"
    (tmp_path / "__init__.py").touch()
    assert canonical_name("__main__", "Order") == f"{tmp_path.name}.app.Order"
    monkeypatch.delattr(__main__, "__file__")
    assert canonical_name("__main__", "Order") == "__main__.Order"
    assert canonical_name("shop.models", "Order") == "shop.models.Order"
