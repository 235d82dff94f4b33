"""The checkpoint: the only code that commits.

    halt → wait for items in flight → stage → changelog → flush → commit → apply to the stores → go on

Each step begins when the one before has succeeded; when one fails, none of the later ones runs.  A crash
between any two leaves the stores behind the changelog, never ahead of it, and offsets behind the output:
nothing is lost.  What may be repeated then is said in docs/guarantees.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from faust_core.asking import Asking
from faust_core.claims import Claim
from faust_core.engine.fetch import Fetcher
from faust_core.engine.outgoing import Outgoing
from faust_core.engine.progress import Progress, is_done
from faust_core.engine.subscription import Subscription
from faust_core.engine.task import Task
from faust_core.errors import (
    BufferFull,
    FencedError,
    RecordTooLarge,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreLocked,
)
from faust_core.protocols.store import Change
from faust_core.protocols.transport import GroupMetadata, Producer
from faust_core.records import RecordMetadata, TopicPartition
from faust_core.sensors import Counts, SensorDelegate
from faust_core.table_partition import ChangeTooLarge, TablePartition

__all__ = ["Checkpointer"]

log = logging.getLogger(__name__)

#: How long a cut waits for items in flight before it leaves their tasks for the next one (at least once).
CUT_WAIT_S = 0.1
#: How long a task that was left out hands out nothing new.  After that the cut goes through its slow item:
#: when the worker crashes then, the item is repeated on top of what it had already changed.
CUT_PATIENCE_S = 1.0
STORE_RETRY_S = 1.0
#: How often it is looked whether answers have come that items in flight wait for.
ANSWERS_S = 0.002


class Checkpointer:
    """Commits the work of this worker's running tasks.  One at a time."""

    def __init__(
        self,
        outgoing: Outgoing,
        fetcher: Fetcher,
        tasks: Callable[[], Collection[Task]],
        member: Callable[[], GroupMetadata],
        *,
        stuck_after_s: float,
        run_in_thread: Callable[[Callable[[], None]], asyncio.Future[None]],
        asking: Callable[[], Collection[Asking]] = tuple,
        sensors: SensorDelegate | None = None,
        counts: Counts | None = None,
    ) -> None:
        """Args:
        asking: the open questions of actors that have an item in their hands.
        """
        self._outgoing = outgoing
        #: what attached records are sent by, and changes of tables
        self._producer = self._change_producer = outgoing.producer
        self._fetcher = fetcher
        self._tasks = tasks
        self._member = member
        self._stuck_after_s = stuck_after_s
        self._run_in_thread = run_in_thread
        self._asking = asking
        self._lock = asyncio.Lock()
        self._idle = asyncio.Event()
        self._draining: dict[Task, float] = {}
        #: set by tests that crash a worker at a given step
        self.on_step: Callable[[str], None] = lambda _step: None
        self.commits = 0
        #: what the checkpoint under way commits; what the last one did not, when it failed
        self._attempted: dict[TopicPartition, Progress] = {}
        #: topics of which more was done than can be noted; said once
        self._crowded: set[str] = set()
        self._abandoned = ""
        self._sensors = sensors or SensorDelegate()
        self._counts = counts or Counts()
        self._succeeded_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last checkpoint that came about, if only to find that there is nothing to commit."""
        return time.monotonic() - self._succeeded_at

    def wake(self) -> None:
        """An actor gave its claim back: perhaps nothing is in flight any more."""
        self._idle.set()

    def send_by(self, producer: Producer, changes: Producer) -> None:
        """Send attached records, and table changes, by these from now on; changes are nobody's sends."""
        self._producer, self._change_producer = producer, changes

    def abandon(self, reason: str) -> None:
        """Have a checkpoint that waits for items in flight end with `StuckError`: one of them will not come back."""
        self._abandoned = reason
        self._idle.set()

    @property
    def draining(self) -> Collection[Task]:
        """Tasks that were left out and wait for their next checkpoint, which should be soon."""
        return list(self._draining)

    def was_committed(self, committed: Mapping[TopicPartition, Progress]) -> bool:
        """Whether the last checkpoint, which failed, has come about all the same, by what is `committed` now.

        False where no stream had got any further.
        """
        return any(
            (now := committed.get(tp)) is not None and (now.offset > progress.offset or now == progress)
            for tp, progress in self._attempted.items()
        )

    async def run(self, tasks: Collection[Task] | None = None, *, final: bool = False) -> bool:
        """Take one checkpoint.  Returns whether all tasks took part.

        Args:
            tasks: only these; under exactly-once always all.
            final: the worker stops: leave no task out because of an item in flight, and hand nothing out afterwards.

        Raises:
            FencedError: this worker's partitions belong to others: drop everything.
            TransactionAborted, TransactionInDoubt: rewind to the committed offsets.
            ChangeTooLarge: of a table, for its changelog; nothing was committed.
            TransportError: a record cannot be written; nothing was committed.
            StuckError: under exactly-once an item has been in flight for too long; or this one was abandoned.
            StoreLocked, StoreCorrupt: everything is committed, and a store cannot follow.
        """
        async with self._lock:
            commits, began = self.commits, time.monotonic()
            try:
                complete = await self._run(tasks, final=final)
            except Exception:
                self._counts.checkpoint_failures += 1
                raise
            self._succeeded_at = time.monotonic()
            if self.commits > commits:
                self._counts.checkpoints += 1
                self._counts.checkpoint_s.observe(self._succeeded_at - began)
            return complete

    async def _run(self, tasks: Collection[Task] | None, *, final: bool) -> bool:
        self._abandoned = ""
        running = [task for task in self._tasks() if not task.closed]
        if tasks is None or self._outgoing.exactly_once:
            tasks = running
        chosen = [task for task in running if task in tasks]
        patient = final or self._outgoing.exactly_once
        for task in chosen:
            task.halted = True
        ready = await self._cut(chosen, patient=patient)
        try:
            await self._commit(ready)
        except FencedError:
            for task in ready:
                for table in task.tables.values():
                    table.unstage()
            if not self._outgoing.exactly_once:
                self._resume(chosen)
            raise
        left_out = [task for task in chosen if task not in ready]
        if not final:
            self._resume(task for task in chosen if task not in left_out)
        # What was left out hands out nothing new, so that it is idle for the next checkpoint.
        draining = {task: since for task, since in self._draining.items() if task in running and task not in chosen}
        now = asyncio.get_running_loop().time()
        self._draining = draining | {task: self._draining.get(task, now) for task in left_out}
        return not left_out

    def _resume(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            task.halted = task.closed
        for subscription in self._fetcher.subscriptions():
            subscription.wake()

    async def _cut(self, tasks: Collection[Task], *, patient: bool) -> list[Task]:
        """Wait until nothing that would be cut in two is in flight, and return the tasks for which that is so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._stuck_after_s if patient else CUT_WAIT_S)
        answers_until = deadline if patient else loop.time() + CUT_PATIENCE_S
        ack_deadline = loop.time() + (CUT_PATIENCE_S if self._outgoing.exactly_once else 0.0)
        while True:
            self._idle.clear()
            cut = {claim.task for claim in self._in_flight() if self._cuts(claim, patient=patient)}
            tasks = [task for task in tasks if not task.closed]
            waiting = [task for task in tasks if task in cut]
            unacked = loop.time() < ack_deadline and self._unacked().intersection(tasks)
            if not waiting and not unacked:
                return tasks
            if waiting and await self._let_answers_through(tasks, answers_until):
                continue
            if self._abandoned:
                raise StuckError(self._abandoned)
            try:
                async with asyncio.timeout_at(min(deadline, ack_deadline) if unacked else deadline):
                    await self._idle.wait()
            except TimeoutError:
                if loop.time() < deadline:
                    continue
                if self._outgoing.exactly_once:
                    names = ", ".join(str(claim) for claim in self._in_flight())
                    raise StuckError(f"in flight for longer than {self._stuck_after_s:g} s: {names}") from None
                now = loop.time()
                written = {claim.task for claim in self._in_flight() if self._cuts(claim, patient=False)}
                left_out = [task for task in waiting if task in written]
                if not patient:
                    left_out = [task for task in left_out if now - self._draining.get(task, now) <= CUT_PATIENCE_S]
                return [task for task in tasks if task not in left_out]

    async def _let_answers_through(self, tasks: Collection[Task], until: float) -> bool:
        """Where items in flight wait for other agents' answers, let those agents work, until the items are done.

        Whoever asks gets nothing new meanwhile, unless it is itself asked by one of those items.  Returns whether there
        were such items; all is halted again then.

        Args:
            until: of the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        held_back: set[Subscription] = set()
        found = False
        try:
            while (claims := self._asking_in_flight()) and loop.time() < until:
                found = True
                actors = {claim.actor for claim in claims}
                wanted = {topic for question in self._asking() if question.actor in actors for topic in question.topics}
                for asked in [source for source in held_back if wanted.intersection(source.topic.topics)]:
                    held_back.discard(asked)
                    asked.go_on()
                for claim in claims:
                    source = claim.source
                    if isinstance(source, Subscription) and not wanted.intersection(source.topic.topics):
                        claim.raw.clear()  # its loop asks for the next claim after this item
                        held_back.add(source)
                        source.hold_back()
                self._resume(tasks)
                await asyncio.sleep(ANSWERS_S)
        finally:
            if found:
                for task in tasks:
                    task.halted = True
            for source in held_back:
                source.go_on()
        return found

    def _asking_in_flight(self) -> list[Claim]:
        asking = {question.actor for question in self._asking()}
        return [claim for claim in self._in_flight() if claim.actor in asking] if asking else []

    def _unacked(self) -> set[Task]:
        return {task for subscription in self._fetcher.subscriptions() for task in subscription.unacked()}

    def _in_flight(self) -> Iterable[Claim]:
        """Yield what actors are at.  One that waits for a record of another stream meanwhile is at nothing."""
        subscriptions = self._fetcher.subscriptions()
        waiting = set[object]().union(*(subscription.waiters for subscription in subscriptions))
        for subscription in subscriptions:
            yield from (claim for claim in subscription.claims() if claim.actor not in waiting)

    def _cuts(self, claim: Claim, *, patient: bool) -> bool:
        """Whether a checkpoint now would take half of what the claim's item in hand has done.

        Under at-least-once an item that has not changed a table yet stands wholly behind the cut: its
        offset and its changes belong to the next one.  The last checkpoint waits for it: there is no next one.
        """
        return not claim.buffered and (patient or claim.has_written)

    async def _commit(self, tasks: Collection[Task]) -> None:
        progress: dict[TopicPartition, Progress] = {}
        moved: dict[TopicPartition, Progress] = {}
        for task in tasks:
            found = self._fetcher.progress(task, noted=self._outgoing.keeps_notes, too_much=self._too_much)
            progress |= found
            moved |= {tp: now for tp, now in found.items() if _is_further(now, task.committed.get(tp))}
        await self._send_attached(tasks, progress)
        self._attempted = dict(moved)
        staged: list[tuple[TablePartition, list[Change], list[int]]] = []
        self.on_step("staging")
        changed = [table for task in tasks for table in task.tables.values() if table.changed]
        changed.sort(key=lambda table: table.after_outputs)
        staged.extend((table, changes, []) for table in changed if (changes := table.stage()))
        flushed = self._outgoing.exactly_once  # there, all of it is one transaction
        for table, changes, written in staged:
            if table.after_outputs and not flushed:
                # A join forgets what it has handed out: what came of that must not be lost by a crash just here.
                await self._outgoing.flush()
                flushed = True
            await self._write_changelog(table, changes, written)
        self.on_step("changelog written")
        if not staged and not moved and not self._outgoing.pending:
            return
        member = self._member()
        committing = moved
        if self._outgoing.exactly_once and not moved:
            # The broker checks the generation only where there is an offset to commit, so one is committed again.
            committing = dict(list(progress.items())[:1])
        state = self._sensors.begin("on_commit_initiated", self._fetcher.consumer)
        flushing = time.monotonic()
        if not self._outgoing.exactly_once:
            await self._outgoing.flush()
            self._counts.flushed(time.monotonic() - flushing)
        self.on_step("flushed")
        await self._outgoing.commit({tp: now.noted() for tp, now in committing.items()}, member)
        self._attempted = {}
        self._sensors.end("on_commit_completed", state, (self._fetcher.consumer,))
        self._sensors.tell("on_tp_commit", {tp: now.offset for tp, now in committing.items()})
        for table, changes, _ in staged:
            self._counts.changed(table.table.name, changes)
        self.on_step("committed")
        self.commits += 1
        for task in tasks:
            task.committed |= {tp: now for tp, now in committing.items() if tp in task.inputs}
        for table, changes, written in staged:
            # Reports come in the order of the records, each before the flush returns.
            if table.caught_up is None:
                await self._apply(table, changes, written[0])
            else:
                await table.caught_up(written[0])
            table.settle()
        self.on_step("applied")

    def _too_much(self, tp: TopicPartition, streams: Sequence[str]) -> None:
        if self._outgoing.exactly_once and tp.topic not in self._crowded:
            self._crowded.add(tp.topic)
            log.warning(
                "more was done of %s beyond its committed offset than can be noted with it%s: after a crash %s may "
                "repeat events, under exactly once too. Fewer agents on this topic, or fewer events that wait to be "
                "acknowledged, avoid that",
                tp,
                "" if self._outgoing.keeps_notes else ", as this transport keeps no notes",
                ", ".join(streams),
            )

    async def _send_attached(self, tasks: Collection[Task], progress: Mapping[TopicPartition, Progress]) -> None:
        """Queue what was attached to events that are committed now: their streams will not have them again."""
        for task in tasks:
            if not task.attached:
                continue
            later = []
            for one in list(task.attached):
                known = progress.get(one.claim.tp)
                if not is_done((one.claim.floor,) if known is None else known.of(one.claim.stream), one.offset):
                    later.append(one)
                    continue
                while True:
                    try:
                        one.send(self._producer)
                    except BufferFull:
                        await self._producer.drain()
                    else:
                        break
            task.attached[:] = later

    async def _write_changelog(self, table: TablePartition, changes: list[Change], written: list[int]) -> None:
        """Queue one record per change; the last one reports where it stands."""

        def note(metadata: RecordMetadata | None, _error: Exception | None) -> None:
            if metadata is not None:
                written.append(metadata.offset + 1)

        topic, partition = table.changelog
        send = self._change_producer.send
        last = len(changes) - 1
        for index, (key, value) in enumerate(changes):
            on_delivery = note if index == last else None
            while True:
                try:
                    send(topic, value, key, partition, None, None, on_delivery)
                except BufferFull:
                    await self._change_producer.drain()
                except RecordTooLarge as exc:
                    size = len(key) + len(value or b"")
                    max_bytes = size - 1 if exc.max_bytes is None else exc.max_bytes
                    raise ChangeTooLarge(table.table, table.changelog, (key, value), max_bytes) from exc
                else:
                    break

    async def _apply(self, table: TablePartition, changes: list[Change], changelog_offset: int) -> None:
        stored = table.indexed(changes)
        while True:
            try:
                await self._run_in_thread(lambda: table.store.apply(stored, changelog_offset=changelog_offset))
            except (StoreLocked, StoreCorrupt):
                raise
            except StoreClosed:
                # The task was taken away meanwhile; its next owner has the changes from the changelog.
                return
            except StoreError as exc:
                # Everything is committed: the store may follow later, and must before the key is read from it.
                log.error("cannot write to the store of %s, trying again: %s", table.changelog, exc)
                await asyncio.sleep(STORE_RETRY_S)
            else:
                return


def _is_further(now: Progress, committed: Progress | None) -> bool:
    if committed is None or now.offset > committed.offset:
        return True
    return now.offset == committed.offset and now.streams != committed.streams


class StuckError(FencedError):
    """An item in flight outlived the transaction, or will not come back."""
