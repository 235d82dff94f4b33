"""A guarded process never outlives its owner."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.services.process import GuardedProcess

ROOT = Path(__file__).parents[2]


def test_output_goes_to_the_log_and_the_exit_code_comes_back(tmp_path: Path) -> None:
    with GuardedProcess([sys.executable, "-c", "print('hello'); exit(3)"], log=tmp_path / "log") as process:
        assert process.wait(10) == 3
        assert process.tail() == "hello"


def test_an_end_by_signal_is_reported_as_one(tmp_path: Path) -> None:
    with GuardedProcess(["sleep", "60"], log=tmp_path / "log") as process:
        assert process.is_running()
        assert process.kill() == -signal.SIGKILL
        assert not process.is_running()
    with GuardedProcess(["sleep", "60"], log=tmp_path / "log") as process:
        assert process.terminate() == -signal.SIGTERM


def test_a_paused_process_can_be_resumed_and_terminated(tmp_path: Path) -> None:
    with GuardedProcess(["sleep", "60"], log=tmp_path / "log") as process:
        process.pause()
        assert _state(process.pid) == "T"
        process.resume()
        assert _state(process.pid) != "T"
        process.pause()
        assert process.terminate() == -signal.SIGTERM


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        GuardedProcess(["no-such-program"], log=tmp_path / "log")


@pytest.mark.parametrize("paused", [False, True])
def test_the_process_dies_when_its_owner_is_killed(tmp_path: Path, paused: bool) -> None:
    owner = textwrap.dedent(f"""
        import time, pathlib
        from tests.services.process import GuardedProcess
        process = GuardedProcess(["sleep", "60"], log=pathlib.Path({str(tmp_path / "log")!r}))
        if {paused}:
            process.pause()
        print(process.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", owner], cwd=ROOT, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        os.kill(pid, 0)
        started.kill()
    deadline = time.monotonic() + 10
    while _state(pid) not in ("", "Z"):
        assert time.monotonic() < deadline, f"process {pid} outlived its owner"
        time.sleep(0.02)


def test_what_a_process_says_can_be_waited_for(tmp_path: Path) -> None:
    program = "import time; time.sleep(0.2); print('ready', flush=True); time.sleep(60)"
    with GuardedProcess([sys.executable, "-c", program], log=tmp_path / "log") as process:
        process.wait_for_log("ready", 10)
        with pytest.raises(TimeoutError, match="not in"):
            process.wait_for_log("steady", 0.1)
        process.kill()
        with pytest.raises(RuntimeError, match="ended without"):
            process.wait_for_log("steady", 10)


def _state(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1]
