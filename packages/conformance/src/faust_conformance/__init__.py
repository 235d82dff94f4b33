"""The tests that any transport, store, cache or codec for Faust must pass; see the modules of these names."""

from __future__ import annotations

import pytest

# Before the rules are imported, so that a failing assertion shows its values.
pytest.register_assert_rewrite(
    "faust_conformance.cache", "faust_conformance.codec", "faust_conformance.store", "faust_conformance._transport"
)

from faust_conformance.cache import CacheCapability, CacheConformance  # noqa: E402
from faust_conformance.capabilities import ConformanceSuite, StoreCapability, requires  # noqa: E402
from faust_conformance.codec import CodecCapability, CodecConformance  # noqa: E402
from faust_conformance.store import StoreConformance  # noqa: E402
from faust_conformance.transport import TransportCapability, TransportConformance  # noqa: E402

__all__ = [
    "CacheCapability",
    "CacheConformance",
    "CodecCapability",
    "CodecConformance",
    "ConformanceSuite",
    "StoreCapability",
    "StoreConformance",
    "TransportCapability",
    "TransportConformance",
    "requires",
]
