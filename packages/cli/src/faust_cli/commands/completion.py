"""`faust completion`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from faust_cli.failures import CommandFailed, reported
from faust_cli.options import FaustCommand, Options

__all__ = ["completion"]


@click.command(cls=FaustCommand)
@click.option("--shell", help="bash, zsh or fish; the one that runs, as SHELL says, if left out.")
@click.pass_obj
def completion(options: Options, /, shell: str | None) -> None:
    """Print a script that completes commands and options.

    For bash: eval "$(faust completion)".
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from faust_cli.main import cli  # noqa: PLC0415

    with reported(debug=options.debug):
        name = shell or Path(os.environ.get("SHELL", "")).name
        script = get_completion_class(name)
        if script is None:
            raise CommandFailed(f"no completion for the shell {name!r}: say --shell bash, zsh or fish")
        click.echo(script(cli, {}, "faust", "_FAUST_COMPLETE").source())
