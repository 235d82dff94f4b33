"""`faust version`."""

from __future__ import annotations

import click

from faust_cli.options import FaustCommand, Options

__all__ = ["version"]


@click.command(cls=FaustCommand, shows=("json",))
@click.pass_obj
def version(options: Options, /) -> None:
    """Show the versions of everything that is installed."""
    from faust_cli.output import show_json  # noqa: PLC0415
    from faust_cli.versions import installed  # noqa: PLC0415

    versions = installed()
    if options.json:
        show_json(versions)
        return
    width = max(map(len, versions))
    for name, number in versions.items():
        click.echo(f"{name.ljust(width)}  {number}")
