"""Having a monitor report at regular times."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from faust_core.sensors import Monitor

__all__ = ["Reporter"]

log = logging.getLogger(__name__)


class Reporter:
    """Calls `on_report` of monitors that send numbers elsewhere.  One that raises is logged once, and asked again."""

    def __init__(self, monitor: Callable[[], Monitor]) -> None:
        self._monitor = monitor
        self._failed = False

    @property
    def wanted(self) -> bool:
        return self._monitor().report_interval_s is not None

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(self._monitor().report_interval_s or 1.0)
            await self._refresh()
            self.report()

    async def _refresh(self) -> None:
        try:
            await self._monitor().refresh()
        except Exception as exc:  # noqa: BLE001  numbers must not stop the work
            log.debug("%r cannot learn the ends of what is read: %r", self._monitor(), exc)

    def end(self) -> None:
        """Report for the last time."""
        self.report()
        try:
            self._monitor().close()
        except Exception:
            log.exception("%r cannot be closed", self._monitor())

    def report(self) -> None:
        monitor = self._monitor()
        if monitor.report_interval_s is None:
            return
        try:
            monitor.on_report()
        except Exception as exc:
            if self._failed:
                log.debug("%r cannot report: %r", monitor, exc)
            else:
                self._failed = True
                log.exception("%r cannot report; it is tried again, and this is said once", monitor)
        else:
            self._failed = False
