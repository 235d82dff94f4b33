"""A case: what is tested, how often, and how it stands."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import traceback
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from faust.livecheck.exceptions import ServiceDown, SuiteFailed, SuiteStalled
from faust.livecheck.locals import current_execution, current_test, testing
from faust.livecheck.models import State, TestExecution, TestReport, now
from faust.livecheck.runners import TestRunner
from faust.livecheck.signals import Signal
from faust_core.errors import ConfigError
from faust_core.settings import seconds

if TYPE_CHECKING:
    from faust.livecheck.app import LiveCheck

__all__ = ["Case"]

log = logging.getLogger(__name__)

Seconds = float | dt.timedelta


class Case:
    """Base of the classes that `@livecheck.case()` makes: override `run`, and with a `frequency` `make_fake_request`.

    Attributes:
        probability: the share of `maybe_trigger` that begins a test.
        frequency: call `make_fake_request` every so many seconds, on one worker; None for never.
        warn_stalled_after: report the case as stalled where no test has begun for so many seconds.
        test_expires: a test that is older when it comes to be run is skipped.
        max_consecutive_failures: so many in a row are reported as a failure of the whole.
        state_transition_delay: seconds for which a failed case stays failed at least, so that reports do not flutter.
    """

    Runner: ClassVar[type[TestRunner]] = TestRunner

    app: LiveCheck
    active = True
    probability = 0.5
    frequency: float | None = None
    warn_stalled_after = 1800.0
    test_expires = dt.timedelta(hours=3)
    max_history = 100
    max_consecutive_failures = 30
    url_timeout_total: float = 300.0
    url_error_retries = 10
    url_error_delay_min = 0.5
    url_error_delay_backoff = 1.5
    url_error_delay_max = 5.0
    state_transition_delay = 60.0

    def __init__(self, *, app: LiveCheck, name: str, signals: Iterable[str] = (), **options: Any) -> None:
        """Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        """
        self.app = app
        self.name = name
        for option, value in options.items():
            if option not in OPTIONS:
                raise ConfigError(f"case {name} has no option {option!r}: it takes {', '.join(sorted(OPTIONS))}")
            if value is not None:
                setattr(self, option, _checked(name, option, value))
        self.signals = {signal: Signal[Any](signal, self, index) for index, signal in enumerate(signals, 1)}
        vars(self).update(self.signals)
        self.status = State.INIT
        self.consecutive_failures = 0
        self.total_failures = 0
        self.total_by_state: Counter[State] = Counter()
        self.last_test_received: float | None = None
        self.last_fail: float | None = None
        self.frequency_history: deque[float] = deque(maxlen=self.max_history)
        self.latency_history: deque[float] = deque(maxlen=self.max_history)
        self.runtime_history: deque[float] = deque(maxlen=self.max_history)

    # -- beginning tests

    @asynccontextmanager
    async def maybe_trigger(
        self,
        id: str | None = None,  # noqa: A002  the original's name
        *args: Any,
        **kwargs: Any,
    ) -> AsyncIterator[TestExecution | None]:
        """Begin a test, by chance; what is inside of the block, and what comes of what it sends, belongs to it."""
        if not self.active or random.random() >= self.probability:
            yield None
            return
        execution = await self.trigger(id, *args, **kwargs)
        with testing(execution):
            yield execution

    async def trigger(self, id: str | None = None, *args: Any, **kwargs: Any) -> TestExecution:  # noqa: A002
        """Begin a test: a LiveCheck worker calls `run` with the arguments, which must be JSON."""
        began = now()
        execution = TestExecution(
            id=id or str(uuid4()),
            case_name=self.name,
            timestamp=began,
            test_args=list(args),
            test_kwargs=kwargs,
            expires=began + self.test_expires,
        )
        await self.app.sends_to(self.app.pending_tests).send(key=execution.id, value=execution)
        return execution

    # -- what to override

    async def run(self, *test_args: Any, **test_kwargs: Any) -> None:
        """Follow one event: wait for signals, assert.  Raises AssertionError where something is wrong."""
        raise NotImplementedError(f"case {self.name} has no run()")

    async def make_fake_request(self) -> None:
        """Begin a test by oneself; called every `frequency` seconds."""

    # -- running

    @property
    def current_test(self) -> TestExecution | None:
        return current_test()

    @property
    def current_execution(self) -> TestRunner | None:
        return current_execution()

    async def execute(self, test: TestExecution) -> None:
        await self.Runner(self, test, started=monotonic()).execute()

    async def on_test_start(self, runner: TestRunner) -> None:
        before, self.last_test_received = self.last_test_received, runner.started
        if before is not None:
            since = runner.started - before
            self.frequency_history.append(since)
            if self.frequency:
                self.latency_history.append(since - self.frequency)

    async def on_test_skipped(self, runner: TestRunner) -> None:
        self.last_test_received = runner.started
        self.total_by_state[State.SKIP] += 1

    async def on_test_failed(self, runner: TestRunner, exc: BaseException) -> None:  # noqa: ARG002
        await self._did_not_pass(State.FAIL)

    async def on_test_error(self, runner: TestRunner, exc: BaseException) -> None:  # noqa: ARG002
        await self._did_not_pass(State.ERROR)

    async def on_test_timeout(self, runner: TestRunner, exc: BaseException) -> None:  # noqa: ARG002
        await self._did_not_pass(State.TIMEOUT)

    async def on_test_pass(self, runner: TestRunner) -> None:
        self.runtime_history.append(runner.runtime or 0.0)
        self.consecutive_failures = 0
        self.total_by_state[State.PASS] += 1
        self._maybe_recover()

    async def _did_not_pass(self, state: State) -> None:
        self.consecutive_failures += 1
        self.total_failures += 1
        self.total_by_state[state] += 1
        if self.consecutive_failures >= self.max_consecutive_failures:
            await self.on_suite_fail(SuiteFailed(f"case {self.name} failed {self.consecutive_failures} times in a row"))
        else:
            self.status = state
            self.last_fail = monotonic()

    async def on_suite_fail(self, exc: SuiteFailed, new_state: State = State.FAIL) -> None:
        """Something is wrong with the whole; reported once, and again after `state_transition_delay`."""
        known = self.status is new_state and not self._failed_for_long()
        self.status = new_state
        if known:
            return
        self.last_fail = monotonic()
        log.error("%s", exc)
        trace = "".join(traceback.format_exception(exc))
        await self.post_report(TestReport(case_name=self.name, state=new_state.value, error=str(exc), traceback=trace))

    async def post_report(self, report: TestReport) -> None:
        await self.app.post_report(report)

    def _maybe_recover(self) -> None:
        if self.status is not State.PASS and self._failed_for_long():
            self.status = State.PASS

    def _failed_for_long(self) -> bool:
        since = self.seconds_since_last_fail
        return since is None or since > self.state_transition_delay

    @property
    def seconds_since_last_fail(self) -> float | None:
        return None if self.last_fail is None else monotonic() - self.last_fail

    @property
    def runtime_avg(self) -> float | None:
        return median(self.runtime_history) if self.runtime_history else None

    @property
    def frequency_avg(self) -> float | None:
        return median(self.frequency_history) if self.frequency_history else None

    @property
    def latency_avg(self) -> float | None:
        return median(self.latency_history) if self.latency_history else None

    async def watch(self) -> None:
        """Report the case as stalled whenever no test has begun for too long; until cancelled."""
        began = monotonic()
        while True:
            await asyncio.sleep(self.warn_stalled_after / 4)
            since = monotonic() - (self.last_test_received or began)
            if since > self.warn_stalled_after:
                reason = f"case {self.name}: no test has begun for {since:.1f} s"
                await self.on_suite_fail(SuiteStalled(reason), State.STALL)
            else:
                self._maybe_recover()

    # -- requests

    async def get_url(self, url: str, **options: Any) -> bytes:
        return await self.url_request("get", url, **options)

    async def post_url(self, url: str, **options: Any) -> bytes:
        return await self.url_request("post", url, **options)

    async def url_request(
        self, method: str, url: str, *, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """Make an HTTP request that belongs to the current test; again with back-off where it fails.

        Raises:
            ServiceDown: it failed every time.
        """
        test = current_test()
        all_headers = {**(test.as_headers() if test is not None else {}), **(headers or {})}
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"case {self.name}: {url!r} is no HTTP address")
        request = urllib.request.Request(url, data, all_headers, method=method.upper())  # noqa: S310  checked above

        def ask() -> bytes:
            with urllib.request.urlopen(request, timeout=self.url_timeout_total) as response:  # noqa: S310
                return bytes(response.read())

        delay = self.url_error_delay_min
        for attempt in range(self.url_error_retries + 1):
            try:
                answer = await asyncio.to_thread(ask)
            except (urllib.error.URLError, OSError) as exc:
                if attempt == self.url_error_retries:
                    down = ServiceDown(f"case {self.name}: {method.upper()} {url} fails: {exc}")
                    await self.on_suite_fail(down)
                    raise down from exc
                await asyncio.sleep(delay)
                delay = min(delay * self.url_error_delay_backoff, self.url_error_delay_max)
            else:
                self._maybe_recover()
                return answer
        raise AssertionError("unreachable")

    def __repr__(self) -> str:
        return f"<Case: {self.name} {self.status.value}>"


OPTIONS = {
    "active",
    "frequency",
    "max_consecutive_failures",
    "max_history",
    "probability",
    "state_transition_delay",
    "test_expires",
    "url_error_delay_backoff",
    "url_error_delay_max",
    "url_error_delay_min",
    "url_error_retries",
    "url_timeout_total",
    "warn_stalled_after",
}


def _checked(case: str, option: str, value: Any) -> Any:
    if option == "probability" and not 0 <= value <= 1:
        raise ConfigError(f"case {case}: probability={value!r} is no share: from 0.0 to 1.0")
    if option in {"frequency", "warn_stalled_after"}:
        found = seconds(option, value)
        if found <= 0:
            raise ConfigError(f"case {case}: {option}={value!r} is no time: seconds, or a timedelta, above zero")
        return found
    if option == "test_expires":
        return dt.timedelta(seconds=seconds(option, value))
    return value
