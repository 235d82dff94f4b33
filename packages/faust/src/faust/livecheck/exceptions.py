"""Why a test did not pass."""

from faust_core.errors import FaustError

__all__ = ["LiveCheckError", "LiveCheckTestTimeout", "ServiceDown", "SuiteFailed", "SuiteStalled", "TestSkipped"]


class LiveCheckError(FaustError):
    """Any of these."""


class SuiteFailed(LiveCheckError):
    """A case failed so often in a row that something is wrong with what it tests."""


class ServiceDown(SuiteFailed):
    """A service does not answer."""


class SuiteStalled(SuiteFailed):
    """No test of a case has begun for too long."""


class LiveCheckTestTimeout(LiveCheckError):
    """A signal did not come in time."""


class TestSkipped(LiveCheckError):
    """A test was too old when it came to be run."""

    __test__ = False
