"""Signals: by which services tell a test that something has happened."""

from __future__ import annotations

import datetime as dt
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from faust.livecheck.exceptions import LiveCheckError, LiveCheckTestTimeout
from faust.livecheck.locals import current_execution, current_test
from faust.livecheck.models import SignalEvent
from faust_core.settings import seconds
from faust_models import maybe_model

if TYPE_CHECKING:
    from faust.livecheck.case import Case

__all__ = ["Signal"]

V = TypeVar("V")


class Signal(Generic[V]):
    """One thing that happens in the course of a test.  Declared by an annotation of a case: `sent: Signal[str]`."""

    def __init__(self, name: str = "", case: Case | None = None, index: int = -1) -> None:
        self.name = name
        self.case = cast("Case", case)
        self.index = index

    async def send(self, value: V | None = None, *, key: Any = None, force: bool = False) -> None:
        """Tell the test that it has happened.  Does nothing where what is going on belongs to no test.

        Args:
            key: the test's id where None.
            force: send it all the same; then `key` is needed.

        Raises:
            LiveCheckError: forced, without a key.
        """
        test = current_test()
        if test is None and not force:
            return
        key = key if key is not None or test is None else test.id
        if key is None:
            raise LiveCheckError(f"signal {self.name}: send(force=True) outside of a test needs a key=")
        event = SignalEvent(signal_name=self.name, case_name=self.case.name, key=key, value=value)
        await self.case.app.sends_to(self.case.app.bus).send(key=str(key), value=event)

    async def wait(self, *, key: Any = None, timeout: float | dt.timedelta | None = None) -> V:
        """Return the value that it was sent with, once it was.

        Args:
            key: the test's id where None; another one is seen by this worker's own partitions only.

        Raises:
            LiveCheckTestTimeout: it was not sent in time.
            LiveCheckError: this is not the `run` of a case.
        """
        runner = current_execution()
        if runner is None:
            raise LiveCheckError(f"signal {self.name} can be waited for in Case.run only")
        timeout_s = None if timeout is None else seconds("timeout", timeout)
        await runner.on_signal_wait(self, timeout=timeout_s)
        began = monotonic()
        try:
            value = await self.case.app.signalled(self, str(runner.test.id if key is None else key), timeout_s)
        except TimeoutError:
            raise LiveCheckTestTimeout(f"signal {self.name} did not come within {timeout_s:g} s") from None
        await runner.on_signal_received(self, time_start=began, time_end=monotonic())
        return cast("V", maybe_model(value))

    def __repr__(self) -> str:
        return f"<Signal: {self.name}>"
