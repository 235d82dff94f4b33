"""Values with Avro schemas in a schema registry, and a table of them.

Run it by `python schemas.py worker`, with the registry's URL in `SCHEMA_REGISTRY_URL`.
"""

import os

import faust
from faust_schema_registry import SchemaRegistry


class Order(faust.Record):
    customer: str
    amount: float


class Total(faust.Record):
    orders: int = 0
    amount: float = 0.0


registry = SchemaRegistry(os.environ.get("SCHEMA_REGISTRY_URL", "http://localhost:8081"))

app = faust.App("order-totals", broker="kafka://localhost")
# The schema is made of the type, and registered as `order-totals-orders-value`.
orders_topic = app.topic("order-totals-orders", value_type=Order, value_serializer=registry.avro(name="shop.Order"))
totals = app.Table("totals", value_type=Total, default=Total, value_serializer=registry.avro(name="shop.Total"))


@app.agent(orders_topic)
async def add_up(orders: faust.Stream[Order]) -> None:
    async for order in orders.group_by(Order.customer):
        total = totals[order.customer]
        totals[order.customer] = Total(total.orders + 1, total.amount + order.amount)
        print(f"{order.customer}: {total.orders + 1} orders, {total.amount + order.amount:.2f}")


@app.task
async def somebody_orders() -> None:
    for amount in (10.0, 2.5):
        await orders_topic.send(key="ada", value=Order("ada", amount))


if __name__ == "__main__":
    app.main()
