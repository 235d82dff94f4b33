"""Which test the present task works for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from faust.livecheck.models import TestExecution

if TYPE_CHECKING:
    from faust.livecheck.runners import TestRunner

__all__ = ["current_execution", "current_test", "executing", "set_current_test", "testing"]

_test: ContextVar[TestExecution | None] = ContextVar("livecheck_test", default=None)
_runner: ContextVar[TestRunner | None] = ContextVar("livecheck_runner", default=None)


def current_test() -> TestExecution | None:
    """Return the test that what is going on belongs to; None where it belongs to none."""
    return _test.get()


def set_current_test(test: TestExecution | None) -> None:
    _test.set(test)


def current_execution() -> TestRunner | None:
    """Return what runs the test of this task; None outside of `Case.run`."""
    return _runner.get()


@contextmanager
def testing(test: TestExecution | None) -> Iterator[None]:
    """Have what is inside belong to a test."""
    token = _test.set(test)
    try:
        yield
    finally:
        _test.reset(token)


@contextmanager
def executing(runner: TestRunner) -> Iterator[None]:
    token = _runner.set(runner)
    try:
        with testing(runner.test):
            yield
    finally:
        _runner.reset(token)
