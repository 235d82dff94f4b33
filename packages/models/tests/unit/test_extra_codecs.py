"""YAML and Zstandard: what is special about them, and what is said where their packages are missing."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import pytest

from faust_core.errors import ConfigError, DecodeError, EncodeError, PluginMissing
from faust_core.registry import codec as find_codec
from faust_models import Record
from faust_models.plain import plain_form
from faust_models.yaml_codec import yaml
from faust_models.zstd_codec import zstd


class Item(Record):
    name: str
    price: Decimal


class Order(Record):
    at: dt.datetime
    items: list[Item]
    data: bytes = b""


ORDER = Order(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), [Item("a", Decimal("1.10"))], b"\0\xff")


@pytest.mark.parametrize("spec", ["yaml", "pickle", "raw_pickle", "pickle_restricted", "yaml|zstd", "json|gzip|binary"])
def test_records_are_read_back(spec: str) -> None:
    codec = find_codec(spec, Order)
    assert codec.decode(codec.encode(ORDER)) == ORDER
    assert Order.loads(ORDER.dumps(serializer=spec), serializer=spec) == ORDER


def test_yaml_carries_the_namespace_and_is_readable() -> None:
    assert yaml(Item).encode(Item("ä", Decimal(2))).decode() == (
        f"name: ä\nprice: '2'\n__faust:\n  ns: {Item._options.namespace}\n"
    )


def test_yaml_of_others_may_have_dates() -> None:
    assert yaml(Order).decode(b"at: 2024-01-02T00:00:00Z\nitems: []\n") == Order(ORDER.at, [])
    with pytest.raises(DecodeError) as caught:
        yaml(Order).decode(b"at: 2024-01-02T00:00:00Z\nitems: [{name: a, price: []}]\n")
    assert caught.value.field == "items[0].price"


@pytest.mark.parametrize("depth", [90, 101, 500, 200_000])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b"{a: ", b"}"), (b"- ", b"")])
def test_yaml_has_a_greatest_depth(begin: bytes, end: bytes, depth: int) -> None:
    data = begin * depth + b"x" + end * depth
    if depth <= 100:
        assert yaml().decode(data)
    else:
        with pytest.raises(DecodeError, match="nested more than 100 levels deep"):
            yaml().decode(data)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    assert yaml().decode(b"[" + b"[x], " * 500 + b"]") == [["x"]] * 500
    assert yaml().decode(yaml().encode({"a": ["*" * 100, "[" * 300]})) == {"a": ["*" * 100, "[" * 300]}


@pytest.mark.parametrize("data", [b"a: &x 1\nb: *x\n", b"a: &x [*x]\n"])
def test_yaml_takes_no_aliases(data: bytes) -> None:
    with pytest.raises(DecodeError, match=r"alias \*x: aliases are not taken"):
        yaml().decode(data)


def test_what_is_written_has_no_aliases_either() -> None:
    shared = [1, 2]
    assert yaml().decode(yaml().encode([shared, shared])) == [shared, shared]
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="yaml cannot write a list"):
        yaml().encode(loop)


def test_a_tag_names_no_class() -> None:
    for data in (b"!!python/object/apply:os.system ['true']", b"!!python/name:os.system", b"!Order {}"):
        with pytest.raises(DecodeError, match="not yaml: could not determine a constructor"):
            yaml().decode(data)


@pytest.mark.parametrize(("name", "module"), [("yaml", "yaml"), ("zstd", "zstandard")])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginMissing, match=rf"pip install 'faust-models\[{name}\]'"):
        find_codec(name)


@pytest.mark.parametrize("options", [{"level": 99}, {"max_output_bytes": 0}])
def test_options_of_zstd_are_checked(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        zstd(**options)


def test_zstd_carries_bytes() -> None:
    with pytest.raises(ConfigError, match=r"'zstd' carries bytes, not int: put one before it, as in 'json\|zstd'"):
        zstd(int)
    with pytest.raises(EncodeError, match="zstd cannot write a int"):
        zstd().encode(1)


def test_plain_forms_name_the_field() -> None:
    with pytest.raises(DecodeError) as caught:
        plain_form(Order).from_plain({"at": 1, "items": [{"name": 1}]})
    assert caught.value.field
