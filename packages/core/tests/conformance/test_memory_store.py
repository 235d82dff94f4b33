"""The store in memory keeps every rule."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from faust_conformance.capabilities import StoreCapability
from faust_conformance.store import StoreConformance
from faust_core.memory.store import MemoryBackend, create
from faust_core.protocols.store import StoreContext


class TestMemoryStore(StoreConformance):
    capabilities = frozenset({StoreCapability.MEASURED})

    @pytest.fixture
    def make_backend(self) -> Callable[[], MemoryBackend]:
        return functools.partial(create, "memory://", StoreContext("app-v1"))
