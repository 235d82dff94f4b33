"""What is done with orders."""

import faust
from shop.faustapp import app
from shop.orders.models import Account


class Order(faust.Record):
    account: str
    amount: int


orders = app.topic("django-orders", value_type=Order)


@app.agent(orders)
async def add_up(stream):
    async for order in stream:
        account, _ = await Account.objects.aget_or_create(name=order.account)
        account.total += order.amount
        await account.asave()
        print(f"{account.name}: {account.total}", flush=True)


@app.timer(interval=0.2)
async def place_order():
    await add_up.send(value=Order(account="ann", amount=5))


@app.command()
async def totals(self):
    """Show the accounts in the database."""
    async for account in Account.objects.all():
        self.say(f"{account.name} {account.total}")
