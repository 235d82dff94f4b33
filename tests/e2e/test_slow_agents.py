"""Agents that are slow or stuck: what they hold up, what is said about it, and what it costs in memory."""

import time
from pathlib import Path

import pytest

from tests.e2e.orders import longest_gaps
from tests.e2e.sizes import sized
from tests.e2e.support import Application, Worker, feeding, wait_until
from tests.services.patience import PATIENCE

STUCK_AFTER_S = 2
BLOCKED_S = sized(8, 120)
AWAITED_S = sized(8, 600)
BACKLOGS = sized((200_000, 1_000_000), (200_000, 5_000_000))


def naps_application(kafka: str, name: str, directory: Path, **settings: object) -> Application:
    app = Application(kafka, name, directory, "naps", APP_STUCK_AGENT_TIMEOUT=STUCK_AFTER_S, **settings)
    app.create("naps", 1)
    app.create("steady", 2)
    app.create("out", 2)
    return app


def rebalances(worker: Worker) -> int:
    return worker.text().count("assigned (generation")


def tick(number: int) -> tuple[None, bytes]:
    return None, b"tick %d" % number


@pytest.mark.slow
@pytest.mark.timeout(90 + BLOCKED_S)
def test_an_agent_that_blocks_the_loop_causes_no_rebalance_and_is_named(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with naps_application(kafka, unique, tmp_path) as app:
        worker = app.worker("only").wait_until_ready()
        with feeding(app, "steady", 2, 200, tick) as feeder:
            wait_until(lambda: worker.numbers()[0][0], 20)
            before = rebalances(worker)
            app.produce("naps", [(None, b"block %d" % BLOCKED_S)])
            worker.wait_for_log("blocks the event loop", 10)
            wait_until(lambda: worker.numbers()[0][1], BLOCKED_S + 20, "the nap is over")
            time.sleep(1)
            sent = feeder.stop()
        app.wait_until_processed(["naps", "steady"], 20)
        assert rebalances(worker) == before
        text = worker.text()
        assert "naps.doze" in text
        assert f"{unique}-naps" in text
        assert "at offset 0" in text
        assert "time.sleep(float(seconds))" in text  # the stack shows the place
        assert worker.numbers()[0][0] == sent


@pytest.mark.slow
@pytest.mark.timeout(90 + AWAITED_S)
def test_an_agent_that_awaits_for_long_is_named_and_holds_up_nobody(kafka: str, unique: str, tmp_path: Path) -> None:
    with naps_application(kafka, unique, tmp_path) as app:
        worker = app.worker("only").wait_until_ready()
        with feeding(app, "steady", 2, 200, tick) as feeder:
            wait_until(lambda: worker.numbers()[0][0], 20)
            before, began = rebalances(worker), time.time()
            app.produce("naps", [(None, b"await %d" % AWAITED_S)])
            worker.wait_for_log("has made no progress", 10)
            wait_until(lambda: worker.numbers()[0][1], AWAITED_S + 20, "the nap is over")
            sent = feeder.stop()
        app.wait_until_processed(["naps", "steady"], 20)
        assert rebalances(worker) == before
        text = worker.text()
        assert "naps.doze" in text
        assert "at offset 0" in text
        assert "asyncio.sleep(float(seconds))" in text
        ticks = [read for read in app.output("out") if read.partition == 1]
        assert len(ticks) == sent
        gaps = longest_gaps(ticks, since_s=began)
        print("longest pause of the other agent:", gaps)
        assert max(gaps.values()) < 1.0 * PATIENCE


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_stuck_agent_gives_its_partitions_up_where_it_is_told_to(kafka: str, unique: str, tmp_path: Path) -> None:
    with naps_application(kafka, unique, tmp_path, APP_STUCK_AGENT_POLICY="give_up", APP_SHUTDOWN_TIMEOUT=3) as app:
        workers = [app.worker(name, E2E_WORKER=name).wait_until_ready() for name in ("a", "b")]
        time.sleep(2)  # the second has its share
        app.produce("naps", [(None, b"await 0")])
        wait_until(lambda: any(w.numbers()[0][1] for w in workers), 20, "somebody owns it")
        stuck, other = sorted(workers, key=lambda w: w.numbers()[0][1], reverse=True)
        app.produce("naps", [(None, f"stuck {stuck.name}".encode())])
        assert stuck.wait(30) not in {0, -9}, stuck.tail()
        assert "has made no progress" in stuck.text()
        wait_until(lambda: other.numbers()[0][1], 20, "the event is processed elsewhere")
        app.wait_until_processed(["naps"], 20)
        assert other.is_running()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_slow_agent_with_a_backlog_holds_up_no_other_topic(kafka: str, unique: str, tmp_path: Path) -> None:
    events = 300_000
    with Application(kafka, unique, tmp_path, "naps") as app:
        for name in ("naps", "steady"):
            app.create(name, 2)
        app.produce("steady", ((None, b"x" * 100) for _ in range(events)))
        alone = app.worker("alone").wait_until_ready()
        alone_s = wait_until(lambda: alone.numbers()[0][0] >= events, 60, every_s=0.01)
        alone_mb = alone.memory_mb("VmHWM")
        assert alone.terminate() == 0, alone.tail()
        app.produce("naps", ((None, b"await 0.01") for _ in range(100_000)))
        app.produce("steady", ((None, b"x" * 100) for _ in range(events)))
        both = app.worker("both").wait_until_ready()
        both_s = wait_until(lambda: both.numbers()[0][0] >= events, 60, every_s=0.01)
        assert 0 < both.numbers()[0][1] < 20_000
        both_mb = both.memory_mb("VmHWM")
        print(f"alone {alone_s:.2f} s, {alone_mb:.0f} MB; beside a slow one {both_s:.2f} s, {both_mb:.0f} MB")
        # Were it held up, it would take the thousand seconds that the slow one needs.
        assert both_s < (2 * alone_s + 2) * PATIENCE
        assert both_mb < alone_mb + 100


@pytest.mark.slow
@pytest.mark.timeout(sized(120, 600))
def test_memory_does_not_grow_with_the_backlog(kafka: str, unique: str, tmp_path: Path) -> None:
    peaks: dict[int, float] = {}
    for backlog in BACKLOGS:
        directory = tmp_path / str(backlog)
        directory.mkdir()
        with Application(kafka, f"{unique}-{backlog}", directory, "naps") as app:
            app.create("naps", 1)
            app.create("steady", 4)
            value = b"x" * 200
            app.produce("steady", ((None, value) for _ in range(backlog)))
            worker = app.worker("only", E2E_FIRST_NAP=3).wait_until_ready()  # time to fetch all there is
            wait_until(lambda w=worker, n=backlog: w.numbers()[0][0] >= n, sized(60, 240))  # type: ignore[misc]
            peaks[backlog] = worker.memory_mb("VmHWM")
    print("peak MB by backlog:", peaks)
    small, large = peaks.values()
    assert large < small + 60, peaks
    assert large < 400, peaks
