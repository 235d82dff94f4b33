"""Tests of a running system: cases that follow real events from one service to the next."""

from faust.livecheck.app import LiveCheck
from faust.livecheck.case import Case
from faust.livecheck.exceptions import (
    LiveCheckError,
    LiveCheckTestTimeout,
    ServiceDown,
    SuiteFailed,
    SuiteStalled,
    TestSkipped,
)
from faust.livecheck.locals import current_test
from faust.livecheck.models import SignalEvent, State, TestExecution, TestReport
from faust.livecheck.runners import TestRunner
from faust.livecheck.signals import Signal

__all__ = [
    "Case",
    "LiveCheck",
    "LiveCheckError",
    "LiveCheckTestTimeout",
    "ServiceDown",
    "Signal",
    "SignalEvent",
    "State",
    "SuiteFailed",
    "SuiteStalled",
    "TestExecution",
    "TestReport",
    "TestRunner",
    "TestSkipped",
    "current_test",
]
