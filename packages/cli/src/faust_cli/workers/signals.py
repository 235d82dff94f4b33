"""What SIGTERM, SIGINT and SIGUSR1 do to a worker."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from faust_cli.workers.stacks import print_stacks

__all__ = ["stopping_on_signals"]

log = logging.getLogger(__name__)


@contextmanager
def stopping_on_signals(
    stop: Callable[[], None], *, insist: bool = True, before_exit: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Call `stop` on the event loop at the first SIGTERM or SIGINT; at the second, end the process.

    The handlers are Python's own rather than the loop's, so that they work while user code blocks the loop.
    To be entered in the main thread, inside the running loop.

    Args:
        insist: False ignores the second signal: a process under a supervisor gets the first one from it, and
            once more from a service manager that signals everything there is.
        before_exit: called before the process ends at once.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def on_stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        name = signal.Signals(number).name
        if asked:
            if not insist:
                return
            before_exit()
            _say(f"{name} again: ending at once, what is in flight will be repeated")
            sys.stdout.flush()
            os._exit(128 + number)
        asked = True
        log.info("%s: finishing what is in flight", name)
        if insist and sys.stderr.isatty():
            _say("stopping; again to end at once")
        loop.call_soon_threadsafe(stop)

    def on_dump(_number: int, _frame: FrameType | None) -> None:
        print_stacks(loop)

    handlers: dict[int, Callable[[int, FrameType | None], None]] = {signal.SIGTERM: on_stop, signal.SIGINT: on_stop}
    if sys.platform != "win32":
        handlers[signal.SIGUSR1] = on_dump
    before: dict[int, Any] = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        if not asked:  # else a second one counts until the very end of the process, which is near
            for number, handler in before.items():
                signal.signal(number, handler)


def _say(line: str) -> None:
    print(f"faust: {line}", file=sys.stderr, flush=True)  # noqa: T201  for the person at the terminal
