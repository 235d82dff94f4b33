"""Orders, counted by account: an agent, a table, a `group_by` and a timer, without any broker.

Run it by `python3 run.py demo`.  It ends by itself.
"""

import asyncio
import random

import faust

ORDERS = 20_000
ACCOUNTS = 50


class Order(faust.Record, serializer="json"):
    """One line of somebody's order."""

    account_id: str
    product_id: str
    amount: int
    price: float


app = faust.App("faust-demo", broker="memory://", topic_partitions=4)
orders = app.topic("orders", value_type=Order)
order_count = app.Table("order-count", default=int, key_type=str, value_type=int)
turnover = app.Table("turnover", default=float, key_type=str, value_type=float)

counted = 0


@app.agent(orders)
async def count(stream: faust.Stream[Order]) -> None:
    """Count orders and turnover by account; all orders of an account meet in one partition."""
    global counted  # noqa: PLW0603  a program of one file
    async for order in stream.group_by(Order.account_id):
        order_count[order.account_id] += 1
        turnover[order.account_id] += order.amount * order.price
        counted += 1


@app.timer(interval=0.2)
async def progress() -> None:
    """Say how far it is."""
    print(f"  {counted:>6} of {ORDERS} orders counted")


async def main() -> None:
    """Send orders, wait until they are counted, show the tables."""
    rng = random.Random(7)
    async with app:
        print(f"{ORDERS} orders of {ACCOUNTS} accounts go into the topic 'orders' …")
        for number in range(ORDERS):
            await orders.send(
                value=Order(
                    account_id=f"account-{rng.randrange(ACCOUNTS):03}",
                    product_id=f"product-{number % 100}",
                    amount=rng.randrange(1, 5),
                    price=rng.randrange(100, 10_000) / 100,
                )
            )
        while counted < ORDERS:
            await asyncio.sleep(0.05)
        best = sorted(turnover.items(), key=lambda item: -item[1])[:5]
        print("\nThe five accounts with the highest turnover:")
        for account_id, amount in best:
            print(f"  {account_id}  {order_count[account_id]:>5} orders  {amount:>12,.2f}")
        total = sum(order_count.values())
    print(f"\n{total} orders in the table, {ORDERS} sent: {'equal' if total == ORDERS else 'NOT EQUAL'}.")
    if total != ORDERS:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
