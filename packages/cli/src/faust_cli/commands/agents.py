"""`faust agents`."""

from __future__ import annotations

import click

from faust_cli.failures import reported
from faust_cli.options import FaustCommand, Options

__all__ = ["agents"]


@click.command(cls=FaustCommand, shows=("app", "json"))
@click.option("--local/--no-local", hidden=True, help="Accepted; every agent is listed.")
@click.pass_obj
def agents(options: Options, /, local: bool) -> None:  # noqa: ARG001  applications' scripts may give it
    """List the agents of an application."""
    from faust_cli.output import show_rows  # noqa: PLC0415

    with reported(debug=options.debug):
        app = options.load()
        rows = [
            {
                "name": agent.name,
                "topic": str(agent.topic),
                "concurrency": agent.concurrency,
                "on_error": agent.policy,
                "help": (agent.help.splitlines() or [""])[0],
            }
            for _, agent in sorted(app.agents.items())
        ]
        show_rows(rows, as_json=options.json, empty=f"application {app.id} has no agents")
