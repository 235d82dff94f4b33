"""Orders, treated in three ways at once: sent on, counted where they are, counted after a `group_by`."""

from pathlib import Path

import faust
from tests.e2e.apps.probes import counters, make_app, setting

app = make_app()


def first_time() -> bool:
    """Whether no worker has failed yet; from now on one has."""
    try:
        raised.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Order(faust.Record, serializer="json"):
    """One order: its number and whose it is."""

    number: int
    account: str


orders = app.topic(f"{app.id}-orders", value_type=Order)
out = app.topic(f"{app.id}-out")
direct = app.Table("direct", default=int, key_type=str, value_type=int)
grouped = app.Table("grouped", default=int, key_type=str, value_type=int)
me = setting("WORKER")
now = counters.now
#: the number of an order on which one worker fails, once, and the file by which all know that it has
raise_at, raised = setting("RAISE_AT"), Path(setting("RAISED", "raised"))


@app.agent(orders)
async def count(stream: faust.Stream[Order]) -> None:
    """Count per account: all orders of one account are in one partition already."""
    async for order in stream:
        direct[order.account] += 1
        now[0] += 1
        if str(order.number) == raise_at and first_time():
            direct["only in the aborted transaction"] = 1
            raise RuntimeError("as told")


@app.agent(orders)
async def forward(stream: faust.Stream[Order]) -> None:
    """Send each order to the partition of the same number, with this worker's name."""
    async for event in stream.events():
        await out.send(value={"number": event.value.number, "worker": me}, partition=event.message.partition)
        now[1] += 1


def account_of(order: Order) -> str:
    """The key to group by; counts what was sent to the repartition topic."""
    now[2] += 1
    return order.account


@app.agent(orders)
async def count_grouped(stream: faust.Stream[Order]) -> None:
    """Count per account, after a hop."""
    async for order in stream.group_by(account_of, name="account"):
        grouped[order.account] += 1
        now[3] += 1


if __name__ == "__main__":
    app.main()
