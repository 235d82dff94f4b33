"""`faust clean-versions`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from faust_cli.failures import reported
from faust_cli.options import FaustCommand, Options

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["clean_versions"]


@click.command("clean-versions", cls=FaustCommand, shows=("app", "json", "datadir"))
@click.option("-y", "--yes", is_flag=True, help="Delete them; without it they are listed only.")
@click.pass_obj
def clean_versions(options: Options, /, yes: bool) -> None:
    """Delete the local state of other versions of an application.

    Each value of the setting `version` has a directory of its own, DATADIR/v1 and so on; that of the present one stays.
    Tables of other versions would be restored from their changelogs, which are left alone.
    """
    from faust_cli.output import show_rows  # noqa: PLC0415

    with reported(debug=options.debug):
        app = options.load()
        found = others(app)
        for directory in found if yes else ():
            shutil.rmtree(directory)
        rows = [{"directory": str(directory), "deleted": yes} for directory in found]
        show_rows(rows, as_json=options.json, empty=f"{app.conf.datadir} has no other versions")
        if found and not yes and not options.quiet:
            click.echo("nothing is deleted without --yes", err=True)


def others(app: App) -> list[Path]:
    """Return the directories of other versions: of single workers, and of `worker --processes`."""
    root, present = app.conf.datadir, f"v{app.conf.version}"
    return sorted(
        directory
        for parent in (root, *root.glob("worker-*"))
        for directory in parent.glob("v*")
        if re.fullmatch(r"v\d+", directory.name) and directory.name != present and directory.is_dir()
    )
