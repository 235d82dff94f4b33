"""Commands that an application declares: `@app.command`."""

from __future__ import annotations

import asyncio
import inspect
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from faust_cli.failures import reported
from faust_cli.options import FaustCommand, Options
from faust_cli.running import run

if TYPE_CHECKING:
    from faust_core.app import App
    from faust_core.declaring_services import CommandSpec

__all__ = ["AppCommand", "Command", "argument", "command_names", "command_of", "option"]

argument = click.argument
option = click.option


class AppCommand:
    """What a command's function gets as `self`, where its first parameter has that name.

    Attributes:
        app: the application; its settings are final, and it is connected when something is sent or asked.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def say(self, message: Any, **options: Any) -> None:
        """Print to stdout."""
        click.echo(message, **options)

    def carp(self, message: Any, **options: Any) -> None:
        """Print to stderr."""
        click.echo(message, err=True, **options)

    def dumps(self, value: Any) -> str:
        """Return a value as JSON."""
        return json.dumps(value, default=str)


Command = AppCommand


def command_names(ctx: click.Context) -> dict[str, str]:
    """Return the commands of the application at hand, with a line of help each; none where there is no application."""
    app = _app(ctx, ())
    return {} if app is None else {spec.name: spec.help.partition("\n")[0] for spec in app.commands.values()}


def command_of(ctx: click.Context, name: str, args: tuple[str, ...] = ()) -> click.Command | None:
    """Return the application's command of this name.

    Args:
        args: what follows it on the command line, where `-A` may stand, too.
    """
    app = _app(ctx, args)
    spec = None if app is None else app.commands.get(name)
    return None if spec is None else _made(spec)


def _app(ctx: click.Context, args: tuple[str, ...]) -> App | None:
    options = ctx.find_object(Options)
    if options is None:
        return None
    for flag, value in pairwise(args):
        if flag in ("-A", "--app"):
            options.app = value
    if options.given is None and not options.app:
        return None
    with reported(debug=options.debug):
        return options.load()


def _made(spec: CommandSpec) -> click.Command:
    def call(options: Options, /, **given: Any) -> None:
        with reported(debug=options.debug, doing=f"command {spec.name}"):
            run(_execute(spec, options.load(), given), loop=options.loop)

    function: Any = click.pass_obj(call)
    for decorate in reversed(spec.options):
        function = decorate(function)
    made: click.Command = click.command(spec.name, cls=FaustCommand, help=spec.help, shows=("app",))(function)
    return made


async def _execute(spec: CommandSpec, app: App, given: dict[str, Any]) -> None:
    """Run a command, and disconnect what it has connected."""
    app.finalize()
    try:
        parameters = list(inspect.signature(spec.function).parameters)
        first = [(spec.base or AppCommand)(app)] if parameters[:1] == ["self"] else []
        result = spec.function(*first, **given)
        if inspect.isawaitable(result):
            await result
        if spec.daemon:
            await asyncio.Event().wait()
    finally:
        await app.stop()
