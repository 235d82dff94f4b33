"""The tests that any transport, store or codec for Faust must pass; see `transport`, `store` and `codec`."""

from __future__ import annotations

import pytest

# Before the rules are imported, so that a failing assertion shows its values.
pytest.register_assert_rewrite("faust_conformance.codec", "faust_conformance.store", "faust_conformance._transport")

from faust_conformance.capabilities import ConformanceSuite, StoreCapability, requires  # noqa: E402
from faust_conformance.codec import CodecCapability, CodecConformance  # noqa: E402
from faust_conformance.store import StoreConformance  # noqa: E402
from faust_conformance.transport import TransportCapability, TransportConformance  # noqa: E402

__all__ = [
    "CodecCapability",
    "CodecConformance",
    "ConformanceSuite",
    "StoreCapability",
    "StoreConformance",
    "TransportCapability",
    "TransportConformance",
    "requires",
]
