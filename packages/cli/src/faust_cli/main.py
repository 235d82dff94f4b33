"""The entry points, and the group of commands.

Starting the program imports click and nothing else: a command's module is imported when the command runs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from faust_cli.options import Options, global_options

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["COMMANDS", "cli", "main", "main_with_app"]

#: Module and one line of help of each command; the command has the module's name.
COMMANDS = {
    "agents": "List the agents of an application.",
    "clean-versions": "Delete the local state of other versions of an application.",
    "completion": "Print a script that completes commands and options.",
    "reset": "Forget all that an application has derived: tables, changelogs, offsets.",
    "send": "Send a record to a topic or an agent.",
    "tables": "List the tables of an application.",
    "topics": "List the topics of an application.",
    "version": "Show the versions of everything that is installed.",
    "worker": "Run a worker.",
}

PLUGINS = "faust.commands"


class LazyGroup(click.Group):
    """Finds commands by module name, then among the entry points `faust.commands`; suggests on a typing error."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            name = cmd_name.replace("-", "_")
            return cast("click.Command", getattr(importlib.import_module(f"faust_cli.commands.{name}"), name))
        return _plugin(cmd_name) or _of_application(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])
        options = ctx.find_object(Options)
        if options is not None and options.given is not None and options.given.commands:
            with formatter.section("Commands of this application"):
                formatter.write_dl(
                    [(spec.name, spec.help.partition("\n")[0]) for spec in options.given.commands.values()]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS and _plugin(name) is None:
            command = _of_application(ctx, name, tuple(args[1:]))
            if command is not None:
                return name, command, args[1:]
            known = {*COMMANDS, *_names_of_application(ctx)}
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
            ctx.fail(f"no command {name!r}: {hint}")
        return super().resolve_command(ctx, args)


def _plugin(name: str) -> click.Command | None:
    from importlib.metadata import entry_points  # noqa: PLC0415  half of the start-up time

    for entry in entry_points(group=PLUGINS, name=name):
        command: Any = entry.load()
        return command if isinstance(command, click.Command) else None
    return None


def _of_application(ctx: click.Context, name: str, args: tuple[str, ...] = ()) -> click.Command | None:
    from faust_cli.app_commands import command_of  # noqa: PLC0415  it imports the engine

    return command_of(ctx, name, args)


def _names_of_application(ctx: click.Context) -> dict[str, str]:
    from faust_cli.app_commands import command_names  # noqa: PLC0415

    return command_names(ctx)


@click.group(cls=LazyGroup, params=global_options())
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Stream processing as plain Python.

    Options stand before or after the command.  The environment gives defaults: FAUST_APP, FAUST_DATADIR,
    FAUST_WORKDIR, FAUST_DEBUG, FAUST_LOOP.
    """
    ctx.ensure_object(Options)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; `-A` says which application.  Ends the process."""
    _run(Options(), args)


def main_with_app(app: App, args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line of `app`, as `python module.py …`.  Ends the process."""
    _run(Options(given=app), args)


def _run(options: Options, args: Sequence[str] | None) -> NoReturn:
    from faust_cli.failures import INTERRUPTED  # noqa: PLC0415

    try:
        code = cli.main(args, prog_name=None if options.given else "faust", obj=options, standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        raise SystemExit(exc.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)
