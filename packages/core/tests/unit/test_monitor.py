"""`app.monitor`: the numbers of an application, read when they are asked for."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from faust_core.app import App
from faust_core.memory import Broker
from faust_core.records import TopicPartition
from faust_core.sensors import Histogram, Monitor, exposition, families, performance_metrics
from faust_core.sensors.counts import MAX_NAMES, OTHERS, Counts
from faust_core.testing import TestDriver

NUMBERS = TopicPartition("numbers", 0)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def until(condition: Callable[[], object]) -> None:
    """Wait; the test's own time-out ends it."""
    while not condition():  # noqa: ASYNC110  whatever the condition is, no event tells of it
        await asyncio.sleep(0.001)


def application(**options):
    app = App("monitored", broker="memory://", **options)
    numbers = app.topic("numbers", value_type=int)
    out = app.topic("out", value_type=int)
    counts = app.Table("counts", default=int)

    @app.agent(numbers, name="count")
    async def count(stream):
        async for number in stream:
            if number < 0:
                raise ValueError("negative")
            counts["sum"] += number
            await out.send(value=number)

    return app, numbers, counts


async def test_it_counts_what_was_received_worked_on_sent_and_changed():
    app, numbers, _ = application()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, 3)
        await app.commit()
        monitor = app.monitor
        assert monitor.messages_received_total == 3
        assert monitor.messages_received_by_topic == {"numbers": 3}
        assert monitor.events_total == 3
        assert monitor.events_by_stream == {"count": 3}
        assert monitor.messages_sent == 3
        assert monitor.messages_sent_by_topic == {"out": 3}
        assert monitor.messages_active == 0
        assert monitor.events_active == 0
        assert monitor.events_runtime_avg > 0
        assert monitor.tables["counts"].keys_updated == 1, "three changes of one key between two checkpoints"
        assert monitor.tables["counts"].keys_retrieved >= 1
        assert monitor.tp_read_offsets == {NUMBERS: 2}
        assert monitor.tp_committed_offsets == {NUMBERS: 3}
        assert monitor.commit_latency
        assert monitor.send_latency
        assert monitor.rebalances == 1
        assert monitor.assignments_completed >= 1
        assert "MainThread" in monitor.threads


async def test_what_is_in_hand_and_what_waits_is_active():
    app = App("monitored", broker="memory://")
    numbers = app.topic("numbers", value_type=int)
    go = asyncio.Event()
    begun = asyncio.Event()

    @app.agent(numbers, name="wait")
    async def wait(stream):
        async for _ in stream:
            begun.set()
            await go.wait()

    async with TestDriver(app) as driver:
        putting = asyncio.create_task(driver.put(numbers, 1, 2, 3))
        await begun.wait()
        await asyncio.sleep(0)
        assert app.monitor.messages_active == 3
        assert app.monitor.events_active == 1
        go.set()
        await putting
        assert app.monitor.messages_active == 0


async def test_the_lag_is_what_lies_between_what_is_done_and_the_end():
    app = App("monitored", broker="memory://")
    numbers = app.topic("numbers", value_type=int)
    go = asyncio.Event()
    begun = asyncio.Event()

    @app.agent(numbers)
    async def wait(stream):
        async for _ in stream:
            begun.set()
            await go.wait()

    async with TestDriver(app) as driver:
        putting = asyncio.create_task(driver.put(numbers, 1, 2, 3))
        await begun.wait()
        await app.monitor.refresh()
        assert app.monitor.tp_end_offsets == {NUMBERS: 3}
        assert app.monitor.lag == {NUMBERS: 3}
        go.set()
        await putting


async def test_several_actors_have_their_events_apart():
    app = App("monitored", broker="memory://")
    numbers = app.topic("numbers", value_type=int)

    @app.agent(numbers, name="many", concurrency=2)
    async def many(stream):
        async for _ in stream:
            await asyncio.sleep(0)

    async with TestDriver(app) as driver:
        await driver.put(numbers, *range(20))
        assert app.monitor.events_by_stream == {"many": 20}
        assert app.monitor.events_by_task.total() == 20
        assert set(app.monitor.events_by_task) <= {"faust many[0]", "faust many[1]"}


async def test_a_batch_counts_when_its_body_is_through():
    app = App("monitored", broker="memory://")
    numbers = app.topic("numbers", value_type=int)

    @app.agent(numbers, name="take")
    async def take(stream):
        async for _ in stream.take(2, within=timedelta(seconds=10)):
            pass

    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2, 3)
        assert app.monitor.events_by_stream == {"take": 2}
        await driver.advance(11)
        assert app.monitor.events_by_stream == {"take": 3}


async def test_a_repartitioned_event_counts_where_it_comes_from_and_where_it_goes_to():
    app = App("monitored", broker="memory://")
    numbers = app.topic("numbers", value_type=int)

    @app.agent(numbers, name="group")
    async def group(stream):
        async for _ in stream.group_by(str, name="self"):
            pass

    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2)
        assert app.monitor.events_by_stream == {"group": 2, "group-numbers-self-repartition": 2}
        assert app.monitor.messages_sent_by_topic == {"group-numbers-self-repartition": 2}


async def test_failures_are_counted_by_who_failed():
    app, numbers, _ = application()
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, -1, 5)
    counts = app.monitor.counts
    assert counts.errors == {"agent count": 1}
    assert counts.dead_letters == {"agent count": 1}


async def test_counts_outlive_a_worker_and_present_numbers_do_not():
    app, numbers, _ = application()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        retrieved = app.monitor.tables["counts"].keys_retrieved
        await driver.restart()
        await driver.put(numbers, 2)
        assert app.monitor.events_total == 2
        assert app.monitor.tables["counts"].keys_retrieved > retrieved
    assert app.monitor.readings is None
    assert app.monitor.messages_active == 0
    assert app.monitor.tp_read_offsets == {}
    assert app.monitor.events_total == 2


async def test_another_thread_may_read_while_the_application_works():
    app, numbers, _ = application()
    failed: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                exposition(families(app.monitor))
            except BaseException as exc:
                failed.append(exc)
                return

    async with TestDriver(app) as driver:
        thread = threading.Thread(target=read)
        thread.start()
        try:
            await driver.put(numbers, *range(2_000))
        finally:
            over.set()
            thread.join()
    assert not failed


def test_rates_are_those_since_a_sample_that_is_a_second_old():
    clock = Clock()
    monitor = Monitor(time=clock)
    count = monitor.counts.streams.of("s")
    monitor.counts.fetched("t", 50)
    count.events, count.busy_s = 10, 5.0
    assert monitor.events_s == 0.0
    clock.now = 2.0
    assert monitor.events_s == 5.0
    assert monitor.messages_s == 25.0
    assert monitor.events_runtime_avg == 0.5
    clock.now = 2.5
    count.events = 20
    assert monitor.events_s == 5.0


def test_a_monitor_of_no_application_has_zeros():
    monitor = Monitor(max_commit_latency_history=2)
    assert monitor.messages_received_total == monitor.events_active == 0
    for _ in range(3):
        monitor.on_commit_completed(None, monitor.on_commit_initiated(None))
    assert len(monitor.commit_latency) == 2
    assert monitor.asdict()["tables"] == {}


def test_the_programs_own_counts():
    monitor = Monitor()
    monitor.count("orders")
    monitor.count("orders", 2)
    assert monitor.metric_counts == {"orders": 3}
    for number in range(2 * MAX_NAMES):
        monitor.count(f"made up {number}")
    assert len(monitor.metric_counts) == MAX_NAMES + 1
    assert monitor.metric_counts[OTHERS] == MAX_NAMES + 1


def test_names_that_are_made_up_do_not_fill_the_memory():
    counts = Counts()
    for number in range(2 * MAX_NAMES):
        counts.streams.of(f"s{number}").events += 1
        counts.event_failed(f"e{number}")
    assert len(counts.streams) <= MAX_NAMES + 1
    assert len(counts.errors) <= MAX_NAMES + 1
    assert sum(stream.events for stream in counts.streams.values()) == 2 * MAX_NAMES
    assert counts.errors.total() == 2 * MAX_NAMES


def test_a_histogram_has_each_duration_in_its_class():
    histogram = Histogram([0.1, 1.0])
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(seconds)
    assert histogram.per_class == [2, 1, 1]
    assert histogram.cumulative() == [2, 3, 4]
    assert histogram.count == 4
    assert histogram.sum == pytest.approx(7.65)


async def test_one_document_has_throughput_latency_lag_and_errors():
    import json

    app, numbers, _ = application()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        await app.commit()
        await app.monitor.refresh()
        document = json.loads(json.dumps(performance_metrics(app)))
        assert json.loads(json.dumps(app.monitor.asdict()))["topic_committed_offsets"] == {"numbers": {"0": 1}}
    assert document["app"]["id"] == "monitored"
    assert document["throughput"]["events_total"] == 1
    assert document["consumer"]["lag_total"] == 0
    assert document["consumer"]["committed_offsets"] == {"numbers": {"0": 1}}
    assert document["latency"]["commit_latency"]["count"] >= 1
    assert document["errors"]["dead_letters"] == {}


async def test_ends_that_the_broker_does_not_tell_stay_as_they_were():
    app, numbers, _ = application()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        await app.monitor.refresh()
        assert app.monitor.tp_end_offsets == {NUMBERS: 1}
        app._observed[1]._refreshed_at = -100.0
        await app.worker.admin.aclose()
        await app.monitor.refresh()
        assert app.monitor.tp_end_offsets == {NUMBERS: 1}


async def test_a_monitor_that_reports_does_so_regularly_and_at_the_end(caplog):
    class Reports(Monitor):
        report_interval_s = 0.01

        def __init__(self) -> None:
            super().__init__()
            self.reports: list[int] = []

        def on_report(self) -> None:
            self.reports.append(self.events_total)
            if len(self.reports) in (1, 2):
                raise OSError("no way to the server")

    app, numbers, _ = application(monitor=Reports())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        reports = app.monitor.reports
        await until(lambda: len(reports) >= 4)
        await driver.put(numbers, 2)
        before = len(reports)
    assert len(reports) > before
    assert reports[-1] == 2
    assert sum("cannot report" in record.message for record in caplog.records) == 1


async def test_restored_records_and_rebalance_times_are_counted():
    app, numbers, _ = application()
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        await driver.restart()
        assert app.monitor.counts.restored == 1
        assert app.monitor.rebalance_s.count == 2
        assert dict(app.monitor.readings.tasks()) == {"running": 1, "restoring": 0, "standby": 0}
        assert app.monitor.readings.restore_remaining() == 0
        assert app.monitor.readings.leading()
        assert app.monitor.readings.uncommitted_keys() == {"counts": 0}
        assert app.monitor.readings.checkpoint_age() >= 0


async def test_a_standby_says_how_far_it_is_behind():
    broker = Broker()
    broker.auto_create = 1
    broker.create_topic("numbers", 1)
    apps = []
    for name in "ab":
        app = App("monitored", broker=broker.url, consumer_group_instance_id=name, broker_commit_interval=0.05)
        numbers = app.topic("numbers", value_type=int)
        table = app.Table("counts", default=int, partitions=1)

        @app.agent(numbers)
        async def count(stream, table=table):
            async for number in stream:
                table["sum"] += number

        apps.append(app)
    async with apps[0], apps[1]:
        await until(lambda: any(app.monitor.readings.tasks()["standby"] for app in apps))
        standby = next(app for app in apps if app.monitor.readings.tasks()["standby"])
        await standby.monitor.refresh()
        assert standby.monitor.readings.standby_lag() == 0


def test_every_metric_has_a_name_help_and_few_labels():
    found = families(Monitor())
    names = [family.name for family in found]
    assert len(set(names)) == len(names)
    for family in found:
        assert family.name.startswith("faust_")
        assert family.help.endswith(".")
        assert not family.name.endswith("_total")
        assert (family.unit == "seconds") == family.name.endswith("_seconds")


def test_the_text_quotes_what_labels_hold():
    monitor = Monitor()
    monitor.counts.event_failed('agent "a"\nb\\')
    text = exposition(families(monitor), {"app": "x"})
    assert 'faust_errors_total{app="x",source="agent \\"a\\"\\nb\\\\"} 1\n' in text
    assert "# TYPE faust_errors_total counter\n" in text
    assert 'faust_checkpoint_seconds_bucket{app="x",le="+Inf"} 0\n' in text
