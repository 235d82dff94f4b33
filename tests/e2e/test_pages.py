"""A page of real workers on Kafka runs where its key is, also when one of them is killed."""

import json
from pathlib import Path

import pytest

from faust_core.partitioner import partition_for
from tests.e2e.support import SESSION_TIMEOUT_S, Application, feeding, wait_until
from tests.e2e.test_queries import get

PARTITIONS = 4
KEYS = 20


def numbered(number: int) -> tuple[bytes, bytes]:
    return f"key{number % KEYS}".encode(), b"%d" % number


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_page_is_answered_by_the_worker_that_has_the_key(kafka: str, unique: str, tmp_path: Path) -> None:
    with Application(kafka, unique, tmp_path, "pages", TOPIC_PARTITIONS=PARTITIONS) as app:
        app.create("events", PARTITIONS)
        workers = [app.worker(name, web=True) for name in ("a", "b")]
        for worker in workers:
            worker.wait_until_ready()
        first, second = workers

        def processes(*asked: object) -> dict[str, set[int]]:
            found: dict[str, set[int]] = {}
            for worker in asked:
                for number in range(KEYS):
                    try:
                        status, _, body = get(worker, f"/number/key{number}")  # type: ignore[arg-type]
                    except OSError:  # it waits for the worker that was killed
                        return found
                    assert status in {200, 404, 503}, body
                    if status == 200:
                        answer = json.loads(body)
                        assert answer["number"] % KEYS == number
                        assert partition_for(f"key{number}".encode(), PARTITIONS) in answer["local"]
                        found.setdefault(f"key{number}", set()).add(answer["process"])
            return found

        with feeding(app, "events", PARTITIONS, 200, numbered):
            wait_until(lambda: len(processes(first)) == KEYS, 30, "every key is known")
            wait_until(lambda: len(set().union(*processes(first, second).values())) == 2, 30, "both workers have keys")
            second.kill()
            wait_until(
                lambda: len(now := processes(first)) == KEYS and len(set().union(*now.values())) == 1,
                SESSION_TIMEOUT_S + 40,
                "the other worker has all keys",
            )
