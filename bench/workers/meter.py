"""What every worker reports with."""

import json
import os
import resource
import time
from pathlib import Path
from typing import Any


def setting(name: str) -> str:
    """What the driver told this worker."""
    value = os.environ.get(f"BENCH_{name}")
    if value is None:
        raise SystemExit(f"BENCH_{name} is not set: bench/run.py starts the workers")
    return value


class Meter:
    """Clock and CPU time of this process, all threads, from the first event to the end of the work.

    The end is when the last event is handled, what was sent is in the broker, and the offsets are committed.
    """

    def __init__(self) -> None:
        self.events = int(setting("EVENTS"))
        self._began: tuple[float, float] | None = None
        self._handled = (0.0, 0.0)

    def begin(self) -> None:
        """The first event is in hand; later calls do nothing."""
        self._began = self._began or _now()

    def handled(self) -> None:
        """The last event is handled."""
        self._handled = _now()

    def end(self, **found: Any) -> None:
        """All is written and committed: report, with whatever the driver shall verify."""
        began = self._began or _now()
        ended = _now()
        report = {
            "seconds": ended[0] - began[0],
            "seconds_handled": (self._handled[0] or ended[0]) - began[0],
            "cpu_s": ended[1] - began[1],
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **found,
        }
        path = Path(setting("RESULT"))
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(report))
        unfinished.rename(path)  # the driver never sees half of it


def _now() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), used.ru_utime + used.ru_stime
