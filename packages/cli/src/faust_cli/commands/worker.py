"""`faust worker`."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from faust_cli.failures import CommandFailed, reported
from faust_cli.options import FaustCommand, Options

if TYPE_CHECKING:
    from faust_core.app import App

__all__ = ["worker"]


@click.command(cls=FaustCommand, shows=("app", "loglevel", "logfile", "datadir", "loop"))
@click.option("--processes", type=click.IntRange(1), default=1, metavar="N", help="Run N worker processes.")
@click.option("--with-web/--without-web", default=None, help="Serve HTTP, or not: the setting web_enabled.")
@click.option("-p", "--web-port", type=click.IntRange(0, 65535), metavar="PORT", help="Where to listen: web_port.")
@click.option("-b", "--web-bind", metavar="ADDRESS", help="The address to listen on: web_bind.")
@click.option("-h", "--web-host", metavar="NAME", help="Under which other machines reach this one: web_host.")
@click.option("--web-transport", hidden=True)
@click.pass_obj
def worker(
    options: Options, /, processes: int, with_web: bool | None, web_transport: str | None, **web: int | str | None
) -> None:
    """Run a worker.

    SIGTERM or Ctrl-C finishes what is in flight, commits and leaves the group; a second one exits at once.
    SIGUSR1 prints the stacks of all tasks.  A worker that fails exits with code 1, and the reason is the last
    line on stderr.

    With --processes each has its own data directory, DATADIR/worker-0 and so on, and its own port, the next one
    for each.  When one ends, all do.
    """
    from faust_cli.apps import set_web  # noqa: PLC0415  it imports the engine
    from faust_cli.workers.child import Child  # noqa: PLC0415

    if web_transport is not None and not options.quiet:
        click.echo("note: --web-transport has no effect here", err=True)
    child = Child.of_environment()
    with contextlib.ExitStack() as stack:
        if child is not None:
            stack.enter_context(child.telling())
        stack.enter_context(reported(debug=options.debug, doing="the worker failed"))
        app = options.load()
        set_web(app, web_enabled=with_web, **web)
        if child is not None:
            child.take_place(app)
        elif processes > 1:
            _supervise(app, options, processes)
            return
        _work(app, options, child=child is not None)


def _work(app: App, options: Options, *, child: bool) -> None:
    from faust_cli.running import run  # noqa: PLC0415
    from faust_cli.workers.banner import announce  # noqa: PLC0415
    from faust_cli.workers.progress import progress_bar  # noqa: PLC0415
    from faust_cli.workers.single import run_worker  # noqa: PLC0415

    if not child:
        announce(app, quiet=options.quiet, loop=options.loop)
    app.in_worker = True
    with contextlib.ExitStack() as stack:
        if app.conf.worker_redirect_stdouts:
            from faust_cli.logs import LogWriter, level_of  # noqa: PLC0415

            writer: Any = LogWriter(level_of(str(app.conf.worker_redirect_stdouts_level)))
            stack.enter_context(contextlib.redirect_stdout(writer))
        bar = None
        if sys.stderr.isatty() and not options.quiet and not child and options.logfile is None:
            bar = stack.enter_context(progress_bar())
        serve = app.conf.web_enabled
        run(run_worker(app, on_progress=bar, supervised=child, serve=serve), loop=options.loop)


def _supervise(app: App, options: Options, processes: int) -> None:
    from faust_cli.apps import broker_urls, is_embedded  # noqa: PLC0415
    from faust_cli.running import run  # noqa: PLC0415
    from faust_cli.workers.banner import announce  # noqa: PLC0415
    from faust_cli.workers.supervisor import Supervisor  # noqa: PLC0415

    if sys.platform == "win32":
        raise CommandFailed("--processes needs a POSIX system: start several workers instead")
    if is_embedded(app):
        raise CommandFailed(
            f"--processes {processes}: {broker_urls(app)} is inside one process, out of reach of others"
        )
    announce(app, quiet=options.quiet, loop=options.loop, processes=processes)
    run(Supervisor(processes, options.started_in, patience_s=app.conf.shutdown_timeout * 3 + 10).run())
