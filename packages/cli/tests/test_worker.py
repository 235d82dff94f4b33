"""`faust worker`: one process, its signals and its end."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import pytest

PROGRAM = """
import asyncio
import faust_core as faust
app = faust.App("shop", broker="{broker}", {options})

@app.agent("orders")
async def count(stream):
    async for order in stream:
        print("got", order, flush=True)
        {body}

@app.on_before_shutdown.connect
async def closing(app):
    print("closing", flush=True)
    {closing}

@app.task
async def fill():
    await app.send("orders", value=1)

if __name__ == "__main__":
    app.main()
"""


def program(body: str = "pass", *, broker: str = "memory://", options: str = "", closing: str = "pass") -> str:
    return PROGRAM.format(body=body, broker=broker, options=options, closing=closing)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_gracefully(start, module, number):
    worker = start("-m", "faust_cli", "-A", module(program()), "worker")
    worker.saying("got 1")
    worker.send(number)
    assert worker.code() == 0
    assert worker.stdout == "got 1\nclosing\n"
    assert worker.stderr == ""


def test_a_program_is_its_own_worker(start, module):
    worker = start(f"{module(program())}.py", "worker", "-l", "info")
    worker.saying("got 1")
    assert "id: shop, broker: memory://" in worker.stderr
    worker.send(signal.SIGTERM)
    assert worker.code() == 0


def test_uvloop_runs_it_as_well(start, module):
    worker = start("-m", "faust_cli", "-A", module(program()), "-L", "uvloop", "worker")
    worker.saying("got 1")
    worker.send(signal.SIGTERM)
    assert worker.code() == 0


def test_an_event_in_hand_is_finished_first(start, module):
    body = "await asyncio.sleep(0.5); print('finished', flush=True)"
    worker = start("-m", "faust_cli", "-A", module(program(body)), "worker")
    worker.saying("got 1")
    worker.send(signal.SIGTERM)
    assert worker.code() == 0
    assert "finished" in worker.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(start, module, number, code):
    worker = start("-m", "faust_cli", "-A", module(program(closing="await asyncio.sleep(60)")), "worker")
    worker.saying("got 1")
    worker.send(number)
    worker.saying("closing")
    worker.send(number)
    assert worker.code(timeout=2) == code
    assert "ending at once" in worker.last_line


def test_a_second_signal_ends_it_although_user_code_blocks_the_loop(start, module):
    worker = start("-m", "faust_cli", "-A", module(program("import time; time.sleep(60)")), "worker", "-l", "info")
    worker.saying("got 1")
    worker.send(signal.SIGTERM)
    worker.saying("finishing what is in flight")
    worker.send(signal.SIGTERM)
    assert worker.code(timeout=2) == 143


def test_a_crash_exits_with_1_and_its_reason_is_the_last_line(start, module):
    text = program("raise ValueError('it went\\n wrong')", options="on_error='crash'")
    name = module(text)
    line = text.splitlines().index("        raise ValueError('it went\\n wrong')") + 1
    worker = start("-m", "faust_cli", "-A", name, "worker")
    assert worker.code() == 1
    reason = f"Error: the worker failed: ValueError: it went wrong ({name}.py:{line}, in count)"
    assert worker.stderr.splitlines()[-1] == reason


def test_debug_adds_the_traceback(start, module):
    name = module(program("raise ValueError('wrong')", options="on_error='crash'"))
    worker = start("-m", "faust_cli", "--debug", "-A", name, "worker")
    assert worker.code() == 1
    assert "Traceback (most recent call last)" in worker.stderr
    assert worker.last_line.startswith("Error: the worker failed: ValueError: wrong")


def test_a_broker_that_cannot_be_reached_is_the_reason(start, module):
    name = module(program(broker="kafka://127.0.0.1:1", options="broker_start_timeout=1"))
    worker = start("-m", "faust_cli", "-A", name, "worker")
    assert worker.code() == 1
    assert worker.last_line.startswith("Error: ")
    assert "127.0.0.1:1" in worker.last_line
    assert "Traceback" not in worker.stderr


def test_sigusr1_prints_where_every_task_stands(start, module):
    name = module(program("await asyncio.sleep(60)"))
    worker = start("-m", "faust_cli", "-A", name, "worker")
    worker.saying("got 1")
    worker.send(signal.SIGUSR1)
    worker.saying("thread ")
    assert f"task faust {name}.count" in worker.stderr
    assert "await asyncio.sleep(60)" in worker.stderr
    assert worker.process.poll() is None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_worker_serves_http_and_stops_doing_so_with_itself(start, module):
    port = free_port()
    worker = start("-m", "faust_cli", "-A", module(program()), "worker", "-p", str(port), "-b", "127.0.0.1")
    worker.saying("got 1")
    with urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
        assert json.load(answer) == {"status": "OK"}
    worker.send(signal.SIGTERM)
    assert worker.code() == 0
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/health", timeout=5)


def test_a_port_that_is_taken_ends_the_worker_with_the_reason(start, module):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        worker = start("-m", "faust_cli", "-A", module(program()), "worker", "--web-port", port)
        assert worker.code() == 1
    assert worker.last_line.startswith(f"Error: HTTP cannot be served at 127.0.0.1:{port}: ")
    assert "web_port" in worker.last_line


def test_without_web_nothing_is_served(start, module):
    port = free_port()
    worker = start(
        "-m",
        "faust_cli",
        "-A",
        module(program()),
        "worker",
        "-p",
        str(port),
        "--without-web",
        "--web-transport",
        "x://",
    )
    worker.saying("got 1")
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
    assert worker.stderr == "note: --web-transport has no effect here\n"


def test_a_wrong_web_port_is_refused(start, module):
    worker = start("-m", "faust_cli", "-A", module(program()), "worker", "-p", "70000")
    assert worker.code() == 2
    assert "70000 is not in the range" in worker.stderr


def test_a_terminal_gets_a_banner_without_secrets(module, folder):
    name = module(program(options="cache='redis://me:secret@host'"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "faust_cli", "-A", name, "worker"], cwd=folder, stdout=theirs, stderr=theirs
    )
    said = ""
    deadline = time.monotonic() + 15
    while "got 1" not in said and time.monotonic() < deadline:
        said += os.read(ours, 65536).decode()
    process.terminate()
    assert process.wait(15) == 0
    os.close(theirs)
    os.close(ours)
    lines = said.splitlines()
    assert lines[0].startswith("faust ")
    facts = dict(line.split(None, 1) for line in lines[1:] if line.startswith("  "))
    assert facts["id"] == "shop"
    assert facts["broker"] == "memory://"
    assert facts["agents"] == f"{name}.count"
    assert facts["pid"] == str(process.pid)
    assert "secret" not in said


def test_the_restore_is_drawn_on_a_terminal_while_something_is_left(folder, module):
    name = module(
        """
        from faust_cli.workers.progress import progress_bar
        from faust_core.engine.restore import Progress
        with progress_bar() as update:
            update(Progress(0, 0, 0.0))
            update(Progress(1000, 3000, 500.0))
            update(Progress(4000, 0, 500.0))
        """
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, f"{name}.py"], cwd=folder, stderr=theirs, check=True, timeout=15, env=environment)
    said = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert "restoring" in said
    assert "1000/4000" in said
    assert "500 records/s  6 s left" in said
