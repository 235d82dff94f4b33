# needs: faust_core.testing
"""Agents over channels, tests, services: what is in them is known."""

from typing import reveal_type

import faust
from faust.testing import BlockingTestDriver

app = faust.App("orders", broker="kafka://localhost")
topic = app.topic("orders", key_type=str, value_type=int)
counts = app.Table("counts", key_type=str, default=int)
channel = app.channel(key_type=str, value_type=float, maxsize=10)
untyped = app.channel()


@app.agent(channel, concurrency=2, on_error="skip", name="a")
async def over_channel(stream: faust.Stream[float]) -> None:
    """Values of a channel."""
    async for value in stream:
        reveal_type(value)  # is: float


@app.agent("names", value_type=str, sink=[channel], isolated_partitions=True)
async def named(stream: faust.Stream[str]) -> None:
    """A topic by name."""


app.agent(topic, partitions=3)  # error: call-overload


@app.service
class Clock(faust.Service):
    """A service."""

    @faust.Service.timer(1.0)
    async def tick(self) -> int:
        """Tell the time."""
        return 1


@app.command
def show() -> None:
    """Show it."""


@app.command(name="other")
async def other() -> int:
    """Another one."""
    return 1


async def asked() -> None:
    """Answers are whatever was yielded."""
    reveal_type(over_channel)  # is: Agent[float]
    reveal_type(named)  # is: Agent[str]
    reveal_type(channel)  # is: Channel[str, float]
    reveal_type(untyped)  # is: Channel[Any, Any]
    reveal_type(await channel.get())  # is: Event[str, float]
    reveal_type(app.stream(channel))  # is: Stream[float]
    await channel.put("text")  # error: arg-type
    reveal_type(await named.join(["a"]))  # is: list[Any]
    reveal_type(named.actors[0].state)  # is: str
    reveal_type(await Clock().tick())  # is: int
    reveal_type(Clock().started)  # is: bool


async def tested() -> None:
    """The driver knows what topics and tables hold."""
    async with faust.TestDriver(app) as driver:
        await driver.put(topic, 1, 2, key="k")
        await driver.put(topic, "text")  # error: misc
        await driver.advance(10)
        reveal_type(driver.read(topic)[0].key)  # is: str
        reveal_type(driver.read_values(topic))  # is: list[int]
        reveal_type(driver.read_values("any"))  # is: list[Any]
        reveal_type(driver.table(counts))  # is: dict[str, int]
    async with named.test_context() as agent:
        reveal_type(agent.results)  # is: dict[int, Any]


def tested_without_await() -> None:
    """The same, blocking."""
    with faust.TestDriver(app, topic_partitions=3) as driver:
        reveal_type(driver)  # is: BlockingTestDriver
        driver.put(topic, 1)
        reveal_type(driver.read(topic)[0].value)  # is: int
        blocking: BlockingTestDriver = driver
        blocking.settle()
