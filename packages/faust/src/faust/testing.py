"""Testing applications: without a broker, on a clock of the test's own."""

from faust_core.testing import (
    AgentTestContext,
    BlockingTestDriver,
    DeadLetter,
    ManualClock,
    NotIdle,
    Output,
    TestDriver,
)

__all__ = ["AgentTestContext", "BlockingTestDriver", "DeadLetter", "ManualClock", "NotIdle", "Output", "TestDriver"]
