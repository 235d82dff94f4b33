"""Writing by librdkafka, at least once, in order within each partition."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from faust_core.errors import BufferFull, TransactionAborted, TransportError
from faust_core.protocols.transport import OnDelivery, Producer
from faust_core.records import Headers, RecordMetadata
from faust_transport_kafka._errors import all_brokers_down, refused, translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka.config import ClientConfig

__all__ = ["ClosedClient", "KafkaProducer", "delivery_report", "release"]

log = logging.getLogger(__name__)

ANY_PARTITION = -1
#: How often librdkafka's events are served: with a report waiting to be made, and without.
REPORT_INTERVAL_S = 0.002
IDLE_INTERVAL_S = 0.05
#: One blocking call on the event loop while flushing: it wakes librdkafka's threads so that no linger is waited
#: for (1 ms instead of 7 ms per flush).  Delivery reports must be served by the thread that holds the GIL anyway:
#: served by another one they cost a switch of threads *per record*.
FLUSH_SLICE_S = 0.001
LONGEST_PAUSE_S = 0.05
CLOSE_TIMEOUT_S = 5.0


class KafkaProducer:
    """A `Producer` over librdkafka.

    Records go out while the event loop does other things; an absent broker is waited for.  As long as nobody
    gives `on_delivery`, only failures are reported and a delivered record costs nothing.  The first send that
    does moves the producer to full reports: with records under way it raises `BufferFull` once, and `drain`
    makes the move, which takes half a second.  From then on every record costs 0.2 to 0.4 µs more.  `reports`
    makes it so from the beginning.
    """

    def __init__(self, config: ClientConfig, name: str, *, reports: bool = False) -> None:
        self._config = config
        self._name = name
        self._reach = Reachability(f"producer {name}", config.brokers)
        self._loop = asyncio.get_running_loop()
        #: The first record that failed for each error, in order: `setdefault` of it is the delivery callback,
        #: which keeps the interpreter out of successful deliveries (their error is None).
        self._failures: dict[KafkaError | None, Message | None] = {None: None}
        self._refusal: TransportError | None = None
        self._reporting = reports
        self._reports_due = 0
        self._moving = False
        self._closed = False
        self._client = self._connect()
        self._timer = self._loop.call_later(IDLE_INTERVAL_S, self._serve)

    def _settings(self) -> dict[str, Any]:
        settings = self._config.producer(self._name, self._on_error)
        return settings | {
            "on_delivery": self._failures.setdefault,
            "delivery.report.only.error": not self._reporting,
        }

    def _connect(self) -> Client:
        try:
            return Client(self._settings())
        except KafkaException as exc:
            raise translate(exc, f"cannot make producer {self._name}") from exc

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        client = self._client
        chosen = ANY_PARTITION if partition is None else partition
        try:
            if headers is None and on_delivery is None and not self._moving:
                if timestamp_ms is None:
                    client.produce(topic, value, key, chosen)
                else:
                    client.produce(topic, value, key, chosen, timestamp=timestamp_ms)
                return
            client = self._ready_client(reported=on_delivery is not None)
            options: dict[str, Any] = {"headers": None if headers is None else list(headers)}
            if on_delivery is not None:
                options["on_delivery"] = self._reporter(on_delivery)
            client.produce(topic, value, key, chosen, timestamp=timestamp_ms or 0, **options)
        except BufferError as exc:
            client.poll(0)  # what the brokers have acknowledged makes room when it is served
            raise BufferFull(f"producer {self._name} holds {len(client)} unsent records: await drain()") from exc
        except KafkaException as exc:
            if self._is_doomed(exc):
                if on_delivery is not None:
                    self._loop.call_soon(on_delivery, None, TransactionAborted(f"not sent: {self._doom}"))
                return
            size = len(value or b"") + len(key or b"")
            raise translate(exc, f"cannot send a record of {size} bytes to {topic}/{_shown(partition)}") from exc
        except RuntimeError as exc:
            raise TransportError(f"producer {self._name} is closed") from exc
        if on_delivery is not None:
            self._reports_due += 1

    async def drain(self) -> None:
        self._check_open()
        if self._moving:
            await self._move_to_reports()
            return
        # A queue may be full of bytes rather than of records, so the aim is a share of what there is.
        aim = len(self._client) * 3 // 4
        pause_s = 0.0
        while len(self._client) > aim and not self._closed:
            try:
                self._client.poll(0)
            except KafkaException as exc:  # fatal: this client will never send again
                raise translate(exc, f"producer {self._name} cannot send") from exc
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s + 0.001, LONGEST_PAUSE_S)

    async def flush(self) -> None:
        self._check_open()
        await self._empty(None)
        self._raise_failure()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        try:
            await self._empty(time.monotonic() + CLOSE_TIMEOUT_S)
        finally:
            if len(self._client):
                log.warning("producer %s was closed with %d records unsent", self._name, len(self._client))
            dropped, self._client = [self._client], cast("Client", ClosedClient())
            await asyncio.to_thread(release, dropped)

    # ------------------------------------------------------------------------------------------------------

    async def _empty(self, deadline: float | None) -> None:
        """Wait until nothing is under way, or until `deadline`."""
        pause_s = 0.0
        anything = bool(len(self._client))
        while len(self._client) and (deadline is None or time.monotonic() < deadline):
            if self._refusal is not None and deadline is None:
                raise self._taken_refusal()
            try:
                self._client.flush(FLUSH_SLICE_S)
            except KafkaException as exc:  # fatal: this client will never send again
                if deadline is not None:
                    return  # closing
                raise translate(exc, f"producer {self._name} cannot send") from exc
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s + 0.001, LONGEST_PAUSE_S)
        if not len(self._client):
            self._refusal = None
            if anything:  # an answer to nothing would be no sign of brokers
                self._reach.found()

    def _raise_failure(self) -> None:
        failed = next(((error, message) for error, message in self._failures.items() if error is not None), None)
        if failed is None:
            return
        error, message = failed
        self._failures.clear()
        self._failures[None] = None
        if error.fatal() and not self._closed:
            self._client = self._connect()  # an idempotent producer that lost its sequence cannot go on
        raise _failure(error, message)

    def _taken_refusal(self) -> TransportError:
        refusal, self._refusal = self._refusal, None
        assert refusal is not None
        return refusal

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(f"producer {self._name} is closed")

    def _ready_client(self, *, reported: bool) -> Client:
        self._check_open()
        if reported and not self._reporting:
            if len(self._client):
                self._moving = True
            else:
                self._reporting = True
                self._client = self._connect()
        if self._moving:
            raise BufferFull(f"producer {self._name} must flush once before it can report deliveries: await drain()")
        return self._client

    async def _move_to_reports(self) -> None:
        """Empty the client that reports failures only, then go on with one that reports everything."""
        await self._empty(None)
        if self._moving:
            self._reporting = True
            self._client = self._connect()
            self._moving = False

    #: what dooms whatever is sent before the next transaction
    _doom = ""

    def _is_doomed(self, _error: KafkaException) -> bool:
        """Whether a record is lost anyway, and its loss will be told."""
        return False

    def _reporter(self, on_delivery: OnDelivery) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            self._reports_due -= 1
            if error is not None:
                self._failures.setdefault(error, message)
            self._loop.call_soon(on_delivery, *delivery_report(error, message))

        return report

    def _serve(self) -> None:
        with suppress(KafkaException):  # a fatal error: the next send or flush says so
            self._client.poll(0)
        interval_s = REPORT_INTERVAL_S if self._reports_due else IDLE_INTERVAL_S
        self._timer = self._loop.call_later(interval_s, self._serve)

    def _on_error(self, error: KafkaError) -> None:
        if refused(error):
            self._refusal = translate(error, f"producer {self._name} cannot write to {self._config.brokers}")
        elif all_brokers_down(error):
            self._reach.lost(error.str())


class ClosedClient:
    """Stands where the client was, so that `send` need not ask each time whether it still is."""

    def produce(self, *_: object, **__: object) -> None:
        raise RuntimeError("closed")

    def poll(self, _: float) -> int:
        return 0

    def purge(self) -> None:
        pass

    def __len__(self) -> int:
        return 0


def release(clients: list[Client]) -> None:
    """Destroy librdkafka's side of the clients in this list, which must hold the last references.

    It takes some milliseconds.  Their `close` would do more: abort and flush, for as long as the broker is away.
    """
    for client in clients:
        client.purge()
        client.poll(0)
    del client
    clients.clear()


def delivery_report(error: KafkaError | None, message: Message) -> tuple[RecordMetadata | None, Exception | None]:
    """Return what `OnDelivery` is called with."""
    if error is not None:
        return None, _failure(error, message)
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return RecordMetadata(topic, partition, offset, message.timestamp()[1]), None


def _failure(error: KafkaError, message: Message | None) -> TransportError:
    if message is None:
        return translate(error, "a record could not be written")
    return translate(error, f"a record for {message.topic()}/{_shown(message.partition())} could not be written")


def _shown(partition: int | None) -> str:
    return "any" if partition is None or partition == ANY_PARTITION else str(partition)


if TYPE_CHECKING:
    _: type[Producer] = KafkaProducer
