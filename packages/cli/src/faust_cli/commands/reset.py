"""`faust reset`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from faust_cli.failures import CommandFailed, reported
from faust_cli.options import FaustCommand, Options

if TYPE_CHECKING:
    from pathlib import Path

    from faust_core.app import App
    from faust_core.protocols.store import StoreBackend
    from faust_core.protocols.transport import Admin

__all__ = ["reset"]


@dataclass
class Derived:
    """What an application has made of its input, and `reset` deletes.

    Attributes:
        stores: data directory, table and partition of each local store, and the URL that the table names, if any.
        topics: name and kind of each topic.
    """

    group: str
    stores: dict[tuple[Path, str, int], str | None] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)


@click.command(cls=FaustCommand, shows=("app", "json", "datadir"))
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted; this is what happens without --yes.")
@click.option("-y", "--yes", is_flag=True, help="Delete it.")
@click.pass_obj
def reset(options: Options, /, dry_run: bool, yes: bool) -> None:
    """Forget all that an application has derived: tables, changelogs, offsets.

    Local state on this machine, changelogs, repartition topics, the application's own reply topic, and the
    committed offsets of its group.  The next worker begins with empty tables at the beginning of its input.
    Topics that the application reads or writes, and its dead letters, stay.

    Refuses while a worker runs.  Local state on other machines is not reached: run it there, too.
    """
    from faust_cli.running import run  # noqa: PLC0415

    with reported(debug=options.debug):
        if yes and dry_run:
            raise click.UsageError("--yes and --dry-run exclude each other")
        app = options.load()
        run(_reset(app, options, delete=yes), loop=options.loop)


async def _reset(app: App, options: Options, *, delete: bool) -> None:
    from faust_cli.running import admin_of  # noqa: PLC0415

    async with admin_of(app) as admin:
        group = app.conf.id
        members = await admin.group_members(group)
        if members:
            raise CommandFailed(
                f"{len(members)} worker{'s' if len(members) > 1 else ''} of {group} still running "
                f"({', '.join(sorted(set(members)))}): stop them first; one that was killed counts until its session "
                "times out"
            )
        derived = Derived(group, _stores(app), await _topics(app, admin))
        if delete:
            await _delete(app, admin, derived)
        _show(derived, options, deleted=delete)


async def _delete(app: App, admin: Admin, derived: Derived) -> None:
    try:
        for (directory, table, partition), url in derived.stores.items():
            with _backend(app, directory, url) as backend:
                backend.destroy(table, partition)
        await admin.delete_topics(derived.topics)
        await admin.delete_group(derived.group)
    except Exception as exc:
        click.echo("the reset is incomplete: run it again before any worker starts", err=True)
        raise CommandFailed(str(exc)) from exc


def _stores(app: App) -> dict[tuple[Path, str, int], str | None]:
    """Return the local stores: of single workers, and of `worker --processes`."""
    found: dict[tuple[Path, str, int], str | None] = {}
    root = app.conf.datadir
    for url in dict.fromkeys([None, *(table.store for table in app.tables.values())]):
        for directory in [root, *sorted(root.glob("worker-*"))]:
            with _backend(app, directory, url) as backend:
                for table, partition in sorted(backend.stored()):
                    found.setdefault((directory, table, partition), url)
                if backend.shared:
                    break
    return found


@contextmanager
def _backend(app: App, directory: Path, url: str | None) -> Iterator[StoreBackend]:
    """Open the application's store, or that of a table, as a worker with that data directory would."""
    from faust_cli.apps import set_datadir  # noqa: PLC0415

    before = app.conf
    app.conf = before.with_options()
    set_datadir(app, directory, explicit=False)
    try:
        backend = app.make_store_backend(url)
        try:
            yield backend
        finally:
            backend.close()
    finally:
        app.conf = before


async def _topics(app: App, admin: Admin) -> dict[str, str]:
    """Return those topics on the broker that are derived.

    Changelogs of tables that are no longer declared are not found: by name they could belong to another
    application whose id begins alike.
    """
    existing = await admin.partition_counts()
    declared = {name for topic in app.topics for name in topic.topics}
    found = {table.changelog_topic_name: "changelog" for table in app.tables.values()}
    for reads in app.agents.values():
        found.update(reads.topic.derived)
    prefix = f"{app.conf.id}-" if app.conf.repartition_topic_prefix_id else ""
    for agent in app.agents:
        for name in existing:
            # A join of streams is known only while its agent runs.
            if name.startswith(f"{app.conf.id}-{agent}-") and name.endswith("-join-changelog"):
                found[name] = "changelog"
        for name in existing:
            if name.startswith(f"{prefix}{agent}-") and name.endswith("-repartition") and name not in declared:
                found[name] = "repartition"
    if "reply_to" in app.conf.explicit:
        found[app.conf.reply_to] = "replies"
    elif "reply_to_prefix" in app.conf.explicit:
        found.update({name: "replies" for name in existing if name.startswith(app.conf.reply_to_prefix)})
    return {name: kind for name, kind in sorted(found.items()) if name in existing}


def _show(derived: Derived, options: Options, *, deleted: bool) -> None:
    from faust_cli.output import show_json  # noqa: PLC0415

    if options.json:
        report: dict[str, Any] = {
            "deleted": deleted,
            "group": derived.group,
            "topics": derived.topics,
            "stores": [{"datadir": str(d), "table": t, "partition": p} for d, t, p in derived.stores],
        }
        show_json(report)
        return
    click.echo("deleted:" if deleted else "would be deleted:")
    click.echo(f"  offsets of group {derived.group}")
    for name, kind in derived.topics.items():
        click.echo(f"  {kind} topic {name}")
    for directory, table, partition in derived.stores:
        click.echo(f"  local state of {table}/{partition} in {directory}")
    if not deleted:
        click.echo("nothing was deleted; --yes does it")
