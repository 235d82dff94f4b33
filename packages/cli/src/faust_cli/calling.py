"""Calling a command from a program, or a test."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["call_command"]


def call_command(
    command: str,
    args: Sequence[str] | None = None,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
    *,
    side_effects: bool = False,
    app: App | None = None,
) -> tuple[int, IO[str], IO[str]]:
    """Run a command of the command line in this process, such as `call_command("tables", ["-A", "shop"])`.

    Not to be called on a running event loop: commands run one of their own.

    Args:
        stdout, stderr: what is printed goes there; to new texts where None.
        side_effects: True lets what is printed go to the terminal.
        app: the application, in place of `-A`.

    Returns:
        The exit code, and where the output went.
    """
    from faust_cli.main import main, main_with_app  # noqa: PLC0415

    out, err = stdout or io.StringIO(), stderr or io.StringIO()
    given = [command, *(args or ())]
    with contextlib.ExitStack() as stack:
        if not side_effects:
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
        try:
            if app is None:
                main(given)
            else:
                main_with_app(app, given)
        except SystemExit as exc:
            return (exc.code if isinstance(exc.code, int) else 1), out, err
