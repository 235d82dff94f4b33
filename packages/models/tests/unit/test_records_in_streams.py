"""Records that are not what their topic's model says: the message names topic, partition, offset and field."""

from __future__ import annotations

import asyncio

import pytest

from faust_core import App, Stream
from faust_core.memory import Broker
from faust_models import Record


class Line(Record, serializer="json"):
    """A part of an order."""

    product: str
    amount: int


class Order(Record, serializer="json"):
    """What the topic holds."""

    account: str
    lines: list[Line]


GOOD = b'{"account":"a","lines":[]}'
BAD = {
    "undecodable": (b"{", "Input data was truncated"),
    "another type in a field of a field": (
        b'{"account":"a","lines":[{"product":"p","amount":"x"}]}',
        "Expected `int`, got `str` - at `$.lines[0].amount`",
    ),
    "a missing field": (b'{"lines":[]}', "Object missing required field `account`"),
    "null": (None, "it is null"),
    "another type": (b"[1]", "Expected `object`, got `array`"),
    "a mebibyte of something else": (b'"' + b"x" * (1 << 20) + b'"', "Expected `object`, got `str`"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_record_that_is_not_its_model_says_where_it_stands_and_which_field(bad: str) -> None:
    broker = Broker()
    app = App("app", broker=broker.url, broker_commit_interval=0.05)
    seen: list[str] = []

    @app.agent(app.topic("orders", value_type=Order))
    async def agent(orders: Stream[Order]) -> None:
        async for order in orders:
            seen.append(order.account)

    data, reason = BAD[bad]
    broker.create_topic("orders", 1, {"max.message.bytes": str(2 << 20)})
    for value in (GOOD, data, GOOD):
        broker.append("orders", value, None, 0)
    async with app, asyncio.timeout(10):
        while len(seen) < 2 or "app-dead-letter" not in broker.topics:  # noqa: ASYNC110  it looks from outside
            await asyncio.sleep(0.005)
    assert seen == ["a", "a"]
    [letter] = broker.records("app-dead-letter")
    headers = dict(letter.headers)
    message = (headers["Faust-Error-Message"] or b"").decode()
    assert message.startswith("cannot decode the value of orders/0 at offset 1: ")
    assert reason in message
    assert (headers["Faust-Error-Type"], letter.key) == (b"ValueDecodeError", None)
