"""The restore as a bar on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from faust_core.engine.restore import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that draws the restore's progress on stderr; the bar is there while something is left."""
    shown: tuple[Bar, TaskID] | None = None

    def update(progress: Progress) -> None:
        nonlocal shown
        begun = False
        if shown is None and progress.remaining:
            shown = _bar()
            begun = True
        if shown is None:
            return
        bar, task = shown
        left = f"{progress.remaining / progress.rate:,.0f} s left" if progress.rate else ""
        bar.update(
            task,
            completed=progress.records,
            total=progress.records + progress.remaining,
            rate=f"{progress.rate:,.0f} records/s",
            left=left,
        )
        if begun:
            bar.start()
        if not progress.remaining:
            bar.stop()
            shown = None

    try:
        yield update
    finally:
        if shown is not None:
            shown[0].stop()


def _bar() -> tuple[Bar, TaskID]:
    from rich.console import Console  # noqa: PLC0415  only where there is something to draw
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("restoring"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}  {task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
    return bar, bar.add_task("restore", total=None, rate="", left="")
