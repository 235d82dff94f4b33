"""The tests that any transport or store for Faust must pass; see `store` and `transport`."""

from __future__ import annotations

import pytest

# Before the rules are imported, so that a failing assertion shows its values.
pytest.register_assert_rewrite("faust_conformance.store", "faust_conformance._transport")

from faust_conformance.capabilities import ConformanceSuite, StoreCapability, requires  # noqa: E402
from faust_conformance.store import StoreConformance  # noqa: E402
from faust_conformance.transport import TransportCapability, TransportConformance  # noqa: E402

__all__ = [
    "ConformanceSuite",
    "StoreCapability",
    "StoreConformance",
    "TransportCapability",
    "TransportConformance",
    "requires",
]
