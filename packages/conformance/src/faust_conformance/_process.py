"""Another process that uses a store, for the rules on kills and locks.

Run as `python -m faust_conformance._process write|hold`, with a pickled maker of backends on stdin.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import IO

import pytest

from faust_core.protocols.store import Change, StoreBackend

__all__ = ["TABLE", "changes_at", "other_process"]

TABLE = "written-by-another-process"
KEYS = 50


def changes_at(offset: int) -> list[Change]:
    """The batch number `offset`: every key gets the number, and one of two keys is there in turns."""
    number = b"%d" % offset
    there, gone = (b"even", b"odd") if offset % 2 == 0 else (b"odd", b"even")
    return [*((b"key-%d" % key, number) for key in range(KEYS)), (gone, None), (there, number)]


@contextmanager
def other_process(
    make_backend: Callable[[], StoreBackend], role: str
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start the process; yield it and what it prints, and kill it in the end."""
    try:
        maker = pickle.dumps(make_backend)
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        pytest.fail(
            "make_backend goes to another process in this rule, so it must be picklable: "
            f"make it functools.partial(create, url, context) ({exc})"
        )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", "-m", __name__, role]
    with subprocess.Popen(  # noqa: S603 -- this module, run by this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(maker)
        process.stdin.close()
        try:
            yield process, process.stdout
        finally:
            process.kill()
            process.stdout.read()


def main(role: str) -> None:
    """Write batches for ever, a line of output after each; or hold the store open until killed."""
    make_backend: Callable[[], StoreBackend] = pickle.load(sys.stdin.buffer)  # noqa: S301 -- from our own test
    store = make_backend().open(TABLE, 0)
    if role == "hold":
        print("open", flush=True)  # noqa: T201 -- the parent waits for it
        threading.Event().wait()
    for offset in count((store.changelog_offset or 0) + 1):
        store.apply(changes_at(offset), changelog_offset=offset)
        print(offset, flush=True)  # noqa: T201 -- the parent reads what was acknowledged


if __name__ == "__main__":
    main(sys.argv[1])
