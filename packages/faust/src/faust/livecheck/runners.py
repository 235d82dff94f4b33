"""Running one test."""

from __future__ import annotations

import logging
import traceback
from time import monotonic
from typing import TYPE_CHECKING, Any

from faust.livecheck.exceptions import LiveCheckTestTimeout
from faust.livecheck.locals import executing
from faust.livecheck.models import State, TestExecution, TestReport

if TYPE_CHECKING:
    from faust.livecheck.case import Case

__all__ = ["TestRunner"]

log = logging.getLogger(__name__)


class TestRunner:
    """Runs a case's `run` for one test, and reports how it ended.  A worker that stops leaves it to another one."""

    __test__ = False

    def __init__(self, case: Case, test: TestExecution, started: float) -> None:
        self.case = case
        self.test = test
        self.started = started
        self.ended: float | None = None
        self.state = State.INIT
        self.error: BaseException | None = None
        self.report: TestReport | None = None
        #: seconds that were waited for each signal
        self.signal_latency: dict[str, float] = {}

    @property
    def runtime(self) -> float | None:
        return None if self.ended is None else self.ended - self.started

    async def execute(self) -> None:
        """Run it.  What it raises is its verdict, and is not raised here."""
        if self.test.is_expired:
            self.state = State.SKIP
            log.info("test %s is skipped: it expired at %s", self.test.ident, self.test.expires)
            await self.case.on_test_skipped(self)
            return
        await self.case.on_test_start(self)
        with executing(self):
            try:
                await self.case.run(*self.test.test_args, **self.test.test_kwargs)
            except AssertionError as exc:
                self._over(State.FAIL, exc)
                await self.case.on_test_failed(self, exc)
            except LiveCheckTestTimeout as exc:
                self._over(State.TIMEOUT, exc)
                await self.case.on_test_timeout(self, exc)
            except Exception as exc:  # noqa: BLE001  whatever a case raises is a verdict
                self._over(State.ERROR, exc)
                await self.case.on_test_error(self, exc)
            else:
                self._over(State.PASS, None)
                await self.case.on_test_pass(self)
        self.report = TestReport(
            case_name=self.case.name,
            state=self.state.value,
            test=self.test,
            runtime=self.runtime,
            signal_latency=self.signal_latency,
            error=None if self.error is None else str(self.error) or repr(self.error),
            traceback=None if self.error is None else "".join(traceback.format_exception(self.error)),
        )
        await self.case.post_report(self.report)

    def _over(self, state: State, error: BaseException | None) -> None:
        self.ended = monotonic()
        self.state, self.error = state, error
        if error is None:
            log.info("test %s passed in %.3f s", self.test.ident, self.runtime)
        else:
            log.warning("test %s: %s: %r", self.test.ident, state.value, error)

    async def on_signal_wait(self, signal: Any, timeout: float | None) -> None:
        """The test waits for a signal."""

    async def on_signal_received(self, signal: Any, time_start: float, time_end: float) -> None:
        """It has come."""
        self.signal_latency[signal.name] = time_end - time_start
