"""Reading by librdkafka: partitions and offsets as told, batches of thousands, never in a group."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from faust_core.errors import TransportError
from faust_core.protocols.transport import Consumer
from faust_core.records import RecordBatch, TopicPartition
from faust_transport_kafka._errors import MISSING, OUT_OF_RANGE, RETRIABLE, all_brokers_down, refused, translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka._reading import Reading, runs
from faust_transport_kafka._watch import ClientWatch
from faust_transport_kafka.batch import MessageBatch
from faust_transport_kafka.config import ClientConfig

__all__ = ["KafkaConsumer"]

log = logging.getLogger(__name__)

#: How long one blocking call may take: what an `assign` may have to wait for.  40 wake-ups a second cost nothing.
SLICE_S = 0.025
BOUNDS_TIMEOUT_S = 1.0
#: librdkafka refuses to hand over more at once.
MOST_AT_ONCE = 1_000_000


class KafkaConsumer:
    """A `Consumer` over librdkafka.

    One thread per consumer makes the calls that block; whatever changes the assignment runs on that thread too.
    While it is at work nobody else may call the client: confluent-kafka 2.16 lets one thread in at a time, and a
    second one spins, perhaps for ever.  While it is idle the event loop makes its calls itself; where records wait
    already, `poll` takes them without the thread.  One task at a time may await `poll`.

    `pause` throws away what librdkafka has prefetched of the partition; it is fetched again after `resume`.
    """

    def __init__(self, config: ClientConfig, name: str, group_id: str) -> None:
        self._name = name
        self._brokers = config.brokers
        self._reach = Reachability(f"consumer {name}", config.brokers)
        self._settings = config.consumer(f"{config.context.client_id}-{name}", group_id, self._on_error)
        self._client = Client(self._settings)
        self._watch = ClientWatch()
        self._loop = asyncio.get_running_loop()
        # Of the event loop.
        self._assigned: dict[TopicPartition, Reading] = {}
        self._ready: deque[tuple[Reading, MessageBatch]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._outstanding = 0
        self._fetching = False
        self._closed = False
        # Of the thread.
        self._reading: dict[tuple[str, int], Reading] = {}
        self._one_topic = True
        self._lost_place: dict[tuple[str, int], int] = {}
        # Of both: each side only replaces what is there.
        self._deadline = 0.0
        self._max_records = 1
        self._failure: TransportError | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"faust-kafka-{name}", daemon=True)
        self._thread.start()

    # -- what the engine calls ----------------------------------------------------------------------------

    async def assign(self, positions: Mapping[TopicPartition, int], /) -> None:
        readings = [Reading(TopicPartition(*tp), offset) for tp, offset in positions.items()]
        self._assigned.update((reading.tp, reading) for reading in readings)
        self._forget_stale()
        await self._on_thread(lambda: self._start_reading(readings))

    async def unassign(self, partitions: Collection[TopicPartition], /) -> None:
        gone = [reading.tp for tp in partitions if (reading := self._assigned.pop(tp, None)) is not None]
        self._forget_stale()
        if gone:
            await self._on_thread(lambda: self._stop_reading(gone))

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[RecordBatch]:
        if self._closed:
            raise TransportError(f"consumer {self._name} is closed")
        if self._waiter is not None:
            raise RuntimeError(f"another task awaits the poll of consumer {self._name}")
        deadline = time.monotonic() + timeout_s
        if not self._outstanding and not self._lost_place and not self._deliverable():
            self._arrived(*self._sort(self._client.consume(min(max_records, MOST_AT_ONCE), 0)))
        if self._deliverable():
            await asyncio.sleep(0)  # a deep backlog must not keep the event loop to itself
        while True:
            batches = self._take(max_records)
            if batches or self._closed:
                return batches
            self._raise_failure()
            if not self._fetching and not self._lost_place and time.monotonic() >= deadline:
                return []
            await self._fetch(max_records, deadline)

    def pause(self, partitions: Collection[TopicPartition], /) -> None:
        found = [reading for tp in partitions if (reading := self._assigned.get(tp)) and not reading.paused]
        for reading in found:
            reading.paused = True
        self._change(found, pause=True)

    def resume(self, partitions: Collection[TopicPartition], /) -> None:
        found = [reading for tp in partitions if (reading := self._assigned.get(tp)) and reading.paused]
        for reading in found:
            reading.paused = False
        self._change(found, pause=False)

    def position(self, partition: TopicPartition, /) -> int | None:
        reading = self._assigned.get(partition)
        if reading is None or self._closed:
            return None
        # While the thread is at work, librdkafka's position may be ahead of what `poll` has returned.
        if not self._outstanding and not any(held is reading for held, _ in self._ready):
            offset = self._client.position([Position(*partition)])[0].offset
            if offset >= 0:
                reading.position = offset
        return reading.position

    async def aclose(self) -> None:
        """End the thread and release the client.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._assigned.clear()
        self._ready.clear()
        self._wake()
        try:
            await self._on_thread(self._close_client)
        finally:
            self._jobs.put(None)

    # -- on the event loop --------------------------------------------------------------------------------

    async def _fetch(self, max_records: int, deadline: float) -> None:
        """Wait until the thread has fetched, or until `deadline`; cancelling leaves the fetch going."""
        self._deadline = deadline
        if not self._fetching:
            self._fetching = True
            self._outstanding += 1
            self._max_records = min(max_records, MOST_AT_ONCE)
            self._jobs.put(self._fetch_on_thread)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _fetched(self, batches: list[tuple[Reading, MessageBatch]], failure: TransportError | None) -> None:
        self._fetching = False
        self._outstanding -= 1
        self._arrived(batches, failure)
        self._wake()

    def _arrived(self, batches: list[tuple[Reading, MessageBatch]], failure: TransportError | None) -> None:
        if failure is not None:
            self._failure = failure
        self._ready.extend(batches)
        self._forget_stale()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _forget_stale(self) -> None:
        if self._ready:
            self._ready = deque(item for item in self._ready if self._assigned.get(item[0].tp) is item[0])

    def _deliverable(self) -> bool:
        return any(not reading.paused for reading, _ in self._ready)

    def _take(self, max_records: int) -> list[MessageBatch]:
        """Return what is ready of partitions that are not paused; the others stay."""
        taken: list[MessageBatch] = []
        held: deque[tuple[Reading, MessageBatch]] = deque()
        while self._ready:
            reading, batch = self._ready.popleft()
            if reading.paused or max_records <= 0:
                held.append((reading, batch))
                continue
            if len(batch) > max_records:
                batch, others = batch.split(max_records)
                held.append((reading, others))
            max_records -= len(batch)
            reading.position = batch.next_offset
            taken.append(batch)
        self._ready = held
        return taken

    def _change(self, readings: Sequence[Reading], *, pause: bool) -> None:
        """Pause or resume, on the thread where it is at work: the client keeps a second thread waiting."""
        if not readings:
            return

        def change(these: Sequence[Reading]) -> None:
            positions = [Position(*reading.tp) for reading in these]
            self._client.pause(positions) if pause else self._client.resume(positions)

        def job() -> None:
            try:
                change([reading for reading in readings if self._reading.get(reading.tp) is reading])
            finally:
                self._tell_loop(done)

        def done() -> None:
            self._outstanding -= 1

        if self._outstanding:
            self._outstanding += 1
            self._jobs.put(job)
        else:
            change(readings)

    async def _on_thread(self, action: Callable[[], Any]) -> None:
        done: asyncio.Future[None] = self._loop.create_future()

        def job() -> None:
            failure: Exception | None = None
            try:
                action()
            except Exception as exc:  # noqa: BLE001 -- handed to the waiting task
                failure = exc
            self._tell_loop(finish, failure)

        def finish(failure: Exception | None) -> None:
            self._outstanding -= 1
            if not done.done():
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

        self._outstanding += 1
        self._jobs.put(job)
        try:
            await done
        except KafkaException as exc:
            raise translate(exc, f"consumer {self._name} cannot change what it reads from {self._brokers}") from exc

    # -- on the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _tell_loop(self, callback: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():  # else nobody waits any more
            self._loop.call_soon_threadsafe(callback, *args)

    def _fetch_on_thread(self) -> None:
        """Wait for the first record, then take what else is there: `consume(n, timeout)` would wait for all n."""
        messages: list[Message] = []
        try:
            while True:
                if self._lost_place:
                    self._find_places()
                wait_s = min(self._deadline - time.monotonic(), SLICE_S)
                first = self._client.poll(max(wait_s, 0.0))
                if first is not None:
                    messages = [first]
                    if self._max_records > 1:
                        messages += self._client.consume(self._max_records - 1, 0)
                elif self._watch.due():
                    self._look_after()
                if messages or wait_s < SLICE_S or self._failure is not None or not self._jobs.empty():
                    break
            found, failure = self._sort(messages)
        except Exception as exc:  # noqa: BLE001 -- raised by `poll`
            found, failure = [], translate(exc, f"consumer {self._name} cannot read from {self._brokers}")
        self._tell_loop(self._fetched, found, failure)

    def _start_reading(self, readings: Collection[Reading]) -> None:
        self._stop_reading([reading.tp for reading in readings])
        self._assign(readings)
        self._reading.update((reading.tp, reading) for reading in readings)
        self._one_topic = len({topic for topic, _ in self._reading}) <= 1

    def _assign(self, readings: Collection[Reading]) -> None:
        self._client.incremental_assign([Position(*reading.tp, reading.fetched) for reading in readings])
        paused = [Position(*reading.tp) for reading in readings if reading.paused]
        if paused:
            self._client.pause(paused)

    def _stop_reading(self, partitions: Iterable[TopicPartition]) -> None:
        gone = [tp for tp in partitions if self._reading.pop(tp, None) is not None]
        for tp in gone:
            self._lost_place.pop(tp, None)
        if gone:
            self._client.incremental_unassign([Position(*tp) for tp in gone])
        self._one_topic = len({topic for topic, _ in self._reading}) <= 1

    def _close_client(self) -> None:
        self._client.close()

    def _look_after(self) -> None:
        """Go on with a new client where this one finds no broker any more.

        librdkafka 2.16 gives up the last broker it knows where that one, starting, tells of no brokers at all; from
        then on it has nobody to ask and stays silent for ever.  Nothing is lost or repeated: the new client begins
        behind what the old one has handed out.
        """
        topic = next((topic for topic, _ in self._reading), None)
        if topic is None or not self._watch.is_lost(self._client, topic):
            return
        names = ", ".join(sorted(f"{topic}/{partition}" for topic, partition in self._reading)[:8])
        text = "consumer %s gets no answer from %s; reading %s (%d partitions) with a new connection"
        log.warning(text, self._name, self._brokers, names, len(self._reading))
        dropped, self._client = self._client, Client(self._settings)
        threading.Thread(target=dropped.close, name=f"faust-kafka-{self._name}-release", daemon=True).start()
        self._assign(list(self._reading.values()))

    # -- on the thread, or on the loop while the thread is idle -------------------------------------------

    def _sort(self, messages: list[Message]) -> tuple[list[tuple[Reading, MessageBatch]], TransportError | None]:
        """Cut what arrived into batches, one for each run of one partition (about 25 ns per record)."""
        if not messages:
            return [], None
        failure = None
        if any(map(Message.error, messages)):
            failure = self._handle_errors(messages)
            messages = [message for message in messages if message.error() is None]
        if messages:
            self._reach.found()
            self._watch.came()
        batches = []
        for partition, run in runs(messages, Message.partition, single=len(self._reading) == 1):
            for topic, records in runs(run, Message.topic, single=self._one_topic):
                reading = self._reading.get((topic, partition))
                if reading is not None:
                    batch = MessageBatch(reading.tp, records)
                    reading.fetched = batch.next_offset
                    batches.append((reading, batch))
        return batches, failure

    def _handle_errors(self, messages: Sequence[Message]) -> TransportError | None:
        failure = None
        for message in messages:
            error = message.error()
            if error is None:
                continue
            topic, partition = message.topic(), message.partition()
            where = f"{topic}/{partition}" if topic is not None else self._brokers
            reading = self._reading.get((topic or "", -1 if partition is None else partition))
            if error.code() in OUT_OF_RANGE and reading is not None:
                offset = message.offset()
                self._lost_place[reading.tp] = reading.position if offset is None or offset < 0 else offset
            elif error.code() in MISSING or error.code() in RETRIABLE or error.retriable():
                log.warning("consumer %s waits for %s: %s", self._name, where, error.str())
            elif refused(error) or error.fatal():
                failure = translate(error, f"consumer {self._name} cannot read {where}")
            else:
                log.warning("consumer %s, %s: %s", self._name, where, error.str())
        return failure

    def _find_places(self) -> None:
        """Move partitions whose offset does not exist to the nearest one that does."""
        for tp, offset in list(self._lost_place.items()):
            reading = self._reading[tp]
            try:
                start, end = self._client.get_watermark_offsets(Position(*tp), BOUNDS_TIMEOUT_S)
            except KafkaException as exc:
                log.debug("consumer %s does not know the bounds of %s yet: %s", self._name, reading.tp, exc)
                return
            nearest = start if offset < start else end
            log.warning(
                "consumer %s: offset %d of %s does not exist (it has %d to %d); reading on from %d",
                *(self._name, offset, reading.tp, start, end, nearest),
            )
            reading.position = reading.fetched = nearest
            self._start_reading([reading])

    def _on_error(self, error: KafkaError) -> None:
        if refused(error) or error.fatal():
            self._failure = translate(error, f"consumer {self._name} cannot read from {self._brokers}")
        elif all_brokers_down(error):
            self._reach.lost(error.str())


if TYPE_CHECKING:
    _: type[Consumer] = KafkaConsumer
