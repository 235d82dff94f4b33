"""LiveCheck: tests of a running application, run beside it."""

import asyncio
import datetime as dt
import http.server
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import faust
from faust.livecheck import Case, LiveCheck, LiveCheckError, Signal, State, TestExecution, current_test
from faust.livecheck.app import LiveCheckMiddleware
from faust_core.errors import ConfigError
from faust_core.memory import Broker


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0.002)


class Shop:
    """An application that takes orders and ships them, and a case that follows an order through it."""

    def __init__(self, **options: Any) -> None:
        self.broker = Broker()
        self.app = faust.App("shop", broker=self.broker.url, topic_partitions=2)
        self.orders = self.app.topic("orders", value_type=str, partitions=2)
        self.shipped = self.app.topic("shipped", value_type=str, partitions=2)
        self.livecheck: LiveCheck = self.app.LiveCheck(broker_commit_interval=0.05)
        self.seen: list[TestExecution | None] = []
        self.ran: list[Any] = []
        shop = self

        @self.livecheck.case(name="order", probability=1.0, **options)
        class Order(Case):
            taken: Signal[str]
            done: Signal[str]

            async def run(self, order: str) -> None:
                shop.ran.append(order)
                assert await self.taken.wait(timeout=10) == order
                if order == "slow":
                    await self.done.wait(timeout=0.05)
                if order == "odd":
                    raise ValueError("odd")
                assert await self.done.wait(timeout=10) == "shipped"

        self.case: Any = Order

        @self.app.agent(self.orders)
        async def take(stream: faust.Stream[str]) -> None:
            async for order in stream:
                await self.case.taken.send(order if order != "wrong" else "another")
                await self.shipped.send(value=order)

        @self.app.agent(self.shipped)
        async def ship(stream: faust.Stream[str]) -> None:
            async for order in stream:
                self.seen.append(current_test())
                if order != "slow":
                    await self.case.done.send("shipped")

    async def order(self, order: str) -> TestExecution | None:
        async with self.case.maybe_trigger(None, order) as test:
            await self.orders.send(value=order)
        return test

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[Any]]:
        """Run both; yields the reports as they come."""
        reports: list[Any] = []

        @self.app.agent(self.app.topic("livecheck-report", value_type=faust.livecheck.TestReport))
        async def read(stream: faust.Stream[Any]) -> None:
            async for report in stream:
                reports.append(report)

        async with self.livecheck, self.app:
            yield reports


async def test_a_test_follows_an_order_through_the_application():
    shop = Shop()
    async with shop.running() as reports:
        test = await shop.order("book")
        await until(lambda: reports)
        await until(lambda: not len(shop.livecheck.signals_received))
    assert shop.ran == ["book"]
    assert [found.id for found in shop.seen if found] == [test.id], "headers go from record to record"
    (report,) = reports
    assert (report.state, report.case_name, report.test.id) == ("PASS", "order", test.id)
    assert set(report.signal_latency) == {"taken", "done"}
    assert report.runtime > 0
    assert shop.case.status is State.PASS
    assert shop.case.total_by_state == {State.PASS: 1}
    assert current_test() is None


@pytest.mark.parametrize(
    ("order", "state", "error"),
    [("wrong", "FAIL", "another"), ("slow", "TIMEOUT", "signal done"), ("odd", "ERROR", "odd")],
)
async def test_how_a_test_ends_is_reported(order, state, error):
    shop = Shop()
    async with shop.running() as reports:
        await shop.order(order)
        await until(lambda: reports)
    assert reports[0].state == state
    assert error in reports[0].error
    assert "run" in reports[0].traceback
    assert shop.case.status is State(state)
    assert shop.case.total_failures == 1


async def test_what_belongs_to_no_test_sends_no_signal():
    shop = Shop()
    async with shop.running() as reports:
        await shop.orders.send(value="book")
        await until(lambda: shop.seen)
        assert shop.seen == [None]
        await shop.order("book")
        await until(lambda: reports)
    assert shop.ran == ["book"]


async def test_tests_begin_by_chance():
    shop = Shop()
    shop.case.probability = 0.0
    async with shop.running():
        assert await shop.order("book") is None


async def test_a_test_that_is_too_old_is_skipped():
    shop = Shop(test_expires=0.0)
    async with shop.running() as reports:
        await shop.order("book")
        await until(lambda: shop.case.total_by_state[State.SKIP])
        assert not reports
    assert not shop.ran


async def test_many_failures_in_a_row_are_a_failure_of_the_whole_and_said_once():
    shop = Shop(max_consecutive_failures=2)
    async with shop.running() as reports:
        for _ in range(3):
            await shop.order("odd")
        await until(lambda: len(reports) >= 4)
    assert [report.state for report in reports if report.test is None] == ["FAIL"]


async def test_a_case_without_tests_is_stalled():
    shop = Shop(warn_stalled_after=0.05)
    async with shop.running() as reports:
        await until(lambda: reports)
    assert reports[0].state == "STALL"
    assert reports[0].test is None
    assert shop.case.status is State.STALL


async def test_a_case_may_make_its_own_requests():
    shop = Shop()
    made = asyncio.Event()

    @shop.livecheck.case(name="fakes", frequency=0.02)
    class Fakes:
        async def run(self) -> None: ...

        async def make_fake_request(self) -> None:
            made.set()

    async with shop.running():
        await made.wait()


async def test_requests_carry_the_test_and_are_tried_again():
    headers: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append(dict(self.headers))
            self.send_response(500 if len(headers) == 1 else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    shop = Shop(url_error_delay_min=0.0, url_error_retries=1)
    try:
        from faust.livecheck.locals import testing

        test = TestExecution("t1", "order", now := dt.datetime.now(dt.UTC), [], {}, now)
        with testing(test):
            assert await shop.case.get_url(f"http://127.0.0.1:{server.server_port}/") == b"ok"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert TestExecution.from_headers(headers[1]).id == "t1"
    with pytest.raises(ConfigError, match="no HTTP address"):
        await shop.case.get_url("file:///etc/passwd")


async def test_a_request_to_an_asgi_application_belongs_to_its_test():
    now = dt.datetime.now(dt.UTC)
    test = TestExecution("t1", "order", now, [], {}, now)
    seen = []

    async def inner(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(current_test())

    pairs = [(name.lower().encode(), value.encode()) for name, value in test.as_headers().items()]
    await LiveCheckMiddleware(inner)({"type": "http", "headers": pairs}, None, None)
    await LiveCheckMiddleware(inner)({"type": "http", "headers": []}, None, None)
    assert seen[0].id == "t1"
    assert seen[1] is None


@pytest.mark.parametrize(
    "headers", [{}, {"LiveCheck-Test-Id": "x"}, {"LiveCheck-Test-Id": "x", "LiveCheck-Test-Name": "y",
    "LiveCheck-Test-Timestamp": "no time", "LiveCheck-Test-Expires": "never"}],
)  # fmt: skip
def test_headers_that_are_none_or_broken_are_no_test(headers):
    assert TestExecution.from_headers(headers) is None


async def test_what_cannot_be_is_refused():
    shop = Shop()
    with pytest.raises(LiveCheckError, match=r"in Case.run only"):
        await shop.case.taken.wait()
    with pytest.raises(LiveCheckError, match="needs a key="):
        await shop.case.taken.send(force=True)
    with pytest.raises(ConfigError, match="async def run"):
        shop.livecheck.case()(type("Empty", (), {}))

    class Fine:
        async def run(self) -> None: ...

    with pytest.raises(ConfigError, match="already"):
        shop.livecheck.case(name="order")(Fine)
    with pytest.raises(ConfigError, match="probability=2"):
        shop.livecheck.case(name="a", probability=2)(Fine)
    with pytest.raises(ConfigError, match="no option 'propability'"):
        shop.livecheck.case(name="b", propability=1)(Fine)


def test_a_livecheck_application_has_the_settings_of_what_it_tests():
    app = faust.App("shop", broker="kafka://elsewhere:1", topic_partitions=3)
    livecheck = app.LiveCheck()
    assert livecheck.conf.id == "livecheck-shop"
    assert livecheck.conf.broker == app.conf.broker
    assert livecheck.conf.topic_partitions == 3
    assert livecheck.conf.web_port == 9999
    assert [topic.get_topic_name() for topic in (livecheck.pending_tests, livecheck.bus, livecheck.reports)] == [
        "livecheck", "livecheck-bus", "livecheck-report",
    ]  # fmt: skip
