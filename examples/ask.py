"""Ask an agent and get its answer: remote procedure calls through topics.

Run it by `python ask.py`.  It ends by itself.
"""

import asyncio
from collections.abc import AsyncIterator

import faust

app = faust.App("ask-app", broker="kafka://localhost")


@app.agent(value_type=int)
async def square(numbers: faust.Stream[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield number * number


async def main() -> None:
    # The worker may as well be another process; then `await app.start_client()` is enough here.
    async with app:
        answers = await asyncio.gather(*(square.ask(number, timeout=30.0) for number in range(5)))
        print(f"the squares are {answers}")


if __name__ == "__main__":
    asyncio.run(main())
