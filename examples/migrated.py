"""An application as it was written for the original Faust: nothing in it had to be changed.

Run it by `python migrated.py worker -l info`.
"""

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import faust
from faust import StreamT
from faust.cli import option
from faust.exceptions import Skip
from faust.models.fields import FloatField, StringField
from faust.types import TP, AppT, HeadersArg
from faust.types.core import merge_headers


class Withdrawal(faust.Record, serializer="json", isodates=True):
    account: str = StringField(max_length=20)
    amount: float = FloatField(min_value=0.0)
    country: str | None = None


class Alert(faust.Record):
    account: str
    reason: str


app = faust.App("bank", version=1, key_serializer="raw")
withdrawals = app.topic("bank-withdrawals", key_type=str, value_type=Withdrawal)
alerts = app.topic("bank-alerts", value_type=Alert)
balances = app.Table("bank-balances", default=float)
by_country = app.Table("bank-by-country", default=int).tumbling(timedelta(minutes=10), expires=timedelta(hours=1))


@app.on_configured.connect
def configure(app: AppT, conf: faust.Settings, **kwargs: object) -> None:
    conf.broker_commit_interval = 0.5


@app.on_produce_message.connect
def mark(app: AppT, headers: list[tuple[str, bytes]], **kwargs: object) -> None:
    merge_headers(headers, {"sent-by": app.conf.id})


@app.on_partitions_assigned.connect
async def tell(app: AppT, assigned: set[TP], **kwargs: object) -> None:
    print(f"this worker has {len(assigned)} partitions", flush=True)


def known(withdrawal: Withdrawal) -> Withdrawal:
    if withdrawal.country is None:
        raise Skip
    return withdrawal


@app.agent(withdrawals)
async def add_up(stream: StreamT[Withdrawal]) -> None:
    async for withdrawal in stream.group_by(Withdrawal.account):
        balances[withdrawal.account] -= withdrawal.amount
        if balances[withdrawal.account] < -100:
            await warn.send(value=Alert(account=withdrawal.account, reason="overdrawn"))


@app.agent(withdrawals)
async def count_countries(stream: StreamT[Withdrawal]) -> None:
    stream.add_processor(known)
    async for event in stream.events():
        by_country[event.value.country] += 1
        if by_country[event.value.country].current() == 3:
            print(f"three withdrawals in {event.value.country}", flush=True)


@app.agent(alerts, sink=[lambda account: print(f"told {account}", flush=True)])
async def warn(stream: StreamT[Alert]) -> AsyncIterator[str]:
    async for first_alerts in stream.take(10, within=0.2):
        for alert in first_alerts:
            print(f"{alert.account} is {alert.reason}", flush=True)
            yield alert.account


@app.agent()
async def limit_of(accounts: StreamT[str]) -> AsyncIterator[float]:
    async for account in accounts:
        yield len(account) * 10.0


@app.task
async def ask() -> None:
    print(f"the limit of ada is {await limit_of.ask('ada')}", flush=True)


@app.timer(interval=0.1)
async def withdraw(app: AppT) -> None:
    headers: HeadersArg = {"kind": "example"}
    await withdrawals.send(
        key="cash machine",
        value=Withdrawal(account=random.choice(["ada", "bob"]), amount=30.0, country=random.choice(["fr", None])),
        headers=headers,
    )


@app.crontab("0 0 * * *", on_leader=True)
async def every_midnight() -> None:
    print("a new day", flush=True)


@app.command(option("--amount", type=float, default=1.0))
async def withdraw_once(self, amount: float) -> None:
    """Make one withdrawal."""
    await withdrawals.send(value=Withdrawal(account="ada", amount=amount))
    self.say("sent")


if __name__ == "__main__":
    app.main()
