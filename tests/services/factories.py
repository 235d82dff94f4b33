"""The types of the fixtures that make services."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tests.services.kafka import KafkaBroker
from tests.services.proxy import TcpProxy
from tests.services.redis import RedisServer


class MakeKafka(Protocol):
    """The fixture `own_kafka`."""

    def __call__(
        self, *, proxies: Sequence[TcpProxy] = (), start: bool = True, settings: Mapping[str, str] | None = None
    ) -> KafkaBroker:
        """Make a broker, reachable through each of `proxies` too, and start it unless told not to."""


class MakeRedis(Protocol):
    """The fixture `own_redis`."""

    def __call__(self, *, persistent: bool = False, settings: Mapping[str, str] | None = None) -> RedisServer:
        """Make a server and start it."""


class MakeProxy(Protocol):
    """The fixture `tcp_proxy`."""

    def __call__(self) -> TcpProxy:
        """Make a proxy that listens and has no target yet."""
