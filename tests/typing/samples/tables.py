# needs: faust_core.app
"""Tables: what their methods take and return."""

from typing import reveal_type

import faust

app = faust.App("orders", broker="kafka://localhost")

counts = app.Table("counts", key_type=str, value_type=int, default=int, store="memory://", on_change=print)
reveal_type(counts.items())  # is: TableItems[str, int]
reveal_type(counts.copy())  # is: dict[str, int]
reveal_type(counts | {"a": 1})  # is: dict[str, int]
reveal_type(list(counts.values()))  # is: list[int]
reveal_type(counts.on(3)["a"])  # is: int
counts.on(3)["a"] = "one"  # error: assignment
reveal_type(counts.partition_for_key("a"))  # is: int


async def read() -> None:
    """Read without holding up others."""
    reveal_type(await counts.fetch("a"))  # is: int
    reveal_type(await counts.fetch_many(["a"]))  # is: dict[str, int]


async def ask() -> None:
    """Ask whichever worker has the key."""
    reveal_type(await counts.query("a"))  # is: int
    reveal_type((await counts.query_answer("a")).lag)  # is: int | None
    reveal_type(await counts.query_many(["a"]))  # is: Answers[str, int]
    reveal_type((await counts.query_page(prefix="a")).items)  # is: Sequence[tuple[str, int]]
    reveal_type([item async for item in counts.query_items()])  # is: list[tuple[str, int]]
    await counts.query(5)  # error: arg-type


rates = app.GlobalTable("rates", key_type=str, value_type=float, default=float, partitions=1)
reveal_type(rates)  # is: GlobalTable[str, float]
reveal_type(rates["EUR"])  # is: float

members = app.SetTable("members", key_type=str, value_type=int)
reveal_type(members)  # is: SetTable[str, int]
members["a"].add(1)
members["a"] |= {2}
members["a"].add("one")  # error: arg-type
reveal_type(members["a"].copy())  # is: set[int]
reveal_type(app.SetGlobalTable("groups", key_type=str, value_type=str))  # is: SetGlobalTable[str, str]


async def change() -> None:
    """Change a set from anywhere."""
    await members.manager.add("a", 1)
    reveal_type(await members.query("a"))  # is: set[int]
