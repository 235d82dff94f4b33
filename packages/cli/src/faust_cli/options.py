"""The options that every command has, before the command or after it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["FaustCommand", "Options", "global_options"]

LEVELS = ("debug", "info", "warn", "warning", "error", "crit", "critical")


@dataclass
class Options:
    """What was asked for, by the time at which a command runs.

    Attributes:
        given: the application itself, where its own program is run.
        app: `module` or `module:attribute`.
        started_in: where the program was started, before `--workdir`.
        prepared: whether the application's fixups and modules are there.
    """

    given: App | None = None
    app: str | None = None
    quiet: bool = False
    debug: bool = False
    workdir: Path | None = None
    datadir: Path | None = None
    json: bool = False
    loop: str = "aio"
    logfile: Path | None = None
    loglevel: str = "warn"
    started_in: Path = field(default_factory=Path.cwd)
    prepared: bool = False

    def load(self) -> App:
        """Go to the working directory, set up the log, and find the application.

        Raises:
            CommandFailed: there is none; says why.
        """
        from faust_cli import apps, logs  # noqa: PLC0415  they import the engine

        if self.workdir is not None:
            self.workdir = self.workdir.absolute()
            os.chdir(self.workdir)
        if self.datadir is not None:
            self.datadir = self.datadir.absolute()
            os.environ["FAUST_DATADIR"] = str(self.datadir)
        if self.debug:
            os.environ["FAUST_DEBUG"] = "true"
        logs.set_up(self.loglevel, self.logfile)
        app = self.given or apps.find_app(self.app, debug=self.debug)
        if self.datadir is not None:
            apps.set_datadir(app, self.datadir)
        app.finalize()
        logs.configure(app.conf)
        if not self.prepared:
            self.prepared = True
            apps.prepare(app, self.app, debug=self.debug)
        return app


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option that was given; one given after the command wins."""
    assert parameter.name is not None
    source = ctx.get_parameter_source(parameter.name)
    if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
        setattr(ctx.ensure_object(Options), parameter.name, value)


def _show_versions(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from faust_cli.versions import one_line  # noqa: PLC0415

        click.echo(one_line())
        ctx.exit()


def _ignored(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and not ctx.resilient_parsing:
        click.echo(f"note: {parameter.opts[0]} has no effect here", err=True)


def global_options(*, shown: Collection[str] | None = None, environment: bool = True) -> list[click.Parameter]:
    """Make the options anew, for the group or for a command.

    Args:
        shown: the names of those that the help shall list; all where None.
        environment: whether variables give values, too.
    """

    def option(*names: str, env: str = "", **attributes: Any) -> click.Option:
        attributes.setdefault("callback", _remember)
        variables = [f"FAUST_{env}", f"F_{env}"] if env and environment else None
        made = click.Option(names, expose_value=False, envvar=variables, **attributes)
        made.hidden = made.hidden or (shown is not None and made.name not in shown)
        return made

    folder = click.Path(file_okay=False, path_type=Path)
    made: list[click.Parameter] = [
        option("-A", "--app", env="APP", metavar="MODULE[:ATTR]", help="The application; ATTR is `app` if left out."),
        option("-q", "--quiet", is_flag=True, help="Print nothing but results and errors."),
        option("--debug/--no-debug", env="DEBUG", default=False, help="Show tracebacks; turn the setting debug on."),
        option(
            "-W", "--workdir", env="WORKDIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Go there before anything is imported.",
        ),
        option("-D", "--datadir", env="DATADIR", type=folder, help="Where local state is kept: the setting datadir."),
        option("--json", is_flag=True, help="Print JSON."),
        option("-L", "--loop", env="LOOP", type=click.Choice(["aio", "uvloop"]), default="aio", help="The event loop."),
        option("-f", "--logfile", type=click.Path(dir_okay=False, path_type=Path), help="Log there, not to stderr."),
        option(
            "-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="warn", metavar="LEVEL",
            help=f"One of {', '.join(LEVELS)}; warn if left out.",
        ),
        option("--blocking-timeout", type=float, hidden=True, callback=_ignored),
        option("--console-port", type=int, hidden=True, callback=_ignored),
    ]  # fmt: skip
    if shown is None:
        made.append(
            option("--version", is_flag=True, is_eager=True, callback=_show_versions, help="Show the version and exit.")
        )
    return made


class FaustCommand(click.Command):
    """A command that takes the global options, too; its help lists those of them in `shows`."""

    def __init__(self, *args: Any, shows: Collection[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options(shown=shows, environment=False)
