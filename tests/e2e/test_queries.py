"""Asking worker processes for what their tables hold, while one is killed and another one sleeps."""

import collections
import json
import random
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.support import SESSION_TIMEOUT_S, Application, Feeder, Worker, feeding, wait_until

PARTITIONS = 4
KEYS = 40
#: Under at least once a crash between the changelog and the commit of the offsets repeats events on what they made.
EXACTLY = {"PROCESSING_GUARANTEE": "exactly_once"}


def numbered(number: int) -> tuple[bytes, bytes]:
    """The key belongs to partition `number % PARTITIONS`, which is not what its hash says."""
    return f"key{number % KEYS}".encode(), b"%d" % number


class Asker(threading.Thread):
    """Asks workers for keys until it is stopped, and remembers what no answer may be."""

    def __init__(self, workers: list[Worker], feeder: Feeder, *, committed: bool) -> None:
        super().__init__(name="asker")
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self._workers = workers
        self._feeder = feeder
        self._committed = committed
        self._seen: dict[str, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        rng = random.Random(7)
        while not self._ended.is_set():
            worker, key = rng.choice(self._workers), f"key{rng.randrange(KEYS)}"
            try:
                status, headers, body = get(worker, f"/table/last/{key}?timeout=1&committed={int(self._committed)}")
            except (OSError, HTTPException) as exc:
                self.counts[f"{worker.name} {type(exc).__name__}"] += 1
                continue
            self.counts[f"{worker.name} {status}"] += 1
            before = self._seen.get(key)
            if status == 200:
                number = int(body)
                if number > self._feeder.sent or f"key{number % KEYS}" != key:
                    self.wrong.append(f"{worker.name} says {number} for {key}, which was never sent")
                if self._committed and before is not None and number < before:
                    self.wrong.append(f"{worker.name} says {number} for {key} after {before}")
                if headers["faust-source"] != "owner":
                    self.wrong.append(f"{worker.name} answered as a standby, which was not asked for")
                self._seen[key] = number
            elif status == 404 and before is not None:
                self.wrong.append(f"{worker.name} has no {key}, which was {before}")
            elif status not in {404, 503}:
                self.wrong.append(f"{worker.name} answered {status}: {body!r}")

    def stop(self) -> None:
        self._ended.set()
        self.join()


def get(worker: Worker, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(urlsplit(worker.url).netloc, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_answer_is_wrong_while_workers_are_killed_and_sleep(kafka: str, unique: str, tmp_path: Path) -> None:
    with Application(kafka, unique, tmp_path, "last_numbers", TOPIC_PARTITIONS=PARTITIONS, **EXACTLY) as app:
        app.create("events", PARTITIONS)
        with feeding(app, "events", PARTITIONS, 400, numbered) as feeder:
            workers = [app.worker(name, web=True) for name in ("a", "b", "c")]
            for worker in workers:
                worker.wait_until_ready()
            a, b, c = workers
            askers = [Asker(workers, feeder, committed=committed) for committed in (True, True, False)]
            for asker in askers:
                asker.start()
            try:
                time.sleep(3)
                a.kill()
                b.pause()
                wait_until(lambda: get(c, "/ready")[0] == 200 and owns_all(c), SESSION_TIMEOUT_S + 20, "c has it all")
                time.sleep(1)
                b.resume()  # it believes that nothing has happened
                time.sleep(1)
                app.worker("a", web=True).wait_until_ready()
                time.sleep(2)
            finally:
                for asker in askers:
                    asker.stop()
            sent = feeder.stop()
        counts = sum((asker.counts for asker in askers), collections.Counter[str]())
        print(counts)
        assert not [wrong for asker in askers for wrong in asker.wrong]
        assert min(counts["a 200"], counts["b 200"], counts["c 200"]) >= 10
        app.wait_until_processed(["events"], 30)
        expected = {f"key{n % KEYS}": n for n in range(sent - KEYS, sent)}
        for worker in app.running():
            pages = json.loads(get(worker, "/table/last?limit=1000")[2])
            found = {item["key"]: item["value"] for item in pages["items"]}
            while pages["cursor"]:
                pages = json.loads(get(worker, f"/table/last?limit=1000&cursor={pages['cursor']}")[2])
                found |= {item["key"]: item["value"] for item in pages["items"]}
            assert found == expected, worker.name


def owns_all(worker: Worker) -> bool:
    """Whether the last assignment gave everything to this worker."""
    share = worker.text().rpartition("assigned (generation")[2]
    return all(f"/{partition}" in share.partition("standby for")[0] for partition in range(PARTITIONS))
