from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faust_core import registry
from faust_core.codecs import FunctionCodec, raw
from faust_core.errors import ConfigError, PluginMissing


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    def forget() -> None:
        registry._registered.clear()
        registry._loaded.clear()
        registry._installed.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs a distribution with one module and entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(distribution: str, module: str, source: str, **groups: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"[faust.{group}]\n{entry}\n" for group, entry in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return install


def test_plugins_come_from_entry_points(install: Any) -> None:
    install(
        "faust-x", "plugin_x", "def make(*a): return a\n", stores="xdb = plugin_x:make", transports="x = plugin_x:make"
    )
    make: Any = registry.store_factory("xdb://host/1")
    assert make("u", None) == ("u", None)
    assert registry.transport_factory("x://") is registry.transport_factory("x")
    assert registry.has_store("xdb")
    assert not registry.has_store("x")


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (registry.store_factory, "redis2://x", "no store for redis2://: did you mean 'redis'"),
        (registry.transport_factory, "kafak://x", "no transport for kafak://: did you mean 'kafka'"),
        (registry.codec, "jsn", "no codec 'jsn': did you mean 'json'"),
        (registry.codec, "zzz", "no codec 'zzz': installed are .*json"),
    ],
)
def test_an_unknown_plugin_is_an_error_that_offers_a_name(find: Any, name: str, message: str) -> None:
    with pytest.raises(PluginMissing, match=message):
        find(name)


def test_a_known_plugin_that_is_not_installed_names_its_distribution() -> None:
    program = """
import importlib.metadata as m
m.entry_points = lambda **k: []
from faust_core import registry
for find, name in [(registry.store_factory, "rocksdb://"), (registry.transport_factory, "kafka://a"),
                   (registry.store_factory, "redis://"), (registry.codec, "msgpack")]:
    try:
        find(name)
    except registry.PluginMissing as exc:
        print(exc)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=15)
    assert result.stdout.splitlines() == [
        "no store for rocksdb://: pip install faust-store-rocksdb",
        "no transport for kafka://: pip install faust-transport-kafka",
        "no store for redis://: pip install faust-store-redis",
        "no codec 'msgpack': pip install faust-models",
    ]


def test_a_codec_of_another_distribution_wins_over_the_one_of_core(install: Any) -> None:
    install("a-codec", "plugin_c", "from faust_core.codecs import raw as make\n", codecs="text = plugin_c:make")
    codec = registry.codec("text")
    assert isinstance(codec, FunctionCodec)
    assert codec.name == "raw"


def test_what_is_registered_in_the_process_wins_over_what_is_installed() -> None:
    registry.register_codec("json", raw)
    codec = registry.codec("json")
    assert isinstance(codec, FunctionCodec)
    assert codec.name == "raw"
    mine: Any = object()
    registry.register_store("mine", mine)
    registry.register_transport("mine", mine)
    assert registry.has_store("mine")
    assert registry.store_factory("mine://") is mine
    assert registry.transport_factory("mine://host") is mine


@pytest.mark.parametrize("name", ["", "a|b", "x://"])
def test_a_plugin_needs_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError, match="name of a plug-in"):
        registry.register_codec(name, raw)


def test_a_plugin_that_cannot_be_imported_names_its_distribution_and_the_cause(install: Any) -> None:
    install("faust-broken", "plugin_b", "import no_such_module\n", stores="broken = plugin_b:make")
    with pytest.raises(ConfigError, match=r"store 'broken' of faust-broken cannot be imported: .*no_such_module"):
        registry.store_factory("broken://")


def test_a_plugin_is_loaded_once_and_only_when_asked_for(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install("faust-y", "plugin_y", "print('loaded')\ndef make(*a): ...\n", stores="ydb = plugin_y:make")
    assert registry.has_store("ydb")
    assert capsys.readouterr().out == ""
    assert registry.store_factory("ydb://") is registry.store_factory("ydb://")
    assert capsys.readouterr().out == "loaded\n"


def test_a_chain_of_codecs_is_written_with_bars(install: Any) -> None:
    source = """
import zlib as z
from faust_core.codecs import FunctionCodec
def make(value_type=None): return FunctionCodec("zlib", z.compress, (TypeError,), z.decompress, (z.error,))
"""
    install("faust-zlib", "plugin_z", source, codecs="zlib = plugin_z:make")
    codec = registry.codec("json | zlib", dict[str, int])
    data = codec.encode({"a": 1})
    assert data.startswith(b"x")
    assert codec.decode(data) == {"a": 1}


def test_an_unknown_part_of_a_chain_is_an_error_that_names_it() -> None:
    with pytest.raises(PluginMissing, match="no codec 'zlob'"):
        registry.codec("json|zlob")


def test_a_codec_object_is_returned_as_it_is() -> None:
    codec = raw()
    assert registry.codec(codec) is codec


def test_commands_are_found_by_name(install: Any) -> None:
    install("faust-cmd", "plugin_cmd", "hello = 'a command'\n", commands="hello = plugin_cmd:hello")
    registry.register_command("other", "another")
    found = registry.commands()
    assert found["hello"] == "a command"
    assert found["other"] == "another"


def test_importing_the_registry_looks_nothing_up() -> None:
    program = "import faust_core.registry as r; print(r._installed.cache_info().currsize)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=15)
    assert result.stdout.strip() == "0"


def test_entry_points_name_caches(install: Any) -> None:
    install("faust-y", "plugin_caches", "def make(*a): return a\n", caches="ydb = plugin_caches:make")
    make: Any = registry.cache_factory("ydb://host")
    assert make("u", None) == ("u", None)
    with pytest.raises(PluginMissing, match="no cache for memroy://: did you mean 'memory'"):
        registry.cache_factory("memroy://")
    registry.register_cache("zdb", make)
    assert registry.cache_factory("zdb://") is make
