"""The transport `confluent://` keeps the rules for transports, against a real broker."""

from __future__ import annotations

from typing import Any

import pytest

from faust_conformance.transport import MakeTransport, TransportCapability, TransportConformance
from faust_core.protocols.transport import Transport, TransportContext
from faust_transport_kafka import confluent as create

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


class TestConfluent(TransportConformance):
    # A lost partition and a crashed process need a broker and a process of their own: see the integration tests.
    capabilities = frozenset(TransportCapability) - {
        TransportCapability.LOSE_PARTITION,
        TransportCapability.CRASH,
        TransportCapability.GROUP_PLANS,
    }
    time_limit_s = 30.0
    quiet_s = 1.0

    @pytest.fixture
    def make_transport(self, kafka: str) -> MakeTransport:
        def make(**context: Any) -> Transport:
            return create(f"confluent://{kafka}", TransportContext(urls=(f"confluent://{kafka}",), **context))

        return make

    @pytest.fixture
    def clogged_transport(self, make_transport: MakeTransport) -> Transport:
        return make_transport(max_buffered_bytes=65_536, max_request_bytes=16_384, linger_s=0.2)
