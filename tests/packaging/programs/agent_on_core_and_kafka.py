"""An application with faust-core and faust-transport-kafka only: `python agent_on_core_and_kafka.py BROKER ID`."""

import asyncio
import sys
from collections.abc import AsyncIterator

from faust_core.app import App

broker, app_id = sys.argv[1:]
app = App(app_id, broker=f"kafka://{broker}", web_enabled=False)
topic = app.topic(f"{app_id}-words", value_type=str)
seen = asyncio.Event()


@app.agent(topic)
async def words(stream: AsyncIterator[str]) -> None:
    """Print every word; the last one ends the program."""
    async for word in stream:
        print(word, flush=True)
        if word == "world":
            seen.set()


async def main() -> None:
    """Start the application, send to it, wait until it has seen all."""
    async with app:
        for word in ("hello", "world"):
            await words.send(key=b"greeting", value=word)  # one key is one partition, which has an order
        await asyncio.wait_for(seen.wait(), 60)


asyncio.run(main())
