"""What went wrong, in one line."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

__all__ = ["INTERRUPTED", "CommandFailed", "in_one_line", "reported"]

#: The exit code that shells give to a program that SIGINT ended.
INTERRUPTED = 130


class CommandFailed(click.ClickException):
    """A command could not do what it was asked for; the message is all that the user needs."""


@contextmanager
def reported(*, debug: bool, doing: str = "") -> Iterator[None]:
    """Turn any exception into `CommandFailed`; with `debug` its traceback is printed first.

    Args:
        doing: what failed, said before the reason of an error that is not one of Faust's own.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as exc:
        if debug:
            traceback.print_exception(exc)
        raise CommandFailed(in_one_line(exc, doing)) from exc


def in_one_line(error: BaseException, doing: str = "") -> str:
    """Say what an error was: Faust's own errors by their message, others by type, message and place."""
    from faust_core.errors import FaustError  # noqa: PLC0415  not needed where nothing fails

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    message = " ".join(str(error).split())
    if isinstance(error, FaustError) and message:
        return message
    reason = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{doing + ': ' if doing else ''}{reason}{_place(error)}"


def _place(error: BaseException) -> str:
    """Return the last line of the user's own code that an error passed through."""
    import faust_core  # noqa: PLC0415

    paths = sysconfig.get_paths()
    foreign = tuple({paths["stdlib"], paths["purelib"], paths["platlib"], str(Path(faust_core.__file__).parent)})
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(("<", sys.prefix)) or frame.filename.startswith(foreign):
            continue
        return f" ({Path(frame.filename).name}:{frame.lineno}, in {frame.name})"
    return ""
