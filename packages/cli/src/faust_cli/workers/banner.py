"""What a worker says of itself when it starts."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from faust_cli.apps import broker_urls, without_secrets
from faust_cli.versions import installed, one_line
from faust_core.registry import web_plugin

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["announce"]

log = logging.getLogger(__name__)


def announce(app: App, *, quiet: bool, loop: str, processes: int = 1) -> None:
    """Say what is about to run: to a terminal in some lines, to the log in one."""
    facts = _facts(app, loop, processes)
    if not sys.stdout.isatty():
        log.info("starting %s", ", ".join(f"{name}: {value}" for name, value in facts.items()))
    elif not quiet:
        width = max(map(len, facts))
        click.echo(one_line())
        for name, value in facts.items():
            click.echo(f"  {name.ljust(width)}  {value}")


def _web(app: App) -> str:
    """Say where HTTP will be."""
    conf = app.conf
    if not conf.web_enabled or web_plugin() is None:
        return "none"
    return conf.canonical_url if "web_port" in conf.explicit else f"{conf.canonical_url}, or a free port"


def _facts(app: App, loop: str, processes: int) -> dict[str, str]:
    conf = app.conf
    facts = {
        "id": conf.id,
        "broker": broker_urls(app),
        "store": without_secrets(app.store_url),
        "data": str(conf.datadir),
        "agents": ", ".join(app.agents) or "none",
        "tables": ", ".join(app.tables) or "none",
        "guarantee": str(conf.processing_guarantee),
        "web": _web(app),
        "pid": str(os.getpid()),
        "loop": loop,
        "versions": ", ".join(f"{name} {number}" for name, number in installed().items() if name != "system"),
    }
    if processes > 1:
        facts["processes"] = str(processes)
    return facts
