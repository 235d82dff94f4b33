"""Whatever happens to workers and broker, results equal a recomputation; and bugs that are planted are found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import BUGS
from tests.simulation.run import run_seed

SEEDS = 1000
CHUNKS = 8
ROOT = Path(__file__).parents[2]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own: there the order of sets is always the same."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(170)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_results_equal_a_recomputation_whatever_happens(chunk: int) -> None:
    size = SEEDS // CHUNKS
    done = simulate("--first", str(chunk * size), "--seeds", str(size))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{size} run" in done.stdout


@pytest.mark.timeout(100)
def test_two_agents_on_one_topic_repeat_nothing() -> None:
    done = simulate("--one-topic", "--first", str(SEEDS), "--seeds", "100", "--stop-after", "1")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(100)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    done = simulate("--bug", bug, "--seeds", str(SEEDS // 4), "--stop-after", "1")
    assert "verdict: 1 failed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


def test_a_failing_seed_fails_again_by_the_command_that_is_printed() -> None:
    first = simulate("--bug", "skip-a-dirty-key", "--seeds", "250", "--stop-after", "1")
    command = re.search(r"again: python -m tests\.simulation (.*)", first.stdout)
    assert command is not None, first.stdout + first.stderr
    problem = re.search(r"seed \d+ failed: (.*)", first.stdout)
    assert problem is not None
    again = simulate(*command[1].split())
    assert again.returncode == 1
    assert problem[1] in again.stdout


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [simulate("--seed", "29").stdout for _ in range(2)]
    assert "trace" in runs[0]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", [4, 5, 12, 13], ids=lambda seed: f"seed {seed}")
def test_a_crash_at_every_await_of_a_checkpoint_keeps_the_promise(seed: int) -> None:
    reached = 0
    for at in range(1, 40):
        verdict = run_seed(seed, crash_at=at)
        assert verdict.good, (at, verdict.problems)
        if not any("is killed at await" in what for what in verdict.happened):
            break
        reached = at
    assert reached >= 5
