"""Every wheel can be published, and works where nothing but its declared dependencies is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.distributions import DISTRIBUTIONS, ROOT, CleanEnvironment, Distribution

MakeEnvironment = Callable[..., CleanEnvironment]

each = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda distribution: distribution.name)

#: Modules for something that a distribution can work with and does not need: what it is called.
OPTIONAL = {"faust_store_rocksdb.drivers.rocksdb": "rocksdb"}

IMPORT_ALL = f"""
import importlib, pkgutil, sys
root = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name != {OPTIONAL}.get(module.name):
                raise
"""

LOAD_ENTRY_POINTS = """
import importlib.metadata, sys
for point in importlib.metadata.distribution(sys.argv[1]).entry_points:
    point.load()
"""

SHOW_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]), end='')"

HAS_IMPORT_EFFECTS = """
import os, sys, threading
before = (dict(os.environ), list(sys.argv), threading.active_count())
__import__(sys.argv[1])
assert before == (dict(os.environ), list(sys.argv), threading.active_count())
"""


@each
def test_metadata_can_be_published(distribution: Distribution, wheels: Path) -> None:
    metadata = distribution.wheel(wheels).metadata
    requirements = metadata.get_all("Requires-Dist", [])
    assert not [value for value in metadata.values() if "file:" in value]
    assert not [requirement for requirement in requirements if " @ " in requirement], "a wheel may not name an address"
    assert metadata["Name"] == distribution.name
    assert metadata["Version"] == distribution.version
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"
    assert str(metadata.get_payload()).strip(), "the README is missing"


@each
def test_a_sibling_is_required_as_a_range(distribution: Distribution, wheels: Path) -> None:
    siblings = {sibling.name for sibling in DISTRIBUTIONS}
    for requirement in distribution.wheel(wheels).metadata.get_all("Requires-Dist", []):
        name = requirement.partition(";")[0].partition("(")[0].split(">")[0].split("<")[0].strip()
        if name in siblings:
            assert ">=" in requirement, requirement
            assert "<" in requirement.replace(">=", ""), requirement
            assert "==" not in requirement.partition(";")[0], requirement


@each
def test_a_wheel_holds_the_package_with_its_types_and_the_licence(distribution: Distribution, wheels: Path) -> None:
    names = distribution.wheel(wheels).names
    info = [name for name in names if ".dist-info/" in name]
    assert f"{distribution.module}/py.typed" in names
    assert [name for name in info if name.endswith("LICENSE")]
    assert {name.split("/")[0] for name in names if name not in info} == {distribution.module}
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]


@each
def test_a_wheel_works_alone(distribution: Distribution, clean_environment: MakeEnvironment) -> None:
    environment = clean_environment(distribution.name)
    environment.run(IMPORT_ALL, distribution.module)
    environment.run(LOAD_ENTRY_POINTS, distribution.name)
    environment.run(HAS_IMPORT_EFFECTS, distribution.module)
    assert environment.run(SHOW_VERSION, distribution.name) == distribution.version


def test_the_extras_can_be_installed(clean_environment: MakeEnvironment) -> None:
    extras = "asgi,datadog,fastapi,opentelemetry,prometheus,redis,schema-registry,sentry,statsd,uvloop,yaml,zstd"
    environment = clean_environment(f"faust-stack[{extras}]")
    environment.run("import datadog, fastapi, opentelemetry, prometheus_client, sentry_sdk, statsd, uvicorn")
    environment.run("import faust, faust_schema_registry, faust_store_redis")
    environment.run("import fastavro, google.protobuf, jsonschema, yaml, zstandard")


def test_the_minimal_example_needs_nothing_but_core(clean_environment: MakeEnvironment) -> None:
    environment = clean_environment("faust-core")
    program = (ROOT / "examples" / "minimal_core.py").read_text(encoding="utf-8")
    assert environment.run(program).startswith("room-0: at most 24.8")


def test_an_agent_runs_with_core_and_kafka_alone(clean_environment: MakeEnvironment, kafka: str, unique: str) -> None:
    environment = clean_environment("faust-core", "faust-transport-kafka")
    program = (Path(__file__).parent / "programs" / "agent_on_core_and_kafka.py").read_text()
    assert environment.run(program, kafka, unique).split() == ["hello", "world"]
