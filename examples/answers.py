"""Ask an agent many questions at once, look at its actors, hand results over in memory, run a service beside it.

Run it by `python answers.py`.  It ends by itself.
"""

import asyncio
from collections.abc import AsyncIterator

import faust

app = faust.App("answers-app", broker="kafka://localhost", on_error="skip")
results = app.channel(value_type=list[float], maxsize=100)


@app.agent(value_type=float, sink=[results])
async def square_root(numbers: faust.Stream[float]) -> AsyncIterator[list[float]]:
    async for batch in numbers.take(100, within=0.05):
        yield [number**0.5 for number in batch]


@app.agent(results)
async def watch(batches: faust.Stream[list[float]]) -> None:
    async for roots in batches:
        print(f"one batch of {len(roots)} done")


@app.agent(value_type=float, on_error=lambda _agent, error: "skip" if isinstance(error, ArithmeticError) else None)
async def inverse(numbers: faust.Stream[float]) -> AsyncIterator[float]:
    async for number in numbers:
        yield 1 / number


@app.service
class Greeter(faust.Service):
    async def on_start(self) -> None:
        print("the greeter starts")

    @faust.Service.timer(0.1)
    async def greet(self) -> None:
        self.log.debug("still here")

    async def on_stop(self) -> None:
        print("the greeter stops")


async def main() -> None:
    async with app:
        roots = await square_root.join([1.0, 4.0, 9.0], timeout=30.0)
        print(f"the roots are {roots}")

        async for answer in inverse.map([4.0, 5.0], timeout=30.0):
            print(f"an inverse is {answer}")

        promise = await inverse.ask_nowait(0.0, timeout=30.0)
        try:
            await promise
        except faust.AgentError as error:
            print(f"no inverse: {error}")

        for actor in square_root.actors:
            print(f"{actor.name.partition('.')[2]} is {actor.state}")


if __name__ == "__main__":
    asyncio.run(main())
