# needs: faust_core.joins
"""Joins: what pairs are made of."""

from typing import reveal_type

import faust


class Order(faust.Record, serializer="json"):
    """An order."""

    customer: str
    amount: int


class Customer(faust.Record, serializer="json"):
    """A customer."""

    name: str


app = faust.App("joins", broker="kafka://localhost")
orders = app.topic("orders", key_type=str, value_type=Order)
payments = app.topic("payments", key_type=str, value_type=float)
order_table = app.Table("order-table", key_type=str, value_type=Order)
customers = app.Table("customers", key_type=str, value_type=Customer)
rates = app.GlobalTable("rates", key_type=str, value_type=float)


@app.agent(orders)
async def streams(stream: faust.Stream[Order]) -> None:
    """Of streams within an interval."""
    async for order, payment in stream.join(payments.stream(), before=1, after=2, grace=3):
        reveal_type(order)  # is: Order
        reveal_type(payment)  # is: float
    async for pair in stream.left_join(payments.stream(), within=10):
        reveal_type(pair.left)  # is: Order
        reveal_type(pair.right)  # is: float | None
    async for pairs in stream.outer_join(payments.stream(), within=10):
        reveal_type(pairs.left)  # is: Order | None
        reveal_type(pairs.right)  # is: float | None
    reveal_type(stream & payments.stream())  # is: CombinedStream


@app.agent(orders)
async def with_tables(stream: faust.Stream[Order]) -> None:
    """Of a stream and a table."""
    async for pair in stream.join(customers, on=Order.customer):
        reveal_type(pair.right)  # is: Customer | None
    async for order, rate in stream.inner_join(rates):
        reveal_type(order.amount * rate)  # is: float


reveal_type(order_table.join(customers, joiner=lambda o, c: c.name))  # is: TableChanges[str, str | None]


@app.agent(order_table.join(customers, on=Order.customer))
async def changes(stream: faust.Stream[tuple[str, tuple[Order, Customer] | None]]) -> None:
    """Of two tables."""
    async for key, pair in stream:
        reveal_type(key)  # is: str
        if pair is not None:
            reveal_type(pair[1])  # is: Customer


@app.agent(order_table.left_join(customers))
async def row_changes(stream: faust.Stream[tuple[str, tuple[Order, Customer | None] | None]]) -> None:
    """The right one may be missing."""
    async for _, pair in stream:
        if pair is not None:
            reveal_type(pair[1])  # is: Customer | None
