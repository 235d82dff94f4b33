"""The transport `aiokafka://` keeps the rules for transports, against a real broker."""

from __future__ import annotations

from typing import Any

import pytest

from faust_conformance.transport import MakeTransport, TransportCapability, TransportConformance
from faust_core.protocols.transport import Transport, TransportContext
from faust_transport_kafka import aiokafka as create

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


class TestAioKafka(TransportConformance):
    # A lost partition and a crashed process need a broker and a process of their own: see the integration tests.
    capabilities = frozenset(TransportCapability) - {
        TransportCapability.LOSE_PARTITION,
        TransportCapability.CRASH,
        TransportCapability.CLOGGED_PRODUCER,
    }
    time_limit_s = 30.0
    quiet_s = 1.0

    @pytest.fixture
    def make_transport(self, kafka: str) -> MakeTransport:
        def make(**context: Any) -> Transport:
            return create(f"aiokafka://{kafka}", TransportContext(urls=(f"aiokafka://{kafka}",), **context))

        return make
