"""Services of an application's own, and what an application says of what it does not have."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import asynccontextmanager, contextmanager

import pytest

from faust_core.errors import ConfigError, PluginMissing
from faust_core.services import Service
from faust_core.testing import ManualClock, TestDriver


class Recorder(Service):
    """Writes down what happens to it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seen = []

    async def on_first_start(self):
        self.seen.append("first start")

    async def on_start(self):
        self.seen.append("start")

    async def on_started(self):
        self.seen.append("started")

    async def on_stop(self):
        self.seen.append("stop")

    async def on_shutdown(self):
        self.seen.append("shutdown")

    async def on_restart(self):
        self.seen.append("restart")


async def test_the_steps_of_a_life_come_in_order():
    service = Recorder(beacon=object(), loop=None)
    assert (service.state, service.started) == ("init", False)
    assert await service.maybe_start()
    assert not await service.maybe_start()
    assert (service.state, service.should_stop) == ("running", False)
    await service.stop()
    await service.stop()
    assert (service.state, service.should_stop) == ("shutdown", True)
    async with service:
        await service.restart()
    first = ["first start", "start", "started", "stop", "shutdown"]
    again = ["start", "started", "stop", "shutdown"]
    assert service.seen == [*first, "start", "started", "stop", "shutdown", "restart", *again]
    assert repr(service) == "<Recorder: shutdown>"


async def test_what_a_service_depends_on_starts_and_stops_with_it():
    order = []

    class Part(Service):
        def __init__(self, name):
            super().__init__()
            self.name = name

        async def on_start(self):
            order.append(f"+{self.name}")

        async def on_stop(self):
            order.append(f"-{self.name}")

    class Whole(Part):
        def on_init_dependencies(self):
            return [Part("a")]

    whole = Whole("whole")
    whole.add_dependency(Part("b"))
    async with whole:
        late = await whole.add_runtime_dependency(Part("c"))
        assert late.started
    assert order == ["+whole", "+a", "+b", "+c", "-whole", "-c", "-b", "-a"]


async def test_a_start_that_fails_stops_what_has_begun():
    class Broken(Recorder):
        async def on_started(self):
            raise RuntimeError("no")

    service = Broken()
    part = service.add_dependency(Recorder())
    with pytest.raises(RuntimeError, match="no"):
        await service.start()
    assert (service.started, part.started) == (False, False)
    assert part.seen[-1] == "shutdown"


class Busy(Service):
    """Has a task, a timer and a crontab."""

    def __init__(self):
        super().__init__()
        self.ran = []
        self.failures = 1

    @Service.task
    async def background(self):
        self.ran.append("task")
        if self.failures:
            self.failures -= 1
            raise ValueError("the first time")
        await self.sleep(1_000)
        self.ran.append("woken")

    @Service.timer(10.0)
    async def often(self):
        self.ran.append("timer")
        if len(self.ran) == 3:
            raise ValueError("once")

    @Service.crontab("*/1 * * * *")
    async def each_minute(self):
        self.ran.append("cron")


class Busier(Busy):
    """Overrides a timer by another one, and a crontab by nothing."""

    @Service.timer(20)
    async def often(self):
        self.ran.append("slow timer")

    each_minute = None


async def test_tasks_timers_and_crontabs_run_while_it_runs(caplog):
    service = Busy()
    clock = service.clock = ManualClock()
    async with service:
        await clock.elapse(1)
        assert service.ran == ["task", "task"]
        await clock.elapse(30)
        assert service.ran == ["task", "task", "timer", "timer", "timer"]
        await clock.elapse(30)
        assert "cron" in service.ran
    count = len(service.ran)
    await clock.elapse(60)
    assert len(service.ran) == count
    assert "Busy.background raised" in caplog.text
    assert "Busy.often raised" in caplog.text


async def test_jobs_are_inherited_and_can_be_overridden():
    service = Busier()
    clock = service.clock = ManualClock()
    async with service:
        await clock.elapse(61)
    assert service.ran.count("slow timer") == 3
    assert "timer" not in service.ran
    assert "cron" not in service.ran


async def test_waiting_ends_when_the_service_stops():
    service = Service()
    clock = service.clock = ManualClock()
    await service.start()
    event = asyncio.Event()
    event.set()
    assert await service.wait(event) == (True, False)
    assert await service.wait(asyncio.sleep(0, "done")) == ("done", False)
    limited = asyncio.create_task(service.wait(asyncio.Event(), timeout=dt.timedelta(seconds=5)))
    await clock.elapse(5)
    with pytest.raises(TimeoutError, match="waited for 5 s"):
        await limited
    with pytest.raises(TypeError, match="not 42"):
        await service.wait(42)
    sleeping = asyncio.create_task(service.sleep(60))
    waiting = asyncio.create_task(service.wait_for_stopped(asyncio.Event()))
    stopped = asyncio.create_task(service.wait_until_stopped())
    await asyncio.sleep(0)
    await service.stop()
    await sleeping
    await stopped
    assert await waiting


async def test_a_timer_can_be_iterated():
    service = Service()
    clock = service.clock = ManualClock()
    ticks = []

    async def run():
        async for elapsed in service.itertimer(5):
            ticks.append(elapsed)

    await service.start()
    running = asyncio.create_task(run())
    await clock.elapse(16)
    await service.stop()
    await running
    assert ticks == [5, 5, 5]


async def test_a_crash_ends_it_and_is_told():
    service = Service()
    await service.start()

    async def fails():
        raise ValueError("background")

    service.add_future(fails())
    with pytest.raises(ValueError, match="background"):
        await service.wait_until_stopped()
    assert (service.crashed, service.state) == (True, "crashed")
    await service.stop()
    await service.start()
    assert (service.crashed, service.state) == (False, "running")
    await service.crash(RuntimeError("by hand"))
    with pytest.raises(RuntimeError, match="by hand"):
        await service.wait_until_stopped()
    await service.stop()


async def test_contexts_are_left_when_it_stops():
    left = []

    @asynccontextmanager
    async def connection():
        yield "connection"
        left.append("connection")

    @contextmanager
    def file():
        yield "file"
        left.append("file")

    service = Service()
    async with service:
        assert await service.add_async_context(connection()) == "connection"
        assert service.add_context(file()) == "file"
    assert left == ["file", "connection"]


# -- in an application


async def test_an_application_runs_its_services(lab):
    app = lab.app()

    @app.service
    class Heartbeat(Recorder):
        @Service.timer(10)
        async def beat(self):
            await app.send("beats", value=1)

    async with TestDriver(app) as driver:
        await driver.advance(30)
        assert driver.read_values("beats") == [1, 1, 1]
        (service,) = app.services
        assert isinstance(service, Heartbeat)
    assert service.seen == ["first start", "start", "started", "stop", "shutdown"]
    assert app.services == []


async def test_anything_with_start_and_stop_is_a_service(lab):
    app = lab.app()
    calls = []

    class Plain:
        async def start(self):
            calls.append("start")

        async def stop(self):
            calls.append("stop")

    app.service(Plain())
    async with app:
        await asyncio.sleep(0)
        await app.add_runtime_dependency(Plain())
        await asyncio.sleep(0.01)
        assert calls == ["start", "start"]
    assert calls == ["start", "start", "stop", "stop"]


async def test_a_service_that_crashes_is_started_again(lab, eventually, monkeypatch):
    app = lab.app()
    made = []

    @app.service
    class Fragile(Service):
        async def on_start(self):
            made.append(self)
            if len(made) < 3:
                self.add_future(self.fail())

        async def fail(self):
            raise ValueError("fragile")

    async with TestDriver(app, raise_errors=False) as driver:
        await driver.advance(10)
        assert len(made) == 3
        assert [who for who, _ in driver.errors] == ["service " + Fragile.__qualname__] * 2


async def test_a_service_can_stop_the_worker(lab):
    app = lab.app()

    @app.service(on_error="crash")
    class Vital(Service):
        async def on_start(self):
            raise ValueError("cannot go on without")

    with pytest.raises(ValueError, match="cannot go on without"):
        async with app:
            await app.wait()


def test_what_is_no_service_is_refused(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match=r"has no async method start\(\)"):
        app.service(object())
    with pytest.raises(ConfigError, match="neither 'log' nor 'crash'"):
        app.service(on_error="retry")(Service)


async def test_hooks_of_a_subclass_come_at_their_times(lab):
    from faust_core import App

    calls = []

    class Mine(App):
        async def on_first_start(self):
            calls.append("first start")

        async def on_start(self):
            calls.append(("start", self.started))

        async def on_stop(self):
            calls.append(("stop", self.started))

        async def on_shutdown(self):
            calls.append(("shutdown", self.started))

    app = Mine("mine", broker=lab.broker.url)
    for _ in range(2):
        assert await app.maybe_start()
        assert not await app.maybe_start()
        assert not app.should_stop
        await app.stop()
        assert app.should_stop
    life = [("start", False), ("stop", True), ("shutdown", False)]
    assert calls == ["first start", *life, *life]


def test_commands_are_declared(lab):
    app = lab.app()

    @app.command
    async def count_orders():
        """Count them."""

    @app.command(print, name="other", daemon=True)
    def something(self):
        pass

    assert [(c.name, c.help, c.daemon, c.options) for c in app.commands.values()] == [
        ("count-orders", "Count them.", False, ()),
        ("other", "", True, (print,)),
    ]
    with pytest.raises(ConfigError, match="a command 'other' already"):
        app.command(name="other")(count_orders)


def test_what_an_application_does_not_have_says_where_it_is(lab):
    app = lab.app()
    for name, hint in {
        "assignor": "app.worker tells what runs",
        "agnet": "did you mean agent",
        "xyz": "an App has no 'xyz'",
    }.items():
        with pytest.raises(AttributeError, match=hint):
            getattr(app, name)
    assert not hasattr(app, "assignor")


def test_pages_without_the_web_package_say_what_to_install(lab, monkeypatch):
    monkeypatch.setattr("faust_core.declaring_web.web_plugin", lambda: None)
    app = lab.app()
    for name, declare in {
        "page": lambda: app.page("/"),
        "table_route": lambda: app.table_route("t", exact_key="k"),
        "topic_route": lambda: app.topic_route("t", exact_key="k"),
        "web": lambda: app.web,
        r"asgi\(\)": app.asgi,
    }.items():
        with pytest.raises(PluginMissing, match=rf"app\.{name} needs the web package: pip install faust-web"):
            declare()
