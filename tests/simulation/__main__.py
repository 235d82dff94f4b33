"""Run seeds: `python -m tests.simulation --seed 17`, or `--seeds 100000`.  Prints the seeds, counts and the verdict."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.simulation.mutants import BUGS, planted
from tests.simulation.run import Verdict, run_seed


def main() -> int:
    """Run what the command line says; the exit status is 1 where a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one and show what happens")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--stop-after", type=int, default=5, help="failing seeds that are enough")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant this bug first")
    parser.add_argument("--one-topic", action="store_true", help="both agents read one topic, in every seed")
    parser.add_argument("--log", action="store_true", help="show the workers' log, too")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of strings is part of the schedule.
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    if options.log:
        logging.basicConfig(level=logging.DEBUG, format="%(relativeCreated)6d %(name)s %(message)s")
    run = partial(run_seed, one_topic=options.one_topic)
    again = "".join([" --one-topic" * options.one_topic, f" --bug {options.bug}" if options.bug else ""])
    with planted(options.bug):
        if options.seed is not None:
            verdict = run(options.seed)
            print(verdict.scenario, *verdict.happened, sep="\n")
            print(*verdict.problems or ["all held"], sep="\n")
            print(f"{verdict.checkpoints} checkpoints, trace {verdict.trace & 0xFFFFFFFF:08x}")
            return not verdict.good
        seeds = range(options.first, options.first + options.seeds)
        return _many(run, seeds, again, options.processes, options.stop_after)


def _many(run: Callable[[int], Verdict], seeds: range, again: str, processes: int, stop_after: int) -> int:
    started = time.monotonic()
    done = events = checkpoints = 0
    failed: list[Verdict] = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for verdict in pool.imap_unordered(run, seeds, chunksize=10):
            done += 1
            events += len(verdict.happened)
            checkpoints += verdict.checkpoints
            if not verdict.good:
                failed.append(verdict)
                seed = verdict.scenario.seed
                print(f"seed {seed} failed: {verdict.problems[0]}", flush=True)
                print(f"  again: python -m tests.simulation --seed {seed}{again}", flush=True)
                if len(failed) >= stop_after:
                    break
            if done % 500 == 0:
                print(f"{done} seeds, {len(failed)} failed, {time.monotonic() - started:.0f} s", flush=True)
        pool.terminate()
    took = time.monotonic() - started
    what = f"{done} run, {events} faults, {checkpoints} checkpoints, {took:.0f} s"
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {what}")
    print(f"verdict: {len(failed)} failed" if failed else "verdict: all held")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
