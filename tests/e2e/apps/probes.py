"""What a worker of these tests can be told by its environment, and what it tells.

Counters are in a file that the test maps too: they outlive SIGKILL.
"""

import asyncio
import json
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
from faust_core.engine.task import TaskState
from faust_transport_kafka.transactions import KafkaTransactionalProducer
from tests.e2e.apps import COUNTERS


class Counters:
    """Numbers in a file of this process: `now[i]`, and `committed[i]`, what `now[i]` was at the last commit's cut."""

    def __init__(self, path: Path) -> None:
        size = 3 * COUNTERS * 8
        with path.open("w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        numbers = memoryview(self._map).cast("q")
        self.now = numbers[:COUNTERS]
        self._staged = numbers[COUNTERS : 2 * COUNTERS]
        self.committed = numbers[2 * COUNTERS :]

    def on_step(self, step: str) -> None:
        if step == "staging":
            self._staged[:] = self.now
        elif step == "committed":
            self.committed[:] = self._staged


counters = Counters(Path(os.environ["E2E_COUNTERS"]))


def setting(name: str, default: str = "") -> str:
    return os.environ.get(f"E2E_{name}", default)


def make_app(**options: Any) -> faust.App:
    """Make the application under the name of the test; what else the test sets comes by Faust's own variables."""
    if debug := setting(
        "PRODUCER_DEBUG"
    ):  # librdkafka's contexts, such as eos,broker: for looking at a failure by hand
        options["producer_options"] = {"debug": debug}
    app = faust.App(setting("APP"), **options)

    @app.on_started.connect
    def install(app: faust.App) -> None:
        assert app.worker is not None
        crash_at, _, number = setting("CRASH_AT").partition(":")
        left = int(number or 1)

        def on_step(step: str) -> None:
            nonlocal left
            if step == crash_at and len(app.worker.fetcher.topics()) and counters.now[0]:  # type: ignore[union-attr]  # it runs
                left -= 1
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            counters.on_step(step)

        app.worker.checkpointer.on_step = on_step
        if crash_at == "offsets sent":
            _tell_of_offsets(on_step)
        if signal_number := getattr(signal, "SIGUSR2", None):
            asyncio.get_running_loop().add_signal_handler(signal_number, lambda: _report(app))
        if restored := setting("KILL_AFTER_RESTORED"):
            threading.Thread(target=_kill_in_mid_restore, args=(app.worker, int(restored)), daemon=True).start()

    return app


def _tell_of_offsets(on_step: Callable[[str], None]) -> None:
    """Make one more step of a transaction: its offsets are sent, and it is not committed yet."""
    make_call = KafkaTransactionalProducer._call

    async def call(self: KafkaTransactionalProducer, action: Any, doing: str, **options: Any) -> None:
        await make_call(self, action, doing, **options)
        if doing.startswith("add offsets"):
            on_step("offsets sent")

    KafkaTransactionalProducer._call = call  # type: ignore[method-assign]


def _report(app: faust.App) -> None:
    """Write down what this worker's partitions of the tables hold, or how far its standbys are."""
    path = Path(setting("REPORT"))
    unfinished = path.with_suffix(".unfinished")
    assert app.worker is not None
    found: Any
    if path.with_suffix(".asked").read_text() == "standbys":
        standbys = [task for task in app.worker.rebalancer.tasks.values() if task.state is TaskState.STANDBY]
        parts = [part for task in standbys for part in task.tables.values()]
        found = [(*part.changelog, part.store.changelog_offset or 0) for part in parts]
    else:
        found = {name: list(table.items()) for name, table in app.tables.items()}
    unfinished.write_text(json.dumps(found))
    unfinished.rename(path)


def _kill_in_mid_restore(worker: Any, records: int) -> None:
    while worker.restorer._records < records:
        time.sleep(0.0002)
    os.kill(os.getpid(), signal.SIGKILL)
