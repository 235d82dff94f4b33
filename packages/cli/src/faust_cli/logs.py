"""The log: one handler on stderr or a file, unless the application's settings say otherwise."""

from __future__ import annotations

import logging
import logging.config
import sys
from pathlib import Path
from typing import TextIO

from faust_cli.failures import CommandFailed
from faust_core.settings import Settings

__all__ = ["LogWriter", "configure", "level_of", "set_up"]

FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"
ABBREVIATED = {"warn": "WARNING", "crit": "CRITICAL"}


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment: a progress bar takes its place while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None: ...


def set_up(level: str, logfile: Path | None) -> None:
    """Log to stderr or `logfile` from now on.

    Raises:
        CommandFailed: the file cannot be written.
    """
    handler: logging.Handler = StderrHandler()
    if logfile is not None:
        try:
            handler = logging.FileHandler(logfile, encoding="utf-8")
        except OSError as exc:
            raise CommandFailed(f"-f {logfile}: cannot be written: {exc.strerror}") from exc
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.set_name("faust")
    root = logging.getLogger()
    _remove_ours()
    root.addHandler(handler)
    root.setLevel(level_of(level))


def _remove_ours() -> None:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if h.get_name() == "faust"]:
        root.removeHandler(handler)
        handler.close()


def configure(conf: Settings) -> None:
    """Apply the settings `logging_config`, which replaces our handler, and `loghandlers`, which stand beside it.

    Raises:
        CommandFailed: `logging_config` is not what `logging.config.dictConfig` takes.
    """
    if conf.logging_config:
        try:
            logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **conf.logging_config})
        except (ValueError, TypeError, AttributeError, ImportError) as exc:
            reason = exc.__cause__ or exc
            raise CommandFailed(f"setting logging_config is not possible: {exc}: {reason}") from exc
        _remove_ours()
    root = logging.getLogger()
    for handler in conf.loghandlers:
        if handler not in root.handlers:
            root.addHandler(handler)


def level_of(name: str) -> int:
    """Return the number of a level's name, of any case, or of its abbreviation."""
    number = logging.getLevelName(ABBREVIATED.get(name.lower(), name.upper()))
    return number if isinstance(number, int) else logging.WARNING


class LogWriter:
    """Stands in for `sys.stdout`: each line goes to the log."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                logging.getLogger("faust.print").log(self._level, "%s", line)
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False
