# needs: faust_core.app
"""Agents: what is in a stream is what its topic holds."""

from typing import reveal_type

import faust


class Order(faust.Record, serializer="json"):
    """An order."""

    account: str
    amount: int


app = faust.App("orders", broker="kafka://localhost")
topic = app.topic("orders", key_type=str, value_type=Order)
reveal_type(topic)  # is: Topic[str, Order]


@app.agent(topic)
async def one_by_one(orders: faust.Stream[Order]) -> None:
    """Values."""
    reveal_type(orders)  # is: Stream[Order]
    async for order in orders:
        reveal_type(order)  # is: Order
        order.colour  # error: attr-defined


@app.agent(topic)
async def events(orders: faust.Stream[Order]) -> None:
    """Events."""
    async for event in orders.events():
        reveal_type(event.value)  # is: Order
        reveal_type(event.message.offset)  # is: int


@app.agent(topic)
async def many(orders: faust.Stream[Order]) -> None:
    """Batches, filters, functions of values."""
    async for batch in orders.take(100, within=1.0):
        reveal_type(batch)  # is: list[Order]
    async for amount in orders.filter(lambda order: order.amount > 1).map(lambda order: order.amount):
        reveal_type(amount)  # is: int
    async for number, order in orders.enumerate():
        reveal_type(number)  # is: int
        reveal_type(order)  # is: Order
    async for order in orders.group_by(lambda order: order.account, name="account"):
        reveal_type(order)  # is: Order
