"""Orders with payments within an interval, and orders with the customers that they name."""

from typing import Any

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()
orders_topic = app.topic(f"{app.id}-orders", key_type=str, value_type=dict)
payments_topic = app.topic(f"{app.id}-payments", key_type=str, value_type=int)
customers_topic = app.topic(f"{app.id}-customers", key_type=str, value_type=int)
pairs = app.topic(f"{app.id}-pairs")
rows = app.topic(f"{app.id}-rows")
orders = app.Table("orders", key_type=str, value_type=dict, partitions=2)
customers = app.Table("customers", key_type=str, value_type=int, partitions=2)


@app.agent(orders_topic, name="pay")
async def pay(stream: faust.Stream[dict[str, Any]]) -> None:
    """Send each order with its payment, and what has no other half alone."""
    async for order, payment in stream.outer_join(payments_topic.stream(), within=2, grace=4, idle=5):
        await pairs.send(value=[order and order["n"], payment])
        counters.now[0] += 1


@app.agent(orders_topic, name="keep_orders")
async def keep_orders(stream: faust.Stream[dict[str, Any]]) -> None:
    """Fill the left table."""
    async for key, order in stream.items():
        orders[key] = order


@app.agent(customers_topic, name="keep_customers")
async def keep_customers(stream: faust.Stream[int]) -> None:
    """Fill the right table."""
    async for key, version in stream.items():
        customers[key] = version


@app.agent(orders.left_join(customers, on=lambda order: order["c"]), name="follow")
async def follow(changes: faust.Stream[tuple[str, Any]]) -> None:
    """Send each row whenever it changes."""
    async for key, pair in changes:
        await rows.send(key=key, value=[pair[0]["n"], pair[1]])


if __name__ == "__main__":
    app.main()
