"""Services for every test in this repository, and the options that leave them out.

A test takes the address of a service as a fixture; the mark (`kafka`, `redis`, `registry`) then comes by
itself.  A service that is neither given by the environment nor startable fails the tests that need it.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from os import environ
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.services import kafka as kafka_service
from tests.services.apicurio import ApicurioRegistry
from tests.services.errors import ServiceUnavailableError
from tests.services.factories import MakeKafka, MakeProxy, MakeRedis
from tests.services.kafka import KafkaBroker
from tests.services.patience import PATIENCE
from tests.services.proxy import TcpProxy
from tests.services.redis import RedisServer
from tests.services.schema_registry import SchemaRegistryServer

FIXTURES = {
    "kafka": {"kafka", "own_kafka"},
    "redis": {"redis_url", "own_redis"},
    "registry": {"schema_registry_url"},
}
SESSION_FIXTURES = {"kafka": "kafka", "redis": "redis_url", "registry": "schema_registry_url"}
OWN_SERVICE_TIMEOUT_S = 120  # a test that starts a broker of its own, unless it sets its own limit

# Other tests run beside: how long an example takes says nothing.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

_addresses = pytest.StashKey[dict[str, str | ServiceUnavailableError]]()
_running = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that skip tests."""
    group = parser.getgroup("faust", "real services")
    for service in FIXTURES:
        group.addoption(f"--without-{service}", action="store_true", help=f"skip the tests that need {service}")


def pytest_configure(config: pytest.Config) -> None:
    """Have a place for what is started; where several processes test (`-n`), the first one starts it for them all."""
    config.stash[_running] = ExitStack()
    given: dict[str, str] = getattr(config, "workerinput", {}).get("services", {})
    config.stash[_addresses] = {name: _as_told(address) for name, address in given.items()}
    if getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SharedServices(), "shared-services")


class SharedServices:
    """Starts the services before the processes that test, and tells these where they are."""

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process that is about to start."""
        config: pytest.Config = node.config
        wanted = [
            name
            for service, name in SESSION_FIXTURES.items()
            if not config.getoption(f"--without-{service}") and f"not {service}" not in config.option.markexpr
        ]
        _start(config, *wanted)
        node.workerinput["services"] = {name: str(told) for name, told in config.stash[_addresses].items()}


def _as_told(address: str) -> str | ServiceUnavailableError:
    """Return what an address was before it was text: one has no space in it, a reason why there is none has."""
    return ServiceUnavailableError(address) if " " in address else address


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    config.stash[_running].close()


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests by the services they use, and skip those that an option leaves out."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for service, names in FIXTURES.items():
            if fixtures & names:
                item.add_marker(service)
            if item.get_closest_marker(service) and config.getoption(f"--without-{service}"):
                item.add_marker(pytest.mark.skip(reason=f"--without-{service} was given"))
        default = OWN_SERVICE_TIMEOUT_S if fixtures & {"own_kafka", "own_redis"} else config.getini("timeout")
        limit = next(item.iter_markers("timeout"), pytest.mark.timeout(float(default)).mark)
        item.add_marker(pytest.mark.timeout(limit.args[0] * PATIENCE), append=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the shared services now: a first start fetches Kafka, which no test's time-out should cover."""
    if session.config.option.collectonly:
        return
    items = [item for item in session.items if not item.get_closest_marker("skip")]
    wanted = {name for item in items for name in getattr(item, "fixturenames", ())}
    _start(session.config, *(name for name in SESSION_FIXTURES.values() if name in wanted))
    if "own_kafka" in wanted:
        with suppress(ServiceUnavailableError):  # the tests that need them say so
            kafka_service.jars()


def _start(config: pytest.Config, *names: str) -> None:
    """Start those of the services that have no address yet, all at once: each of them waits most of the time."""
    addresses = config.stash[_addresses]

    def start(name: str) -> None:
        try:
            addresses[name] = STARTS[name](config)
        except ServiceUnavailableError as unavailable:
            addresses[name] = unavailable

    waiting = [name for name in names if name not in addresses]
    if waiting:
        _directory(config, "services")  # the first call makes the folder of all others, and is for one thread
        with ThreadPoolExecutor() as threads:
            list(threads.map(start, waiting))


def _address(request: pytest.FixtureRequest, name: str) -> str:
    addresses = request.config.stash[_addresses]
    _start(request.config, name)  # where it was asked for by getfixturevalue()
    address = addresses[name]
    if isinstance(address, ServiceUnavailableError):
        pytest.fail(str(address), pytrace=False)
    return address


def _kafka(config: pytest.Config) -> str:
    if given := environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return given
    broker = KafkaBroker(_directory(config, "kafka"), heap="1g")
    config.stash[_running].callback(broker.delete)
    broker.start()
    return broker.bootstrap


def _redis(config: pytest.Config) -> str:
    if given := environ.get("REDIS_URL"):
        return given
    server = RedisServer(_directory(config, "redis"))
    config.stash[_running].callback(server.close)
    server.start()
    return server.url


def _registry(config: pytest.Config) -> str:
    if given := environ.get("SCHEMA_REGISTRY_URL"):
        return given
    registry = ApicurioRegistry(_directory(config, "registry"))
    config.stash[_running].callback(registry.close)
    registry.start()
    return registry.url


STARTS = {"kafka": _kafka, "redis_url": _redis, "schema_registry_url": _registry}


def _directory(config: pytest.Config, name: str) -> Path:
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001  (no public name)
    return factory.mktemp(name)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """`host:port` of a real Apache Kafka that all tests share: KAFKA_BOOTSTRAP_SERVERS, else one started here.

    Use `unique` in the names of topics, groups and transactional ids.
    """
    return _address(request, "kafka")


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """URL of a real Redis that all tests share: REDIS_URL, else one started here.  Use `unique` in keys."""
    return _address(request, "redis_url")


@pytest.fixture(scope="session")
def schema_registry_url(request: pytest.FixtureRequest) -> str:
    """URL of a real schema registry that all tests share: SCHEMA_REGISTRY_URL, else Apicurio Registry, started here.

    Use `unique` in the names of topics and subjects.
    """
    return _address(request, "schema_registry_url")


@pytest.fixture
def schema_registry() -> Iterator[SchemaRegistryServer]:
    """A registry of the test's own that fails as told; see tests/services/schema_registry.py for what it is not."""
    with SchemaRegistryServer() as server:
        yield server


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name no other test run has, legal as a topic, group, application id or key; it begins as the test does."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    return f"{test or 'test'}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeKafka]:
    """Makes brokers that the test may stop, kill, pause and restart.  They are gone after the test."""
    with ExitStack() as brokers:

        def make(
            *, proxies: Sequence[TcpProxy] = (), start: bool = True, settings: Mapping[str, str] | None = None
        ) -> KafkaBroker:
            advertised = [proxy.address for proxy in proxies]
            broker = KafkaBroker(tmp_path_factory.mktemp("own-kafka"), advertised=advertised, settings=settings)
            brokers.callback(broker.delete)
            for proxy, behind in zip(proxies, broker.behind, strict=True):
                proxy.target = behind
            if start:
                _start_or_fail(broker)
            return broker

        yield make


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRedis]:
    """Makes Redis servers that the test may stop, kill, pause and restart.  They are gone after the test."""
    with ExitStack() as servers:

        def make(*, persistent: bool = False, settings: Mapping[str, str] | None = None) -> RedisServer:
            server = RedisServer(tmp_path_factory.mktemp("own-redis"), persistent=persistent, settings=settings)
            servers.callback(server.close)
            _start_or_fail(server)
            return server

        yield make


def _start_or_fail(service: KafkaBroker | RedisServer) -> None:
    reason = ""
    try:
        service.start()
    except ServiceUnavailableError as unavailable:
        reason = str(unavailable)
    if reason:  # not inside `except`: pytest would show both errors
        pytest.fail(reason, pytrace=False)


@pytest.fixture
def tcp_proxy() -> Iterator[MakeProxy]:
    """Makes TCP proxies that can cut, delay and swallow the traffic between a worker and a service.

    For Kafka: `proxy = tcp_proxy(); broker = own_kafka(proxies=[proxy])`; the worker connects to `proxy.address`,
    the test looks at the broker through `broker.bootstrap`.  For others set `proxy.target`.
    """
    with ExitStack() as proxies:
        yield lambda: proxies.enter_context(TcpProxy())
