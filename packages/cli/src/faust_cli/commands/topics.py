"""`faust topics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from faust_cli.failures import reported
from faust_cli.options import FaustCommand, Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faust_core.app import App

__all__ = ["topics"]


@click.command(cls=FaustCommand, shows=("app", "json"))
@click.pass_obj
def topics(options: Options, /) -> None:
    """List the topics of an application.

    Those that it declares, the changelogs of its tables, and its dead letters; with partition counts where
    the broker can be reached.  Repartition topics appear once a worker runs; they are not listed.
    """
    from faust_cli.output import show_rows  # noqa: PLC0415
    from faust_cli.running import run  # noqa: PLC0415

    with reported(debug=options.debug):
        app = options.load()
        declared = declared_topics(app)
        counts = run(_partition_counts(app, list(declared)), loop=options.loop)
        rows: list[dict[str, Any]] = []
        for name, kind in declared.items():
            row: dict[str, Any] = {"name": name, "kind": kind}
            if counts is not None:
                row["partitions"] = counts.get(name)
            rows.append(row)
        show_rows(rows, as_json=options.json, empty=f"application {app.id} has no topics")


def declared_topics(app: App) -> dict[str, str]:
    """Return the names of an application's topics and what each is for."""
    found: dict[str, str] = {}
    for topic in app.topics:
        found.update(dict.fromkeys(topic.topics, "internal" if topic.internal else "declared"))
    for agent in app.agents.values():
        found.update(dict.fromkeys(agent.topic.topics, f"input of {agent.name}"))
    for table in app.tables.values():
        found[table.changelog_topic_name] = f"changelog of {table.name}"
    found[app.conf.dead_letter_topic.format(id=app.conf.id)] = "dead letters"
    return dict(sorted(found.items()))


async def _partition_counts(app: App, names: list[str]) -> Mapping[str, int] | None:
    """Ask the broker; None, and a note, where it cannot be reached."""
    from faust_cli.apps import is_embedded  # noqa: PLC0415
    from faust_cli.running import admin_of  # noqa: PLC0415
    from faust_core.errors import TransportError  # noqa: PLC0415

    if is_embedded(app):
        return None
    try:
        async with admin_of(app) as admin:
            return await admin.partition_counts(names)
    except TransportError as exc:
        click.echo(f"note: partition counts are not known: {exc}", err=True)
        return None
