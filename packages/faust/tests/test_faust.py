"""The package `faust`: its names, and what importing it does."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import faust
import faust_core
import faust_models

NAMES = [
    "Agent",
    "AgentError",
    "App",
    "Channel",
    "ChannelT",
    "Codec",
    "Credentials",
    "Event",
    "EventT",
    "FaustError",
    "GSSAPICredentials",
    "GlobalTable",
    "HoppingWindow",
    "ModelOptions",
    "Monitor",
    "OAuthCredentials",
    "Record",
    "SASLCredentials",
    "SSLCredentials",
    "Schema",
    "Sensor",
    "Service",
    "ServiceT",
    "SessionWindow",
    "SetGlobalTable",
    "SetTable",
    "Settings",
    "SlidingWindow",
    "Stream",
    "StreamT",
    "Table",
    "TestDriver",
    "Topic",
    "TopicPartition",
    "TopicT",
    "TumblingWindow",
    "VERSION",
    "VersionInfo",
    "Window",
    "Worker",
    "__version__",
    "agents",
    "app",
    "auth",
    "channels",
    "cli",
    "current_event",
    "events",
    "exceptions",
    "models",
    "sensors",
    "serializers",
    "stores",
    "streams",
    "tables",
    "testing",
    "topics",
    "transport",
    "types",
    "utils",
    "uuid",
    "version_info",
    "web",
    "windows",
]

EFFECTS = """
import json, logging, os, sys, threading, warnings
def state():
    return [dict(os.environ), sys.argv, len(logging.root.handlers), logging.root.level, threading.active_count(),
            len(warnings.filters), sorted(logging.root.manager.loggerDict), repr(sys.stdout), repr(sys.excepthook)]
before = state()
modules = set(sys.modules)
import faust
assert state() == before
print(json.dumps(sorted(set(sys.modules) - modules)))
"""

PROGRAM = """\
from faust import App, Record, Stream


class Order(Record):
    customer: str
    amount: float


app = App("shop", broker="memory://")
orders = app.topic("orders", value_type=Order)


@app.agent(orders)
async def add_up(stream: Stream[Order]) -> None:
    async for order in stream:
        reveal_type(order.amount)
        order.nothing
"""


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )


def test_the_public_names_are_these():
    assert sorted(faust.__all__) == NAMES
    assert set(NAMES) <= set(dir(faust))


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_exists(name):
    assert getattr(faust, name) is not None


def test_the_classes_are_those_of_the_engine_and_the_models():
    assert faust.App is faust_core.App
    assert faust.Record is faust_models.Record
    assert faust.types.AppT is faust_core.App
    assert faust.exceptions.ImproperlyConfigured is faust_core.errors.ConfigError


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'faust' has no attribute 'Nothing'"):
        _ = faust.Nothing


def test_the_version_is_that_of_the_distribution():
    assert faust.__version__ == version("faust-stack")
    assert ".".join(map(str, faust.version_info[:3])) == faust.__version__
    assert faust.VERSION is faust.version_info


def test_the_import_has_no_effects_and_brings_nothing_along():
    done = python("-c", EFFECTS)
    assert done.returncode == 0, done.stderr
    foreign = [name for name in json.loads(done.stdout) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert foreign == ["faust"]


def test_the_import_takes_a_moment():
    """Not asserted, as machines differ: shown by `pytest -s`."""
    done = python("-X", "importtime", "-c", "import faust")
    sys.stdout.write(f"{done.stderr.splitlines()[-1]}\n")
    assert done.returncode == 0


def test_codecs_are_found_and_registered_by_name():
    from faust.serializers import codecs

    class Reversed:
        def encode(self, value):
            return value.encode()[::-1]

        def decode(self, data):
            return data[::-1].decode()

    codecs.register("reversed", Reversed())
    assert codecs.dumps("reversed", "abc") == b"cba"
    assert codecs.loads("reversed", b"cba") == "abc"
    assert codecs.loads("json", codecs.dumps("json", {"a": 1})) == {"a": 1}
    assert codecs.dumps(None, b"as it is") == b"as it is"


def test_codecs_are_put_into_chains_by_name_or_with_a_bar():
    from faust.serializers import Codec, codecs

    chain = codecs.get_codec("json|zlib")
    assert isinstance(chain, Codec)
    assert chain.loads((codecs.json() | codecs.zlib(level=9)).dumps({"a": 1})) == {"a": 1}
    assert (codecs.pickle() | codecs.binary()).loads(codecs.dumps("pickle|binary", (1, 2))) == (1, 2)
    codecs.register("zlib-of-a-test", codecs.zlib(max_output_bytes=100))
    with pytest.raises(faust.exceptions.DecodeError, match="more than 100"):
        codecs.loads("zlib-of-a-test", codecs.dumps("zlib", b"x" * 101))
    for name in ("text", "msgpack", "yaml", "gzip", "zstd", "raw_pickle", "pickle_restricted", "raw"):
        assert getattr(codecs, name)().loads(codecs.dumps(name, "abc")) in ("abc", b"abc")


def test_the_registry_reads_and_writes_by_type_and_codec():
    from faust.exceptions import KeyDecodeError, ValueDecodeError
    from faust.serializers import Registry

    class Order(faust.Record, include_metadata=False):
        id: int

    registry = Registry(key_serializer="raw", value_serializer="json")
    assert registry.dumps_value(Order, Order(1)) == b'{"id":1}'
    assert registry.loads_value(Order, b'{"id":1}') == Order(1)
    assert registry.dumps_value(None, b"as it is") == b"as it is"
    assert registry.dumps_key(str, "k") == b"k"
    assert registry.loads_key(int, b"5") == 5
    assert registry.loads_key(int, None) is None
    assert registry.loads_value(
        Order, registry.dumps_value(Order, Order(2), serializer="yaml"), serializer="yaml"
    ) == Order(2)
    with pytest.raises(ValueDecodeError) as caught:
        registry.loads_value(Order, b'{"id":"x"}')
    assert (caught.value.codec, caught.value.field) == ("json", "id")
    with pytest.raises(KeyDecodeError):
        registry.loads_key(int, b"x")


def test_pickles_and_yaml_of_the_original_are_read():
    """The bytes are what the original writes: a record as plain values, pickled and in base64, or as YAML."""
    import base64
    import pickle

    from faust.serializers import codecs

    class Order(faust.Record):
        id: int

    theirs = {"id": 1, "__faust": {"ns": "shop.Order"}}
    assert Order.loads(base64.b64encode(pickle.dumps(theirs)), serializer="pickle") == Order(1)
    assert Order.loads(b"__faust: {ns: shop.Order}\nid: 1\n", serializer="yaml") == Order(1)
    assert codecs.loads("yaml", Order(1).dumps(serializer="yaml"))["id"] == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_programs_are_type_checked(tmp_path):
    (tmp_path / "shop.py").write_text(PROGRAM)
    packages = Path(__file__).parents[2]
    found = [str(folder) for folder in sorted(packages.glob("*/src"))]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "shop.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
        cwd=tmp_path,
        env={"MYPYPATH": ":".join(found), "PATH": ""},
    )
    said = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert said[:-1] == [
        'note: Revealed type is "float"',
        'error: "Order" has no attribute "nothing"  [attr-defined]',
    ], done.stdout + done.stderr


def test_python_dash_m_faust_is_the_program():
    done = python("-m", "faust", "--version")
    assert done.stdout.startswith(f"faust {faust.__version__} on Python")
