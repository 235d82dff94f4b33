"""The watchdog: names agents that make no progress, with the event and the place in their code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from faust_core.claims import Claim

__all__ = ["InFlight", "Watchdog", "stack_of"]

log = logging.getLogger(__name__)

#: exit status of a worker that gave up because its event loop was blocked
EXIT_STUCK = 70

#: who (agent and actor), its asyncio task, the claim in its hands
InFlight = tuple[str, "asyncio.Task[Any] | None", Claim]


class Watchdog:
    """A thread, since a blocked event loop could not look at itself.

    Reports an item that has been in flight for longer than the time-out once, and again each time-out later.
    """

    def __init__(
        self,
        in_flight: Callable[[], Iterable[InFlight]],
        *,
        timeout_s: float,
        give_up: Callable[[str], None] | None,
        exit_process: Callable[[int], None] = os._exit,
        on_report: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        on_report: told of each report, on the watchdog's thread.
        give_up: called on the event loop with the reason, where the policy is to give the partitions up; where
            the loop itself is blocked, the process ends instead.
        """
        self._in_flight = in_flight
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._exit = exit_process
        self._on_report = on_report
        #: the claim, the index that it is at, when it was last reported, since when it is at it
        self._seen: dict[int, tuple[Claim, int, float, float]] = {}
        self._stopped = threading.Event()
        self._beat = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._run, name="faust-watchdog", daemon=True)
        self.reports = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def ages(self) -> dict[str, float]:
        """Return, by who, for how many seconds the longest item has been in hand; new ones are seen after a moment."""
        now = time.monotonic()
        present, found = self._seen, dict[str, float]()
        for who, _, claim in list(self._in_flight()):
            known = present.get(id(claim))
            if known is not None and known[1] == claim.index:
                found[who] = max(found.get(who, 0.0), now - known[3])
        return found

    def _run(self) -> None:
        interval = max(0.05, min(1.0, self._timeout_s / 4))
        while not self._stopped.wait(interval):
            try:
                self._look(time.monotonic())
            except RuntimeError as exc:  # the loop closed, or a set changed while it was read
                log.debug("watchdog: %s", exc)

    def _look(self, now: float) -> None:
        asked_at = self._beat
        self._loop.call_soon_threadsafe(self._answer)
        blocked = now - asked_at > self._timeout_s
        present: dict[int, tuple[Claim, int, float, float]] = {}
        for who, task, claim in list(self._in_flight()):
            known = self._seen.get(id(claim))
            if known is None or known[1] != claim.index:
                present[id(claim)] = (claim, claim.index, now, now)
                continue
            since = known[2]
            if now - since > self._timeout_s:
                self._report(who, task, claim, blocked=blocked)
                since = now
            present[id(claim)] = (claim, claim.index, since, known[3])
        self._seen = present

    def _answer(self) -> None:
        self._beat = time.monotonic()

    def _report(self, who: str, task: asyncio.Task[Any] | None, claim: Claim, *, blocked: bool) -> None:
        self.reports += 1
        self._on_report()
        if blocked:
            frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  the documented way to see another thread
            stack = "".join(traceback.format_stack(frame)[-12:]) if frame else "(no stack)"
            what = "blocks the event loop; nothing else of this worker runs. Use await, or run it in a thread"
        else:
            stack = stack_of(task) if task else "(no stack)"
            what = "has made no progress"
        reason = f"{who} {what} for {self._timeout_s:g} s on {claim}"
        log.error("%s\n%s", reason, stack)
        if self._give_up is not None:
            if blocked:
                log.critical("giving up: %s", reason)
                self._exit(EXIT_STUCK)
            else:
                self._loop.call_soon_threadsafe(self._give_up, reason)


def stack_of(task: asyncio.Task[Any]) -> str:
    """Return where in its code a suspended task is, outermost first."""
    return "".join(traceback.StackSummary.extract(_walk(task)).format())


def _walk(task: asyncio.Task[Any]) -> Iterable[tuple[FrameType, int]]:
    """Yield the frames of a suspended task, outermost first, through everything that it awaits."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = _first_of(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = _first_of(awaited, "cr_await", "ag_await", "gi_yieldfrom")


def _first_of(awaited: Any, *attributes: str) -> Any:
    """Return the first attribute that is there: coroutines and both kinds of generators name theirs differently."""
    return next((value for name in attributes if (value := getattr(awaited, name, None)) is not None), None)
