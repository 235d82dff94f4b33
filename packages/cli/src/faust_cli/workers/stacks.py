"""Where everything stands: the stacks of all tasks and of the thread that runs them."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, TextIO

__all__ = ["print_stacks"]


def print_stacks(loop: asyncio.AbstractEventLoop, file: TextIO | None = None) -> None:
    """Print every task of `loop`, through all that it awaits, then every thread."""
    out = file or sys.stderr
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    print(f"{len(tasks)} tasks:", file=out)
    for task in tasks:
        print(f"\ntask {task.get_name()}", file=out)
        lines = traceback.StackSummary.extract(_frames(task)).format()
        out.writelines(lines or ["  (running)\n"])
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  the documented way to see threads
        print(f"\nthread {ident}", file=out)
        out.writelines(traceback.format_stack(frame))
    out.flush()


def _frames(task: asyncio.Task[Any]) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a suspended task, outermost first."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = _first(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = _first(awaited, "cr_await", "ag_await", "gi_yieldfrom")


def _first(awaited: Any, *names: str) -> Any:
    """Return the first attribute that is set: coroutines and both kinds of generators name theirs differently."""
    return next((value for name in names if (value := getattr(awaited, name, None)) is not None), None)
