"""A suite holds an implementer to what is declared, and to the rules as they are."""

from __future__ import annotations

from enum import Enum

import pytest

from faust_conformance.capabilities import ConformanceSuite, StoreCapability, requires

pytest_plugins = ["pytester"]


class Ability(Enum):
    FLY = "fly"
    SWIM = "swim"


class BirdConformance(ConformanceSuite, capability_type=Ability):
    def test_it_sings(self) -> None: ...

    @requires(Ability.FLY)
    def test_it_flies(self) -> None: ...


def test_capabilities_must_be_declared() -> None:
    with pytest.raises(TypeError, match="TestRobin must declare what it can"):

        class TestRobin(BirdConformance):
            pass


def test_capabilities_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="not of Ability"):

        class TestRobin(BirdConformance):
            capabilities = frozenset({StoreCapability.PERSISTENT})


def test_a_rule_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match=r"TestRobin overrides conformance rules.*test_it_sings"):

        class TestRobin(BirdConformance):
            capabilities = frozenset()

            def test_it_sings(self) -> None: ...


def test_a_rule_cannot_be_removed() -> None:
    with pytest.raises(TypeError, match="test_it_sings"):

        class TestRobin(BirdConformance):
            capabilities = frozenset()
            test_it_sings = None  # type: ignore[assignment]  # the trick that is refused


def test_an_xfail_needs_a_reason() -> None:
    with pytest.raises(TypeError, match="test_it_sings"):

        class TestRobin(BirdConformance):
            capabilities = frozenset()

            @pytest.mark.xfail
            def test_it_sings(self) -> None: ...


def test_a_rule_may_be_an_expected_failure_with_a_reason() -> None:
    class TestRobin(BirdConformance):
        capabilities = frozenset({Ability.SWIM})

        @pytest.mark.xfail(reason="has a cold")
        def test_it_sings(self) -> None: ...

        def test_more_of_its_own(self) -> None: ...

    assert TestRobin.capabilities == {Ability.SWIM}


def test_what_is_not_declared_is_a_visible_skip(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from enum import Enum
        from faust_conformance.capabilities import ConformanceSuite, requires

        class Ability(Enum):
            FLY = "fly"

        class BirdConformance(ConformanceSuite, capability_type=Ability):
            def test_it_sings(self): ...
            @requires(Ability.FLY)
            def test_it_flies(self): ...

        class TestPenguin(BirdConformance):
            capabilities = frozenset()

        class TestRobin(BirdConformance):
            capabilities = frozenset({Ability.FLY})
        """
    )
    outcome = pytester.runpytest_inprocess(
        "-rs", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    )
    outcome.assert_outcomes(passed=3, skipped=1)
    outcome.stdout.fnmatch_lines(["*TestPenguin does not declare Ability.FLY*"])
