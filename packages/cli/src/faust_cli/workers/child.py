"""A worker process among several: what its supervisor told it, and what it tells the supervisor."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["Child"]

log = logging.getLogger(__name__)

#: Set by the supervisor alone: the process' number, and the file for the reason of its end.
VARIABLE = "FAUST_WORKER_PROCESS"


@dataclasses.dataclass(frozen=True)
class Child:
    """One of `worker --processes N`.

    Attributes:
        index: from 0.
        reason: the file that takes the reason of a failure.
    """

    index: int
    reason: Path

    @classmethod
    def of_environment(cls) -> Child | None:
        """Return this process' place under a supervisor; None where there is none.

        The variable is removed: what this process starts is not the supervisor's.
        """
        text = os.environ.pop(VARIABLE, None)
        if text is None:
            return None
        index, _, reason = text.partition(":")
        return cls(int(index), Path(reason))

    def environment(self) -> dict[str, str]:
        return {**os.environ, VARIABLE: f"{self.index}:{self.reason}"}

    def take_place(self, app: App) -> None:
        """Give the application a directory and an instance id of its own, and end when the supervisor has gone."""
        from faust_cli.apps import set_datadir, set_web  # noqa: PLC0415

        set_datadir(app, app.conf.datadir / f"worker-{self.index}", explicit=False)
        if app.conf.web_port and "web_port" in app.conf.explicit:
            set_web(app, web_port=app.conf.web_port + self.index)
        instance = app.conf.consumer_group_instance_id
        if instance:
            app.conf.change(consumer_group_instance_id=f"{instance}-{self.index}")
        log.info("worker process %d keeps its state in %s", self.index, app.conf.datadir)
        threading.Thread(target=_follow_supervisor, name="faust-supervisor", daemon=True).start()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Write down why the command failed, for the supervisor's last line."""
        try:
            yield
        except click.ClickException as exc:
            self.reason.write_text(exc.format_message(), encoding="utf-8")
            raise


def _follow_supervisor() -> None:
    """Stop gracefully when stdin ends: the supervisor holds its other side, and was killed."""
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
