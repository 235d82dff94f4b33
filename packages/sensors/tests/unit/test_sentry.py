"""Sentry's own SDK, with a transport that collects."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from faust_core.testing import TestDriver
from faust_sensors.sentry import handler_from_dsn, setup

DSN = "http://key@127.0.0.1:1/1"


class Collecting(Transport):
    """Keeps what would go to the server."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def transport() -> Iterator[Collecting]:
    transport = Collecting()
    root = logging.getLogger()
    before = list(root.handlers)
    yield transport
    root.handlers[:] = before
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().clear()
    sentry_sdk.get_global_scope().set_client(None)


async def test_an_agents_error_is_sent_once_with_the_record_that_it_is_about(transport, make_application):
    app, numbers = make_application()
    setup(app, dsn=DSN, transport=transport)
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, 1, -1)
    (event,) = transport.events
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    assert event["level"] == "error"
    assert event["tags"]["faust.app"] == "watched"
    assert event["tags"]["faust.topic"] == "numbers"
    assert str(event["tags"]["faust.partition"]) == "0"
    assert event["extra"]["faust.offset"] == 1


def test_from_which_level_on_is_said(transport, make_application):
    app, _ = make_application()
    handler = setup(app, dsn=DSN, loglevel=logging.ERROR, transport=transport)
    assert handler in logging.getLogger().handlers
    logging.getLogger("mine").warning("not this")
    logging.getLogger("mine").error("this")
    assert [event["logentry"]["message"] for event in transport.events] == ["this"]


def test_without_a_dsn_nothing_is_done(make_application):
    app, _ = make_application()
    before = list(logging.getLogger().handlers)
    assert setup(app) is None
    assert handler_from_dsn() is None
    assert logging.getLogger().handlers == before


async def test_a_record_that_cannot_be_decoded_is_sent_as_well(transport, make_application):
    app, _ = make_application()
    setup(app, dsn=DSN, transport=transport)
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put("numbers", b"nonsense")
    assert transport.events
    assert "cannot decode the value of numbers/0 at offset 0" in str(transport.events[0]["logentry"])
