"""Fixups: other frameworks that must be set up before an application's modules are imported.

They come from the entry points `faust.fixups`: classes that take the application.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any, Protocol

__all__ = ["Fixup", "fixups_of"]

GROUP = "faust.fixups"


class Fixup(Protocol):
    """One framework.  Made once for each application, when a worker or command begins."""

    def enabled(self) -> bool:
        """Whether this program uses that framework; asked before anything else."""
        ...

    def autodiscover_modules(self) -> Iterable[str]:
        """Return the modules in which agents may be, for `autodiscover`."""
        ...

    def on_worker_init(self) -> None:
        """Set the framework up.  Idempotent."""
        ...


def fixups_of(app: Any) -> list[Fixup]:
    """Return those of the installed fixups that this program uses.

    Raises:
        ConfigError: a framework is asked for and is not installed.
    """
    made = [entry.load()(app) for entry in entry_points(group=GROUP)]
    return [fixup for fixup in made if fixup.enabled()]
