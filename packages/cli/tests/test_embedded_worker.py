"""`faust.Worker`: a worker that a program starts itself; and commands that a program calls."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from faust_cli.calling import call_command
from faust_cli.workers.embedded import Worker
from faust_core import App, Service
from faust_core.errors import ConfigError

PROGRAM = """
import sys
import faust_core as faust
from faust_cli.workers.embedded import Worker

app = faust.App("shop", broker="memory://", web_enabled=False, {options})

@app.on_started.connect
def tell(app):
    print("runs", app.in_worker, flush=True)
    {started}

{call}
print("never", flush=True)
"""


class Beside(Service):
    """Tells what happens to it."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.told: list[str] = []

    async def on_start(self) -> None:
        self.told.append("started")

    async def on_stop(self) -> None:
        self.told.append("stopped")


def app_of(name: str, **options: object) -> App:
    return App(name, broker=f"memory://{name}", web_enabled=False, **options)


async def eventually(condition) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110  it looks at the outside of the worker
            await asyncio.sleep(0.01)


async def test_a_worker_runs_until_it_is_stopped():
    app, beside = app_of("w-stop"), Beside()
    told: list[str] = []
    app.on_worker_init.connect(lambda app: told.append("init"))
    worker = Worker(app, beside)
    running = asyncio.create_task(worker.start())
    await eventually(lambda: app.started and beside.told)
    assert not running.done()
    assert app.in_worker
    await worker.stop()
    await running
    await worker.stop()
    assert not app.started
    assert beside.told == ["started", "stopped"]
    assert told == ["init"]


async def test_a_worker_that_is_no_daemon_returns_when_it_runs():
    app = app_of("w-daemon")
    worker = app.Worker(daemon=False)
    assert type(worker) is Worker
    await worker.start()
    assert app.started
    await worker.stop()
    assert not app.started


async def test_what_a_worker_fails_with_is_raised():
    with pytest.raises(ConfigError, match="no module 'nowhere'"):
        await Worker(app_of("w-fails", autodiscover=["nowhere"])).start()
    with pytest.raises(ConfigError, match="runs an App"):
        Worker("app")  # type: ignore[arg-type]


def test_a_loop_that_is_given_is_run_and_closed():
    app = app_of("w-loop")
    loop = asyncio.new_event_loop()
    worker = Worker(app, loop=loop, daemon=False)
    loop.run_until_complete(worker.start())
    assert app.started
    worker.stop_and_shutdown()
    assert not app.started
    assert loop.is_closed()
    worker.stop_and_shutdown_loop()  # idempotent


def test_a_worker_runs_in_a_thread_where_no_signal_reaches_it():
    app = app_of("w-thread")
    worker = Worker(app)
    loops: list[asyncio.AbstractEventLoop] = []
    started = threading.Event()

    @app.on_started.connect
    def tell(app: App) -> None:
        loops.append(asyncio.get_running_loop())
        started.set()

    thread = threading.Thread(target=lambda: asyncio.run(worker.start()))
    thread.start()
    assert started.wait(15)
    asyncio.run_coroutine_threadsafe(worker.stop(), loops[0]).result(15)
    thread.join(15)
    assert not thread.is_alive()


def test_settings_of_the_worker_are_taken_and_another_class_may_be_the_worker():
    app = app_of("w-settings")
    Worker(app, redirect_stdouts=True, redirect_stdouts_level="INFO", logging_config={"version": 1})
    assert app.conf.worker_redirect_stdouts
    assert app.conf.worker_redirect_stdouts_level == "INFO"
    assert app.conf.logging_config == {"version": 1}

    class Own(Worker):
        pass

    assert type(app_of("w-own", Worker=Own).Worker(quiet=True)) is Own
    assert type(app_of("w-path", Worker=f"{__name__}:Worker").Worker()) is Worker


def test_the_command_line_of_a_worker_ends_the_process_with_zero(start, module):
    text = PROGRAM.format(
        options="", started="", call="Worker(app, loglevel='info', redirect_stdouts=False).execute_from_commandline()"
    )
    program = start(f"{module(text)}.py")
    program.saying("runs True")
    program.send(signal.SIGTERM)
    assert program.code() == 0, program.stderr
    assert "never" not in program.stdout
    assert "[INFO]" in program.stderr


def test_a_worker_that_fails_ends_the_process_with_one_and_the_reason(start, module):
    text = PROGRAM.format(options="store='floppy://'", started="", call="Worker(app).execute_from_commandline()")
    program = start(f"{module(text)}.py")
    assert program.code() == 1
    assert program.last_line.startswith("Error: no store for floppy://")
    text = PROGRAM.format(options="", started="raise ValueError('no')", call="Worker(app).execute_from_commandline()")
    program = start(f"{module(text)}.py")
    assert program.code() == 1
    assert "ValueError: no" in program.last_line


def test_what_is_printed_may_go_to_the_log(start, module):
    text = PROGRAM.format(
        options="", started="", call="Worker(app, loglevel='info', redirect_stdouts=True).execute_from_commandline()"
    )
    program = start(f"{module(text)}.py")
    program.saying("faust.print: runs True")
    program.send(signal.SIGTERM)
    assert program.code() == 0


def test_a_command_can_be_called(capsys):
    app = app_of("called")
    app.Table("totals", help="of all")
    code, out, _ = call_command("tables", ["--json"], app=app)
    assert code == 0
    assert '"totals"' in out.getvalue()
    code, _, err = call_command("tables", ["--nothing"], app=app)
    assert (code, "No such option" in err.getvalue()) == (2, True)
    assert capsys.readouterr() == ("", "")
    code, _, err = call_command("tables", ["-A", "no_such_module"])
    assert (code, "no module" in err.getvalue()) == (1, True)
    code, out, _ = call_command("tables", app=app, side_effects=True)
    assert (code, out.getvalue(), "totals" in capsys.readouterr().out) == (0, "", True)
