"""Latency: events come at a steady rate, and the driver sees when each output can be read."""

import json
import sys
import threading
import time
from collections.abc import Callable

from confluent_kafka import Producer

from bench.broker import Kafka
from bench.workloads import LATENCY_RATE, LATENCY_SECONDS

TICK_S = 0.001
WARM_UP_S = 3.0  # of the 20: joining the group, connections, the first batches
PATIENCE_S = 60.0


def measure_latency(
    kafka: Kafka, source: str, target: str, partitions: int, check: Callable[[], None]
) -> dict[str, float]:
    """Produce for 20 s and read the outputs; latencies in milliseconds from produce() to the output's arrival.

    The worker must have started; the first event is sent until it comes back, so joining a group does not count.

    Raises:
        TimeoutError: outputs are missing.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(TICK_S / 4)  # reader and producer are two threads
    reader = kafka.reader(target, partitions)
    events = LATENCY_RATE * LATENCY_SECONDS
    producing = threading.Thread(target=_produce, args=(kafka, source, partitions, events), daemon=True)
    latencies: list[float] = []
    received = 0
    began = deadline = time.time()
    deadline += PATIENCE_S
    producer = kafka.producer({"linger.ms": 0})
    _send(producer, source, 0)
    producer.flush(10)
    try:
        while received < events:
            first = reader.poll(0.5)
            now = time.time()
            if now > deadline:
                check()
                raise TimeoutError(f"{received} of {events} outputs came")
            for message in [first, *reader.consume(1_000, 0)] if first is not None else []:
                if message.error():
                    continue
                received += 1
                if received == 1:
                    began = now
                    deadline = now + LATENCY_SECONDS + PATIENCE_S
                    producing.start()
                sent = json.loads(message.value() or b"")["ts"]
                if sent > began + WARM_UP_S:
                    latencies.append((now - sent) * 1000)
            check()
    finally:
        reader.close()
        sys.setswitchinterval(interval)
    producing.join(10)
    latencies.sort()
    count = len(latencies)
    return {
        "p50": latencies[count // 2],
        "p99": latencies[count * 99 // 100],
        "p999": latencies[count * 999 // 1000],
        "max": latencies[-1],
    }


def _produce(kafka: Kafka, topic: str, partitions: int, events: int) -> None:
    producer = kafka.producer({"linger.ms": 0})
    began = time.monotonic()
    sent = 1  # the one that woke the worker
    while sent < events:
        due = min(events, int((time.monotonic() - began) * LATENCY_RATE) + 1)
        while sent < due:
            _send(producer, topic, sent % partitions)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(30)


def _send(producer: Producer, topic: str, partition: int) -> None:
    fields = {"account_id": "acct", "product_id": "prod", "amount": 1, "price": 150.0, "ts": time.time()}
    producer.produce(topic, json.dumps(fields), partition=partition)
