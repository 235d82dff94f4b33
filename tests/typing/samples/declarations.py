# needs: faust_core.app
"""Topics, tables, timers: what a declaration gives back has the types that were declared."""

import datetime as dt
from typing import reveal_type

import faust


class Order(faust.Record, serializer="json"):
    """An order."""

    account: str
    amount: int


app = faust.App("orders", broker="kafka://localhost")

topic = app.topic("orders", key_type=str, value_type=Order)
reveal_type(topic)  # is: Topic[str, Order]
reveal_type(topic.stream())  # is: Stream[Order]
reveal_type(app.stream(topic))  # is: Stream[Order]
reveal_type(app.topic("orders", value_type=Order, partitions=8))  # is: Topic[Any, Order]
reveal_type(app.topic("orders", key_type=str))  # is: Topic[str, Any]
reveal_type(app.topic("anything"))  # is: Topic[Any, Any]
reveal_type(app.topic("lists", value_type=list[int]))  # is: Topic[Any, list[int]]
app.topic("orders", partitions="eight")  # error: call-overload

counts = app.Table("counts", default=int)
reveal_type(counts)  # is: Table[Any, int]
reveal_type(counts["a"])  # is: int
reveal_type(counts.pop("a"))  # is: Any
counts["a"] += 1
counts["a"] = "one"  # error: assignment

reveal_type(app.Table("seen", default=set))  # is: Table[Any, set[Any]]
reveal_type(app.Table("last-ten", default=lambda: [0]))  # is: Table[Any, list[int]]
reveal_type(app.Table("last", key_type=str, value_type=Order))  # is: Table[str, Order]
reveal_type(app.Table("turnover", key_type=str, default=float, partitions=8))  # is: Table[str, float]
reveal_type(app.Table("anything"))  # is: Table[Any, Any]
app.Table("counts", default=0)  # error: call-overload

last = app.Table("last", key_type=str, value_type=Order)
reveal_type(last["a"].amount)  # is: int
last[1] = Order("a", 1)  # error: index

per_hour = app.Table("per-hour", key_type=str, default=int).tumbling(dt.timedelta(hours=1))
reveal_type(per_hour)  # is: WindowedTable[str, int]
reveal_type(per_hour["a"].current())  # is: int
per_hour["a"] += 1


@app.timer(interval=1.0)
async def tick() -> int:
    """A decorated function is still the same function."""
    return 1


@app.task
async def once() -> int:
    """The same."""
    return 1


async def later() -> None:
    """Both can be called."""
    reveal_type(await tick())  # is: int
    reveal_type(await once())  # is: int
