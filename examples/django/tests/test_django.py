"""Django is set up before the modules of its apps are imported, by nothing but DJANGO_SETTINGS_MODULE."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
WAIT_S = 60.0

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A database and a broker of the test's own."""
    return {
        **os.environ,
        "DATABASE": str(tmp_path / "shop.sqlite3"),
        "BROKER_URL": "memory://",
        "FAUST_DATADIR": str(tmp_path / "data"),
        "PYTHONUNBUFFERED": "1",
        "APP_WEB_ENABLED": "false",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs `python …` in the project, to its end."""

    def run(*arguments: str, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=PROJECT, env=environment | more, capture_output=True, text=True, check=False, timeout=WAIT_S
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.mark.timeout(180)
def test_an_agent_of_a_django_app_works_with_its_models(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    run("manage.py", "migrate", "--run-syncdb", "-v", "0")
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "faust", "-A", "shop.faustapp", "worker", "-l", "info"]
        worker = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + WAIT_S
        while "ann: 15" not in log.read_text():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT_S) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
    name, total = run("-m", "faust", "-A", "shop.faustapp", "totals").stdout.split()
    assert name == "ann"
    assert int(total) >= 15
    assert "shop.orders.agents.add_up" in run("-m", "faust", "-A", "shop.faustapp", "agents").stdout


@pytest.mark.timeout(90)
def test_a_settings_module_that_is_not_there_is_said(run: Run) -> None:
    done = run("-m", "faust", "-A", "shop.faustapp", "agents", check=False, DJANGO_SETTINGS_MODULE="shop.nothing")
    assert done.returncode == 1
    assert "shop.nothing" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
