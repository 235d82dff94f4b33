"""What an implementation declares about itself, and what holds it to its word."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar, TypeVar

import pytest

__all__ = ["ConformanceSuite", "StoreCapability", "requires"]

Rule = TypeVar("Rule", bound=Callable[..., Any])


class StoreCapability(Enum):
    """What a store may do beyond what every store must.  Declared means tested; undeclared is a visible skip."""

    #: What is applied is there after `close()`, and whole after the process was killed.
    PERSISTENT = "persistent"
    #: A second backend, in this process or another, cannot open a store that is open: `StoreLocked`.
    EXCLUSIVE = "exclusive"
    #: A second backend that opens a store takes it over: the earlier one gets `StoreLocked` and writes nothing.
    FENCING = "fencing"
    #: `stored()` tells the changelog offsets, not only the names.
    STORED_OFFSETS = "stored-offsets"
    #: `metrics()` tells numbers of the store itself: `MeasuredStore`.
    MEASURED = "measured"
    #: It keeps a note beside the data: `NotedStore`.  For shared stores, so it goes with FENCING.
    NOTED = "noted"
    #: Damaged data raises `StoreCorrupt`; needs the fixture `damage`.
    DETECTS_DAMAGE = "detects-damage"


def requires(capability: Enum) -> Callable[[Rule], Rule]:
    """Mark a rule that holds only for implementations that declare `capability`."""

    def mark(rule: Rule) -> Rule:
        rule.__dict__["required_capability"] = capability
        return rule

    return mark


class ConformanceSuite:
    """The base of every suite; its methods `test_…` are the rules.

    A suite names the kind of capability that it knows:
    `class StoreConformance(ConformanceSuite, capability_type=StoreCapability)`.  Whoever implements
    the protocol derives a test class from the suite and declares `capabilities`, an empty set included.
    A rule is not to be overridden, unless as an `xfail` that gives its reason.
    """

    capabilities: ClassVar[frozenset[Any]]
    _capability_type: ClassVar[type[Enum]]
    _rules: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, *, capability_type: type[Enum] | None = None, **kwargs: Any) -> None:
        """Refuse, when the tests are collected, a class that is silent on its abilities or bends a rule."""
        super().__init_subclass__(**kwargs)
        if capability_type is not None:
            cls._capability_type = capability_type
            cls._rules = frozenset(name for name in dir(cls) if name.startswith("test_"))
            return
        _check_capabilities(cls.__name__, getattr(cls, "capabilities", None), cls._capability_type)
        bent = sorted(name for name in cls._rules & vars(cls).keys() if not _is_xfail_with_reason(vars(cls)[name]))
        if bent:
            raise TypeError(
                f'{cls.__name__} overrides conformance rules without @pytest.mark.xfail(reason="…"): {", ".join(bent)}'
            )

    @pytest.fixture(autouse=True)
    def _skip_what_is_not_declared(self, request: pytest.FixtureRequest) -> None:
        needed = getattr(request.function, "required_capability", None)
        if needed is not None and needed not in self.capabilities:
            pytest.skip(f"{type(self).__name__} does not declare {needed}")


def _check_capabilities(name: str, declared: object, capability_type: type[Enum]) -> None:
    if not isinstance(declared, frozenset):
        raise TypeError(
            f"{name} must declare what it can: capabilities = frozenset({{{capability_type.__name__}.…}}), "
            f"or frozenset() for nothing beyond the protocol"
        )
    if strangers := [item for item in declared if not isinstance(item, capability_type)]:
        raise TypeError(f"{name}.capabilities holds {strangers!r}, which are not of {capability_type.__name__}")


def _is_xfail_with_reason(rule: object) -> bool:
    marks = getattr(rule, "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
