"""Orders counted by account: a stream partitioned anew by `group_by`, and a table.

Run it by `python orders.py worker -l info`; start it twice and the accounts are shared out.
"""

import itertools

import faust


# How values are written in the Kafka topic "orders".
class Order(faust.Record, serializer="json"):
    account_id: str
    product_id: str
    amount: int
    price: float


app = faust.App("orders-app", broker="kafka://localhost")
orders_topic = app.topic("orders", value_type=Order)

# Sharded over the workers, each with standby copies on others.
order_count = app.Table("order-count", default=int)


@app.agent(orders_topic)
async def process(orders: faust.Stream[Order]) -> None:
    async for order in orders.group_by(Order.account_id):
        order_count[order.account_id] += 1
        print(f"{order.account_id} has {order_count[order.account_id]} orders")


numbers = itertools.count()


# In real life other programs write the orders.
@app.timer(interval=0.1)
async def somebody_orders() -> None:
    number = next(numbers)
    order = Order(account_id=f"account-{number % 3}", product_id=f"product-{number}", amount=1, price=9.99)
    await orders_topic.send(value=order)


if __name__ == "__main__":
    app.main()
