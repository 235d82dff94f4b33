"""Two agents on one topic, far apart when their worker is killed."""

from pathlib import Path

import pytest

from tests.e2e.support import Application, wait_until

EVENTS = 600


@pytest.mark.timeout(90)
def test_a_fast_agent_repeats_nothing_though_a_slow_one_of_its_topic_is_far_behind(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with Application(
        kafka, unique, tmp_path, "two_agents", PROCESSING_GUARANTEE="exactly_once", TOPIC_PARTITIONS=1
    ) as app:
        for name in ("events", "fast", "slow"):
            app.create(name, 1)
        worker = app.worker("first").wait_until_ready()
        app.produce("events", ((None, b"%d" % n) for n in range(EVENTS)))
        wait_until(lambda: len(app.output("fast")) == EVENTS, 40, "the fast agent is done", every_s=0.3)
        worker.kill()
        behind = EVENTS - len(app.output("slow"))
        assert behind > 0, "they were to be apart"
        app.worker("second")
        app.wait_until_processed(["events"], 40)
        assert [int(record.value) for record in app.output("fast")] == list(range(EVENTS))
        assert [int(record.value) for record in app.output("slow")] == list(range(EVENTS))
        assert app.changelog("counts") == {"fast": EVENTS, "slow": EVENTS}
