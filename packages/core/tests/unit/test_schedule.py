"""Timers, crontabs and tasks of an application."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from faust_core.cron import Cron
from faust_core.engine.schedule import Job, run_job
from faust_core.errors import ConfigError


async def test_a_timer_runs_first_after_one_interval_and_then_again(lab, eventually):
    app = lab.app()
    times = []

    @app.timer(0.05)
    async def tick():
        times.append(time.monotonic())

    async with app:
        started = time.monotonic()
        await eventually(lambda: len(times) == 4)
    gaps = [b - a for a, b in zip([started, *times], times, strict=False)]
    assert gaps[0] >= 0.045
    assert 0.15 < sum(gaps) < 0.6


async def test_a_timer_may_be_plain_and_may_take_the_app(lab, eventually):
    app = lab.app()
    seen = []

    @app.timer(dt.timedelta(milliseconds=10), name="plain")
    def tick(the_app):
        seen.append(the_app)

    async with app:
        await eventually(lambda: app in seen)


async def test_runs_of_a_timer_do_not_overlap_and_missed_ones_are_not_made_up_for(lab, eventually):
    app = lab.app()
    running, most, runs = 0, 0, 0

    @app.timer(0.01)
    async def tick():
        nonlocal running, most, runs
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        runs += 1

    async with app:
        await asyncio.sleep(0.32)
        assert most == 1
        assert 3 <= runs <= 6


async def test_a_timer_that_raises_is_logged_and_goes_on(lab, eventually, caplog):
    app = lab.app()
    runs = []

    @app.timer(0.01, name="shaky")
    async def tick():
        runs.append(1)
        raise ValueError("shaken")

    async with app:
        await eventually(lambda: len(runs) == 3)
    assert "shaky raised" in caplog.text


@pytest.mark.parametrize("kind", ["timer", "task"])
async def test_a_job_that_raises_stops_the_worker_by_choice(lab, kind):
    app = lab.app()
    declare = app.timer(0.01, on_error="crash") if kind == "timer" else app.task(on_error="crash")

    @declare
    async def job():
        raise ValueError("enough")

    await app.start()
    with pytest.raises(ValueError, match="enough"):
        await app.wait()
    with pytest.raises(ValueError, match="enough"):
        await app.stop()


async def test_a_task_runs_once_when_tables_are_restored(lab, eventually):
    app = lab.app()
    table = app.Table("t")
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] = 1

    @app.task
    async def once():
        seen.append(dict(table.items()))

    lab.broker.create_topic("app-t-changelog", 1, {"cleanup.policy": "compact"})
    lab.put("app-t-changelog", 1, key='"a"')
    async with app:
        await eventually(lambda: seen)
        await asyncio.sleep(0.05)
    assert seen == [{"a": 1}]


async def test_a_task_that_raises_is_started_again(lab, eventually):
    app = lab.app()
    runs = []

    @app.task()
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError

    async with app:
        await eventually(lambda: len(runs) == 2)


async def test_an_item_of_a_task_that_raises_is_handed_out_again(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async for value in app.stream("in"):
            seen.append(value)
            if seen == [1, 2]:
                raise ValueError

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: seen == [1, 2, 2, 3])
        await eventually(lambda: lab.committed("in") == 3)


async def test_an_item_that_a_stopping_application_interrupts_is_not_done(lab, eventually):
    app = lab.app()
    seen = []

    @app.task
    async def read():
        async for value in app.stream("in"):
            seen.append(value)
            if value == 2:
                await asyncio.sleep(60)

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: seen == [1, 2])
    assert lab.committed("in") == 1


async def test_a_job_declared_while_the_application_runs_is_started(lab, eventually):
    app = lab.app()
    seen = []
    async with app:

        @app.timer(0.01)
        async def tick():
            seen.append(1)

        await eventually(lambda: seen)


@pytest.mark.parametrize("leader", [False, True])
async def test_jobs_on_leader_run_there_only(leader):
    runs = []
    job = Job("j", lambda: runs.append(1), interval_s=0.01, on_leader=True)
    running = asyncio.create_task(run_job(job, None, lambda: leader))
    await asyncio.sleep(0.05)
    running.cancel()
    assert bool(runs) is leader
    runs.clear()
    once = asyncio.create_task(run_job(Job("j", lambda: runs.append(1), on_leader=True), None, lambda: leader))
    await asyncio.sleep(0.05)
    once.cancel()
    assert bool(runs) is leader


async def test_a_crontab_runs_at_its_times():
    class Soon(Cron):
        """Every 20 ms: the real ones have minutes."""

        def next_after(self, after):
            return after + dt.timedelta(milliseconds=20)

    runs = []
    job = Job("j", lambda: runs.append(1), cron=Soon("* * * * *", dt.UTC))
    running = asyncio.create_task(run_job(job, None, lambda: True))
    await asyncio.sleep(0.15)
    running.cancel()
    assert 2 <= len(runs) <= 8


def test_schedules_are_checked_when_they_are_declared(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="positive number"):
        app.timer(0)
    with pytest.raises(ConfigError, match="neither 'log' nor 'crash'"):
        app.task(on_error="explode")(print)
    with pytest.raises(ConfigError):
        app.crontab("61 * * * *")
    app.crontab("*/5 * * * *", timezone="Europe/Berlin", name="five")(print)
    assert app.jobs[-1].name == "five"
    app.crontab("0 12 * * *", tz="Europe/Berlin")(print)
    assert app.jobs[-1].cron is not None
    assert str(app.jobs[-1].cron.tz) == "Europe/Berlin"


async def test_a_leaders_task_begins_where_leadership_moves_to_and_ends_where_it_was(lab, eventually):
    lab.broker.create_topic("in", 2)
    now, begun = set(), []

    def make(worker):
        app = lab.app(worker, broker_session_timeout=0.3, broker_heartbeat_interval=0.1)

        @app.agent("in")
        async def agent(stream):
            async for _ in stream:
                pass

        @app.task(on_leader=True)
        async def lead():
            begun.append(worker)
            now.add(worker)
            try:
                await asyncio.Event().wait()
            finally:
                now.discard(worker)

        return app

    first, second = make("w1"), make("w2")
    await first.start()
    await eventually(lambda: now == {"w1"})
    await second.start()
    await eventually(lambda: sorted(len(a.worker.rebalancer.running()) for a in (first, second)) == [1, 1])
    leader, other = (first, second) if first.is_leader() else (second, first)
    await eventually(lambda: now == {leader.conf.broker_client_id})
    lab.broker.faults.cut(leader.conf.broker_client_id)
    await eventually(other.is_leader)
    await eventually(lambda: other.conf.broker_client_id in now)
    lab.broker.faults.heal(leader.conf.broker_client_id)
    await eventually(lambda: len(now) == 1)
    await leader.stop()
    await eventually(lambda: now == {other.conf.broker_client_id})


async def test_a_leaders_task_that_is_done_is_not_begun_again(lab, eventually):
    lab.put("in", 1)
    app = lab.app()
    begun = []

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    @app.task(on_leader=True)
    async def lead():
        begun.append(1)

    async with app:
        await eventually(lambda: begun)
        rebalances = app.worker.rebalancer.count
        lab.broker.end_session("w1")
        await eventually(lambda: app.worker.rebalancer.count > rebalances and app.is_leader())
        await asyncio.sleep(0.3)
    assert begun == [1]
