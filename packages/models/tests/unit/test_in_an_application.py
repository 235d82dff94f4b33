"""Records in topics, tables and dead letters of a running application."""

import asyncio
from itertools import count
from typing import Any

import pytest

faust_core = pytest.importorskip("faust_core.app")

from faust_models import Record  # noqa: E402 - after the check
from faust_models.fields import IntegerField  # noqa: E402
from faust_models.tags import Secret  # noqa: E402

numbers = count()


class Payment(Record, abstract=True):
    amount: int = IntegerField(default=0)


class ByCard(Payment, namespace="app.ByCard", validation=True):
    card: Secret[int] = IntegerField(min_value=10)  # type: ignore[misc] # taken by keyword


class Transfer(Payment, namespace="app.Transfer"):
    iban: str = ""


class Account(Record, namespace="app.Account"):
    total: int
    last: Payment | None = None
    note: str = "none"


async def test_a_topic_of_an_abstract_record_carries_its_subclasses_and_a_table_keeps_them() -> None:
    broker = f"memory://models-{next(numbers)}"
    app = faust_core.App("models", broker=broker, topic_partitions=1)
    topic = app.topic("payments", key_type=str, value_type=Payment)
    letters = app.topic("models-dead-letter", value_type=bytes)
    accounts = app.Table("accounts", key_type=str, value_type=Account, partitions=1)
    seen: list[Any] = []
    dead: list[Any] = []
    done = asyncio.Event()

    @app.agent(topic)
    async def pay(stream: Any) -> None:
        async for key, payment in stream.items():
            seen.append(payment)
            total = accounts[key].total if key in accounts else 0
            accounts[key] = Account(total + payment.amount, payment)

    @app.agent(letters)
    async def bury(stream: Any) -> None:
        async for event in stream.events():
            dead.append(event.headers["Faust-Error-Message"])
            done.set()

    async with app:
        await topic.send(key="ann", value=ByCard(amount=5, card=Secret(4711)))
        await topic.send(key="ann", value=Transfer(7, "DE02"))
        await topic.send(key="ann", value=b'{"amount":1,"card":3,"__faust":{"ns":"app.ByCard"}}')
        async with asyncio.timeout(10):
            await done.wait()
        assert accounts["ann"] == Account(12, Transfer(7, "DE02"))
    assert seen == [ByCard(amount=5, card=Secret(4711)), Transfer(7, "DE02")]
    (message,) = dead
    assert b"ByCard.card: must be at least 10" in message
    assert b"3" not in message.partition(b"ByCard")[2].replace(b"10", b"")
