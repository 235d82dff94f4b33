"""Records that cannot be processed, on Kafka: what each policy makes of them, and that dead letters come once."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.e2e.support import Application, wait_until

MEBIBYTE = 1024 * 1024
#: each with what the reason says of it; None where it is no bad record at all
RECORDS: list[tuple[bytes | None, bytes | None, str | None]] = [
    (b"a", b'{"n":1}', None),
    (b"a", b"{not json", "json"),
    (b"a", b'{"n":"x"}', "n"),
    (b"a", None, "null"),
    (None, b'{"n":10}', None),  # a missing key is None
    (b"\xff\xfe", b'{"n":1}', "utf-8"),
    (b"a", b'{"x' + b"y" * MEBIBYTE + b'":1}', None),  # large, and good
    (b"a", b'{"n":-1}', "large"),  # makes its agent send what the broker refuses
    (b"a", b'{"n":100}', None),
]
BAD = [offset for offset, (_, _, reason) in enumerate(RECORDS) if reason]
SUMS = {"a": 1 + (MEBIBYTE + 1) + 100, "None": 10}


def bad_records(kafka: str, name: str, directory: Path, **settings: object) -> Application:
    app = Application(kafka, name, directory, "bad_records", APP_STORE="rocksdb://", TOPIC_PARTITIONS=1, **settings)
    app.create("events", 1, {"max.message.bytes": str(4 * MEBIBYTE)})
    app.create("out", 1)
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 4 * MEBIBYTE, "log_level": 0})
    for key, value, _ in RECORDS:
        producer.produce(app.topic("events"), value, key, 0)
    assert producer.flush(30) == 0
    return app


def dead_letters(kafka: str, app: Application) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    """Return what a reader of committed records sees: key, value, headers."""
    topic = app.topic("dead-letter")
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{topic}-reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(20)) is not None and message.error() is None:
        found.append((message.key(), message.value(), dict(message.headers() or [])))
    consumer.close()
    return found


@pytest.mark.timeout(90)
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_dead_letters_have_the_original_bytes_and_the_reason_and_come_once(
    kafka: str, unique: str, tmp_path: Path, guarantee: str
) -> None:
    with bad_records(kafka, unique, tmp_path, PROCESSING_GUARANTEE=guarantee, BROKER_COMMIT_INTERVAL=0.2) as app:
        if guarantee == "exactly_once":  # the first that deals with them is killed just before it commits
            killed = app.worker("first", E2E_CRASH_AT="flushed:1")
            wait_until(lambda: not killed.is_running(), 30, "it is killed")
            assert killed.returncode == -9, killed.tail()
        worker = app.worker("second").wait_until_ready()
        app.wait_until_processed(["events"], 40)
        letters = dead_letters(kafka, app)
        places = [int(headers["Faust-Error-Offset"]) for _, _, headers in letters]
        assert sorted(places) == BAD
        for key, value, headers in letters:
            offset = int(headers["Faust-Error-Offset"])
            assert (key, value) == RECORDS[offset][:2]
            assert headers["Faust-Error-Topic"] == app.topic("events").encode()
            assert headers["Faust-Error-Partition"] == b"0"
            assert (RECORDS[offset][2] or "").encode() in b" ".join(headers.values()).lower(), headers
        app.wait_until_tables_are({"sums": SUMS})
        assert worker.terminate() == 0, worker.tail()


@pytest.mark.timeout(60)
def test_what_is_skipped_is_counted_and_said(kafka: str, unique: str, tmp_path: Path) -> None:
    with bad_records(kafka, unique, tmp_path, APP_ON_DECODE_ERROR="skip", APP_ON_ERROR="skip") as app:
        worker = app.worker("only").wait_until_ready()
        app.wait_until_processed(["events"], 40)
        for offset in BAD:
            assert f"{app.topic('events')}/0 at offset {offset}" in worker.text()
        app.wait_until_tables_are({"sums": SUMS})
        assert app.topic("dead-letter") not in app.topics() or not dead_letters(kafka, app)


@pytest.mark.timeout(60)
def test_raise_stops_at_the_record_and_says_where_it_stands(kafka: str, unique: str, tmp_path: Path) -> None:
    with bad_records(kafka, unique, tmp_path, APP_ON_DECODE_ERROR="raise") as app:
        for _ in range(2):  # once more: it stands there still
            worker = app.worker("only")
            assert worker.wait(40) == 1, worker.tail()
            last = [line for line in worker.text().splitlines() if line.strip()][-1]
            assert f"{app.topic('events')}/0 at offset {BAD[0]}" in last, worker.tail()
        assert app.committed().get((app.topic("events"), 0), 0) <= BAD[0]
