"""The LiveCheck application: runs the tests of another application, beside it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import typing
from collections.abc import Callable
from typing import Any, ClassVar

from faust.livecheck.case import Case
from faust.livecheck.locals import current_test, set_current_test, testing
from faust.livecheck.models import SignalEvent, TestExecution, TestReport, now
from faust.livecheck.signals import Signal
from faust_core.app import App
from faust_core.errors import ConfigError
from faust_core.sensors import Sensor

__all__ = ["LiveCheck", "LiveCheckMiddleware", "LiveCheckSensor"]

log = logging.getLogger(__name__)

CaseType = Case
SignalType = Signal
#: How often it is looked for signals that nobody waits for any more.
FORGET_S = 60.0
#: What a LiveCheck application does not take over from the application that it tests.
OWN = frozenset({"id_format", "version", "web_port", "web_enabled", "canonical_url", "datadir", "tabledir", "reply_to"})


class LiveCheckSensor(Sensor):
    """Of the application that is tested: what is sent for an event that belongs to a test belongs to it, too."""

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> Any:  # noqa: ARG002
        test = TestExecution.from_headers(event.headers)
        set_current_test(test)
        return test

    def on_stream_event_out(self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None) -> None:  # noqa: ARG002
        if state is not None and current_test() is state:
            set_current_test(None)

    def on_send_initiated(self, producer: Any, topic: str, message: Any, keysize: int, valsize: int) -> Any:  # noqa: ARG002
        test = current_test()
        if test is not None:
            headers = test.as_headers()
            others = [pair for pair in message.headers if pair[0] not in headers]
            message.headers[:] = [*others, *((name, value.encode()) for name, value in headers.items())]


class LiveCheckMiddleware:
    """Of an ASGI application: a request whose headers name a test belongs to it."""

    def __init__(self, asgi_app: Any) -> None:
        self._asgi_app = asgi_app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(name.decode("latin-1"), value) for name, value in scope.get("headers", ())]
        with testing(TestExecution.from_headers(headers)):
            await self._asgi_app(scope, receive, send)


class LiveCheck(App):
    """An application of its own, with topics for tests, signals and reports.

    Cases are declared where both can import them: the tested application triggers tests and sends signals, a LiveCheck
    worker runs the tests.

    Attributes:
        cases: by name.
    """

    Signal: ClassVar[type[SignalType[Any]]] = SignalType
    Case: ClassVar[type[CaseType]] = CaseType

    def __init__(
        self,
        id: str,  # noqa: A002
        *,
        test_topic_name: str = "livecheck",
        bus_topic_name: str = "livecheck-bus",
        report_topic_name: str = "livecheck-report",
        bus_concurrency: int = 30,
        test_concurrency: int = 100,
        send_reports: bool = True,
        **options: Any,
    ) -> None:
        """Args:
        bus_concurrency, test_concurrency: signals, and tests, that a worker deals with at a time.
        send_reports: False for no reports to the topic `report_topic_name`.
        """
        super().__init__(id, **options)
        self.send_reports = send_reports
        self.cases: dict[str, CaseType] = {}
        self.target: App | None = None
        self._waiting: dict[str, list[asyncio.Future[Any]]] = {}
        self._sending: dict[str, Any] = {}
        self.bus = self._topic(self, bus_topic_name, SignalEvent)
        self.pending_tests = self._topic(self, test_topic_name, TestExecution)
        self.reports = self._topic(self, report_topic_name, TestReport)
        #: signals that have come, until their test is over: kept like everything else where a worker fails.  The table
        #: also has a worker own the same partitions of tests and of signals.
        self.signals_received = self.Table("livecheck-signals", key_type=str)
        self.agent(self.bus, name="livecheck-bus", concurrency=bus_concurrency)(self._take_signals)
        self.agent(self.pending_tests, name="livecheck-tests", concurrency=test_concurrency)(self._run_tests)
        self.timer(FORGET_S, name="livecheck-forget")(self._forget_old)

    @classmethod
    def for_app(cls, app: App, *, prefix: str = "livecheck-", web_port: int = 9999, **options: Any) -> LiveCheck:
        """Return a LiveCheck application for another one, with its settings.

        Args:
            prefix: of its id.
            options: settings, and what LiveCheck itself takes.
        """
        taken = {name: getattr(app.conf, name) for name in app.conf.explicit - OWN}
        livecheck = cls(f"{prefix}{app.conf.id}", **{**taken, "web_port": web_port, **options})
        livecheck.target = app
        app.sensors.add(LiveCheckSensor())
        app.livecheck = livecheck  # type: ignore[attr-defined]
        return livecheck

    @staticmethod
    def _topic(app: App, name: str, value_type: Any) -> Any:
        partitions = app.conf.topic_partitions
        return app.topic(name, key_type=str, value_type=value_type, partitions=partitions, internal=True)

    def sends_to(self, topic: Any) -> Any:
        """Return the topic as the running application sends to it: inside of an event it is part of the event."""
        if self.started or self.target is None or not self.target.started:
            return topic
        name = topic.get_topic_name()
        if name not in self._sending:
            self._sending[name] = self.target.topic(name, key_type=str, value_type=topic.value_type)
        return self._sending[name]

    @property
    def current_test(self) -> TestExecution | None:
        return current_test()

    # -- declaring

    def case(
        self, *, name: str | None = None, base: type[CaseType] = CaseType, **options: Any
    ) -> Callable[[type[Any]], Any]:
        """Make a class a case; its annotations `name: Signal[…]` are its signals.  Its name is then the case itself.

        Args:
            name: that of the class where None.
            options: attributes of `Case`: `probability`, `frequency`, `warn_stalled_after`, `test_expires` and others.

        Raises:
            ConfigError: an option is none, there is such a case, or the class has no `run`.
        """

        def declare(cls: type[Any]) -> Any:
            made: Any = type(
                cls.__name__, (cls, base), {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
            )
            case_name = name or f"{cls.__module__}.{cls.__qualname__}"
            if made.run is CaseType.run or not inspect.iscoroutinefunction(made.run):
                raise ConfigError(f"case {case_name} needs a method: async def run(self, …)")
            return self.add_case(made(app=self, name=case_name, signals=_signals_of(cls), **options))

        return declare

    def add_case(self, case: CaseType) -> CaseType:
        """Raises:
        ConfigError: there is one of that name.
        """
        if case.name in self.cases:
            raise ConfigError(f"there is a case {case.name!r} already: give one of them a name=")
        self.cases[case.name] = case
        self.task(name=f"livecheck watch {case.name}")(case.watch)
        if case.frequency:
            self.timer(case.frequency, on_leader=True, name=f"livecheck {case.name}")(case.make_fake_request)
        return case

    # -- running

    async def post_report(self, report: TestReport) -> None:
        if self.send_reports:
            await self.reports.send(key=None if report.test is None else report.test.id, value=report)

    async def _take_signals(self, stream: Any) -> None:
        async for key, event in stream.items():
            case = self.cases.get(event.case_name)
            if case is None or event.signal_name not in case.signals:
                log.error("signal %s of case %s is not known here", event.signal_name, event.case_name)
                continue
            place = _place(event.case_name, event.signal_name, key)
            expires = (now() + case.test_expires).timestamp()
            self.signals_received[place] = {"value": event.value, "expires": expires}
            for waiter in self._waiting.pop(place, ()):
                if not waiter.done():
                    waiter.set_result(event.value)

    async def _run_tests(self, stream: Any) -> None:
        async for test in stream:
            case = self.cases.get(test.case_name)
            if case is None:
                log.error("test %s: its case is not known here", test.ident)
                continue
            await case.execute(test)
            for signal in case.signals:
                self.signals_received.pop(_place(case.name, signal, test.id), None)

    async def signalled(self, signal: SignalType[Any], key: str, timeout_s: float | None) -> Any:
        """Wait for a signal; return its value.

        Raises:
            TimeoutError: it did not come.
        """
        place = _place(signal.case.name, signal.name, key)
        for partition in self.signals_received.local_partitions:
            found = self.signals_received.on(partition).get(place)
            if found is not None:
                return found["value"]
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(place, [])
        waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters and self._waiting.get(place) is waiters:
                del self._waiting[place]

    async def _forget_old(self) -> None:
        at = now().timestamp()
        for partition in self.signals_received.local_partitions:
            view = self.signals_received.on(partition)
            for place in [place for place, found in view.items() if found["expires"] < at]:
                del view[place]


def _place(case: str, signal: str, key: str) -> str:
    return f"{case}/{signal}/{key}"


def _signals_of(cls: type[Any]) -> list[str]:
    """Return the names of a class's annotations that are signals."""
    try:
        hints = typing.get_type_hints(cls)
    except NameError:  # a name of a function's own scope: what it is called must do
        hints = dict(getattr(cls, "__annotations__", {}))
    return [name for name, kind in hints.items() if _is_signal(kind)]


def _is_signal(kind: Any) -> bool:
    if isinstance(kind, str):
        return kind.partition("[")[0].rpartition(".")[2] == "Signal"
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Signal)


for_app = LiveCheck.for_app
