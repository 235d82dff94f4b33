"""`faust worker --processes`."""

import os
import re
import signal
import time
import uuid
from collections.abc import Iterable

import pytest

pytestmark = pytest.mark.timeout(60)

PROGRAM = """
import asyncio, os, signal
import faust_core as faust
app = faust.App("{id}", broker="kafka://{broker}", topic_partitions=4, datadir="state", store="memory://", {options})

@app.agent("{id}-orders")
async def count(stream):
    async for order in stream:
        print("got", order, flush=True)
        {body}

@app.on_before_shutdown.connect
async def closing(app):
    {closing}

@app.task
async def place():
    print(f"pid {{os.getpid()}} in {{app.conf.datadir}} as {{app.conf.consumer_group_instance_id}}", flush=True)
"""


@pytest.fixture
def program(kafka, module):
    """Writes an application of its own group; its name and its id."""

    def write(body="pass", *, options="", closing="pass"):
        app_id = f"cli-{uuid.uuid4().hex[:8]}"
        return module(PROGRAM.format(id=app_id, broker=kafka, body=body, options=options, closing=closing)), app_id

    return write


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def all_gone(pids: Iterable[int], within_s: float = 20.0) -> None:
    """Wait until they have ended."""
    deadline = time.monotonic() + within_s
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def children(worker) -> dict[int, int]:
    """Number and pid of the worker processes."""
    found = re.findall(r"worker process (\d): pid (\d+)", worker.stderr)
    return {int(index): int(pid) for index, pid in found}


def test_memory_cannot_be_shared(start, module):
    name = module("import faust_core as faust\napp = faust.App('shop', broker='memory://')\n")
    worker = start("-m", "faust_cli", "-A", name, "worker", "--processes", "2")
    assert worker.code() == 1
    assert worker.last_line == "Error: --processes 2: memory:// is inside one process, out of reach of others"


def test_each_has_a_directory_and_an_instance_id_of_its_own_and_a_signal_stops_all(start, program):
    name, _ = program(options="consumer_group_instance_id='here'")
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker", "--processes", "2")
    worker.saying("pid ", times=4)
    pids = children(worker)
    for index, pid in pids.items():
        assert f"pid {pid} in state/worker-{index} as here-{index}\n" in worker.stdout
    worker.send(signal.SIGTERM)
    assert worker.code(timeout=30) == 0
    assert set(pids) == {0, 1}
    assert all(map(gone, pids.values()))


def test_a_process_that_is_killed_ends_them_all(start, program):
    name, _ = program()
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker", "--processes", "2")
    worker.saying("pid ", times=4)
    pids = children(worker)
    os.kill(pids[1], signal.SIGKILL)
    assert worker.code(timeout=30) == 1
    assert worker.last_line == f"Error: worker process 1 (pid {pids[1]}) ended: killed by SIGKILL"
    assert gone(pids[0])


def test_the_reason_of_a_failed_process_is_the_last_line(start, program):
    name, app_id = program("raise ValueError('wrong')", options="on_error='crash'")
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker", "--processes", "2")
    worker.saying("pid ", times=4)
    assert start("-m", "faust_cli", "-A", name, "send", f"{app_id}-orders", "1").code() == 0
    assert worker.code(timeout=30) == 1
    assert "ended: exit code 1: the worker failed: ValueError: wrong" in worker.last_line


def test_processes_stop_when_their_supervisor_is_killed(start, program):
    name, _ = program()
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker", "--processes", "2")
    worker.saying("pid ", times=4)
    pids = children(worker)
    worker.send(signal.SIGKILL)
    worker.code()
    all_gone(pids.values())


def test_a_second_signal_ends_all_at_once(start, program):
    name, _ = program(closing="await asyncio.sleep(60)")
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker", "--processes", "2")
    worker.saying("pid ", times=4)
    pids = children(worker)
    worker.send(signal.SIGTERM)
    worker.saying("finishing what is in flight")
    worker.send(signal.SIGTERM)
    assert worker.code(timeout=2) == 143
    all_gone(pids.values())
