"""`faust tables`."""

from __future__ import annotations

import click

from faust_cli.failures import reported
from faust_cli.options import FaustCommand, Options

__all__ = ["tables"]


@click.command(cls=FaustCommand, shows=("app", "json"))
@click.pass_obj
def tables(options: Options, /) -> None:
    """List the tables of an application."""
    from faust_cli.output import show_rows  # noqa: PLC0415

    with reported(debug=options.debug):
        app = options.load()
        rows = [
            {
                "name": table.name,
                "changelog": table.changelog_topic_name,
                "window": None if table.window is None else type(table.window).__name__,
                "help": (table.help.splitlines() or [""])[0],
            }
            for _, table in sorted(app.tables.items())
        ]
        show_rows(rows, as_json=options.json, empty=f"application {app.id} has no tables")
