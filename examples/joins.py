"""Joins: orders with their payments, with the customer of the moment, and a list that follows both tables.

Run it by `python joins.py worker -l info`.
"""

import datetime as dt
import itertools
import random

import faust


class Order(faust.Record):
    order_id: str
    customer: str
    amount: float


class Customer(faust.Record):
    name: str
    city: str


app = faust.App("joins", broker="kafka://localhost", broker_commit_interval=0.5)
orders_topic = app.topic("joins-orders", key_type=str, value_type=Order)  # by order
payments_topic = app.topic("joins-payments", key_type=str, value_type=float)  # by order
customers_topic = app.topic("joins-customers", key_type=str, value_type=Customer)  # by customer

orders = app.Table("orders", key_type=str, value_type=Order)
customers = app.Table("customers", key_type=str, value_type=Customer)


# Two streams, within an interval.
@app.agent(orders_topic)
async def pay(stream: faust.Stream[Order]) -> None:
    paid = stream.left_join(payments_topic.stream(), within=dt.timedelta(seconds=1), grace=0.5)
    async for order, payment in paid:
        print(f"order {order.order_id} " + ("is not paid" if payment is None else f"is paid: {payment:.2f}"))


# A stream and a table: what the table has when the record comes.
@app.agent(orders_topic)
async def greet(stream: faust.Stream[Order]) -> None:
    async for order, customer in stream.join(customers, on=Order.customer):
        print(f"{customer.name if customer else 'a stranger'} has ordered {order.order_id}")


# Two tables: each row of the left one with the row of the right one that it names.
@app.agent(orders.join(customers, on=Order.customer))
async def deliver(changes: faust.Stream[tuple[str, tuple[Order, Customer] | None]]) -> None:
    async for order_id, pair in changes:
        if pair is None:
            print(f"nothing to deliver for {order_id}")
        else:
            print(f"deliver {order_id} to {pair[1].city}")


@app.agent(orders_topic)
async def keep_orders(stream: faust.Stream[Order]) -> None:
    async for order_id, order in stream.items():
        orders[order_id] = order


@app.agent(customers_topic)
async def keep_customers(stream: faust.Stream[Customer]) -> None:
    async for customer_id, customer in stream.items():
        customers[customer_id] = customer


# In real life a shop writes them.
numbers = itertools.count()


@app.timer(interval=0.1)
async def somebody_orders() -> None:
    number = next(numbers)
    customer = f"customer-{number % 3}"
    if number % 5 == 0:
        city = random.choice(("Paris", "Rome"))
        await customers_topic.send(key=customer, value=Customer(name=customer.title(), city=city))
    order_id = f"order-{number}"
    await orders_topic.send(key=order_id, value=Order(order_id=order_id, customer=customer, amount=10.0))
    if number % 2:
        await payments_topic.send(key=order_id, value=10.0)


if __name__ == "__main__":
    app.main()
