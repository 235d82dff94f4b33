"""One seed: start workers, let things go wrong, let all come to rest, judge."""

from __future__ import annotations

import asyncio
import logging
import random as global_random
import signal
import sys
import traceback
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from faust_core import App
from faust_core.engine import fetch
from faust_core.errors import StoreClosed, StoreError, TransportError
from faust_core.memory import Broker
from faust_core.memory.log import PartitionLog
from faust_core.records import TopicPartition
from faust_core.registry import register_store
from tests.simulation.disk import Disk, create
from tests.simulation.faults import FAULTS
from tests.simulation.judge import judge
from tests.simulation.scenario import APP, Scenario, make_app, write_input
from tests.simulation.virtual_time import Asleep, VirtualTimeLoop, WallClock

__all__ = ["Killed", "Node", "Simulation", "Verdict", "run_seed"]

#: how long workers may take to finish once everything is well again, in virtual seconds
REST_S = 180.0
#: in seconds of the processor
SPINNING_S = 10.0


class Spins(BaseException):
    """A run takes longer than any should."""


class Killed(Exception):
    """The worker's process is gone."""


@dataclass(slots=True)
class Verdict:
    """What came of a seed.

    Attributes:
        problems: what was wrong; empty where all held.
        happened: the faults, with their times.
        trace: a number that any two runs of the seed have in common.
    """

    scenario: Scenario
    problems: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    checkpoints: int = 0
    trace: int = 0

    @property
    def good(self) -> bool:
        return not self.problems


class _Counted:
    """A coroutine that calls `at` with 1, 2, … each time that it suspends; what `at` raises ends it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: Callable[[int], None]) -> None:
        self._coroutine = coroutine
        self._at = at

    def __await__(self) -> Generator[Any, Any, Any]:
        count = 0
        value, error = None, None
        while True:
            try:
                waited_for = self._coroutine.throw(error) if error else self._coroutine.send(value)
            except StopIteration as done:
                return done.value
            count += 1
            try:
                self._at(count)
            except BaseException:
                self._coroutine.close()
                raise
            value, error = None, None
            try:
                value = yield waited_for
            except BaseException as exc:
                error = exc


class Node:
    """One machine: a disk, and a worker that a supervisor starts again when it ends."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation = simulation
        self.name = name
        self.disk = Disk(f"{simulation.scenario.seed}-{name}")
        self.app: App | None = None
        self.client_id = name
        self.wanted = True
        #: the checkpoint's await at which the worker is killed
        self.crash_at: int | None = None
        self._lives = 0
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the worker unless it runs."""
        if self._life is None or self._life.done():
            self._lives += 1
            self.client_id = f"{self.name}.{self._lives}"
            simulation = self.simulation
            self.app = make_app(simulation.scenario, simulation.broker, self.disk.name, self.client_id)
            self._life = asyncio.ensure_future(self._live(self.app, self.client_id))

    async def _live(self, app: App, client_id: str) -> None:
        simulation = self.simulation
        if self.app is not app:
            return  # killed before it began
        starting = asyncio.ensure_future(app.start())
        try:
            await asyncio.sleep(0)
            self._watch_checkpoints(app)
            await starting
            await app.wait()
        except Killed:
            pass
        except (TransportError, StoreError) as exc:
            simulation.died(self, exc)
        except Exception as exc:
            simulation.problem(f"{client_id} failed with {exc!r}")
        finally:
            with suppress(Exception):
                await app.stop()
        if self.app is app:
            self.app = None

    def _watch_checkpoints(self, app: App) -> None:
        assert app.worker is not None
        checkpointer = app.worker.checkpointer
        run = checkpointer.run

        def at(count: int) -> None:
            self.simulation.trace(self.name, count)
            if self.crash_at == count and self.app is app:
                self.crash_at = None
                self.simulation.note(f"{self.name} is killed at await {count} of a checkpoint")
                self.kill()
                raise Killed

        async def counted(*args: Any, **options: Any) -> bool:
            self.simulation.verdict.checkpoints += 1
            done: bool = await _Counted(run(*args, **options), at)
            return done

        checkpointer.run = counted  # type: ignore[method-assign]

    def kill(self) -> None:
        """End the process: nothing is flushed, committed, left or written."""
        if self.app is None:
            return
        app, self.app = self.app, None
        self.crash_at = None
        self.disk.kill()
        self.simulation.broker.kill(self.client_id)
        if app.worker is not None:
            app.worker.fail(Killed())
        self._life = None

    async def stop(self) -> None:
        """End the process in good order."""
        for _ in range(3):  # it may have been started in this very moment
            await asyncio.sleep(0)
        app, life = self.app, self._life
        if app is not None:
            with suppress(Exception):  # what it failed with is its own life's matter
                await app.stop()
        if life is not None:
            await asyncio.wait([life])

    @property
    def running(self) -> bool:
        return self.app is not None and self.app.worker is not None


class Simulation:
    """One run."""

    def __init__(self, seed: int, loop: VirtualTimeLoop, *, one_topic: bool, crash_at: int | None) -> None:
        self.random = Random(seed)
        self.scenario = Scenario.of(seed, self.random, one_topic=one_topic)
        self.loop = loop
        self.clock = WallClock(loop)
        self.broker = Broker(f"sim-{seed}", clock=self.clock, random=Random(seed + 1))
        self.nodes = {f"n{i}": Node(self, f"n{i}") for i in range(1, self.scenario.nodes + 1)}
        self.verdict = Verdict(self.scenario)
        #: whether nothing has happened that may have an event repeated
        self.calm = True
        self._later: set[asyncio.Task[None]] = set()
        self._crash_at = crash_at

    # -- what faults use

    def note(self, what: str) -> None:
        self.verdict.happened.append(f"{self.loop.time():8.2f}  {what}")

    def problem(self, what: str) -> None:
        self.verdict.problems.append(what)

    def trace(self, *what: Any) -> None:
        self.verdict.trace = hash((self.verdict.trace, round(self.loop.time(), 6), what))

    def node(self) -> Node:
        return self.random.choice(list(self.nodes.values()))

    def later(self, seconds: float, what: Callable[[], Any]) -> None:
        """Do something after a while; a coroutine that comes of it is run."""

        async def act() -> None:
            await asyncio.sleep(seconds)
            result = what()
            if asyncio.iscoroutine(result):
                await result

        task = asyncio.ensure_future(act())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def restart(self, node: Node, after_s: float) -> None:
        self.later(after_s, lambda: node.start() if node.wanted else None)

    def died(self, node: Node, error: Exception) -> None:
        """A worker gave up: that is allowed where it was asked for."""
        self.calm = False
        self.note(f"{node.name} ended: {error}")
        if not any(text in str(error) for text in ("asked for", "did not answer")):
            self.problem(f"{node.client_id} ended with {error!r}")
        self.restart(node, 0.5)

    # -- the run

    async def run(self) -> None:
        scenario, broker = self.scenario, self.broker
        for topic in (*scenario.inputs, "out", "regrouped"):
            broker.create_topic(topic, scenario.partitions)
        for node in self.nodes.values():
            self.later(self.random.uniform(0, 2), node.start)
        writing = asyncio.ensure_future(self._write())
        if self._crash_at is not None:
            await self._crash_once(self._crash_at)
        for _ in range(scenario.events if self._crash_at is None else 0):
            await asyncio.sleep(self.random.expovariate(0.5))
            self._something_happens()
        await writing
        await self._come_to_rest()
        if await self._until(self._all_done, "not everything was processed"):
            await self._until(self._each_partition_has_one_owner, "partitions without an owner, or with two")
        for node in self.nodes.values():
            node.wanted = False
            await node.stop()
        # Of workers that died with all others nobody aborts the transactions: they time out.
        await self._until(lambda: not broker.transactions.open_ids(), "transactions stay open")
        self.verdict.problems += judge(scenario, broker, {n.name: n.disk for n in self.nodes.values()}, calm=self.calm)
        self.trace(*(tuple(log.offsets) for topic in broker.topics.values() for log in topic.logs))

    async def _crash_once(self, at: int) -> None:
        """The one thing that goes wrong."""
        self.calm = False
        await asyncio.sleep(3)
        node = self.nodes["n1"]
        node.crash_at = at
        await asyncio.sleep(3)
        node.start()

    def _something_happens(self) -> None:
        names, weights = zip(*((name, weight) for name, (weight, _) in FAULTS.items()), strict=True)
        (name,) = self.random.choices(names, weights)
        self.note(name)
        FAULTS[name][1](self)

    async def _write(self) -> None:
        for n in range(self.scenario.records):
            if self.random.random() < 0.3:
                await asyncio.sleep(self.random.expovariate(2.0))
            write_input(self.scenario, self.broker, n)

    async def _come_to_rest(self) -> None:
        while self._later:
            await asyncio.wait(list(self._later))
        self.broker.faults.clear()
        self.loop.slowness = 0.0
        for node in self.nodes.values():
            node.crash_at = None
            node.disk.failing = 0
            node.start()
        self.note("all is well again")

    async def _until(self, condition: Callable[[], bool], otherwise: str) -> bool:
        deadline = self.loop.time() + REST_S
        while not condition():
            if self.loop.time() > deadline or self.verdict.problems:
                self.problem(f"{otherwise} within {REST_S:g} s: {self._state()}")
                return False
            await asyncio.sleep(0.25)
        return True

    def _all_done(self) -> bool:
        committed = self.broker.committed(APP)
        logs = self._input_logs()
        return len(logs) == (1 + len(self.scenario.inputs)) * self.scenario.partitions and all(
            log.next_readable(committed.get(log.tp, 0)) >= log.end and not log.open for log in logs
        )

    def _each_partition_has_one_owner(self) -> bool:
        return sorted(self._owned()) == sorted(log.tp for log in self._input_logs())

    def _owned(self) -> list[TopicPartition]:
        workers = [node.app.worker for node in self.nodes.values() if node.app and node.app.worker]
        return [tp for worker in workers for task in worker.rebalancer.running() for tp in task.inputs]

    def _input_logs(self) -> list[PartitionLog]:
        names = [n for n in self.broker.topics if n in self.scenario.inputs or n.endswith("-repartition")]
        return [log for name in names for log in self.broker.topics[name].logs]

    def _state(self) -> str:
        committed = self.broker.committed(APP)
        return f"owned {', '.join(map(str, self._owned()))}; " + ", ".join(
            f"{log.tp}: {committed.get(log.tp)} of {log.end}" for log in self._input_logs()
        )


@asynccontextmanager
async def _same_ids(random: Random) -> AsyncIterator[None]:
    """Have the ids that workers make up depend on the seed."""
    original = uuid.uuid4
    uuid.uuid4 = lambda: uuid.UUID(int=random.getrandbits(128), version=4)
    try:
        yield
    finally:
        uuid.uuid4 = original


def run_seed(seed: int, *, one_topic: bool = False, crash_at: int | None = None) -> Verdict:
    """Run one seed from beginning to end.

    Args:
        one_topic: both agents read the same topic.
        crash_at: instead of all faults, kill one worker at this await of a checkpoint.
    """
    register_store("sim", create)
    global_random.seed(seed)
    loop = VirtualTimeLoop(Random(seed + 2))
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL if sys.flags.verbose == 0 and not logging.root.handlers else previous)
    asyncio.set_event_loop(loop)
    unseen: list[str] = []
    loop.set_exception_handler(
        # Of a killed worker some threads' results are not looked at.
        lambda _, context: (
            None if isinstance(context.get("exception"), StoreClosed) else unseen.append(f"unseen: {context}")
        )
    )
    simulation = Simulation(seed, loop, one_topic=one_topic, crash_at=crash_at)

    async def main() -> None:
        with patch.object(fetch, "MAX_POLL_RECORDS", simulation.scenario.max_poll_records):
            async with _same_ids(Random(seed + 3)):
                await simulation.run()

    def spins(_signal: int, _frame: Any) -> None:
        raise Spins("".join(traceback.format_stack(_frame)[-6:]))

    signal.signal(signal.SIGVTALRM, spins)
    signal.setitimer(signal.ITIMER_VIRTUAL, SPINNING_S, 1.0)
    try:
        loop.run_until_complete(main())
    except Asleep as exc:
        simulation.problem(f"hangs: {exc}")
    except Spins as exc:
        simulation.problem(f"no end after {SPINNING_S} s at {loop.time():.3f}: {exc}")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        with suppress(Asleep):
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
        logging.disable(previous)
    simulation.verdict.problems += unseen
    return simulation.verdict
