"""The rules that every transport keeps.

An implementer derives a test class, declares what the transport can do, and gives the fixtures:

    class TestKafka(TransportConformance):
        capabilities = frozenset({TransportCapability.TRANSACTIONS, TransportCapability.HEADERS})

        @pytest.fixture
        def make_transport(self) -> MakeTransport:
            def make(**context: object) -> Transport:
                return create("kafka://localhost", TransportContext(**context))
            return make

Every test uses topics and groups of its own, and waits until something is so rather than for a fixed time;
the class attributes `time_limit_s` and `quiet_s` say how long.  They need pytest-asyncio, in either mode.
"""

from __future__ import annotations

from faust_conformance._transport.administering import AdminRules
from faust_conformance._transport.base import MakeTransport, TransportCapability
from faust_conformance._transport.consuming import ConsumerRules
from faust_conformance._transport.noting import NoteRules
from faust_conformance._transport.producing import ProducerRules
from faust_conformance._transport.transactions import TransactionRules

__all__ = ["MakeTransport", "TransportCapability", "TransportConformance"]


class TransportConformance(
    ConsumerRules, ProducerRules, TransactionRules, NoteRules, AdminRules, capability_type=TransportCapability
):
    """All rules of `faust_core.protocols.transport` and `.notes`.

    The implementer gives the fixture `make_transport`, and for what is declared the hooks `clogged_transport`,
    `lose_partition` and `crash`; their docstrings say what they must do.
    """
