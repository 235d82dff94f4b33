"""Asking tables: from Python, and over HTTP.  Any worker answers, whichever has the key.

Run it by `python queries.py`.  It ends by itself.
"""

import asyncio
import json
from typing import Any
from urllib.request import urlopen

import faust

# A worker, `faust -A queries worker`, serves HTTP by itself; inside another program it is told to.
app = faust.App("points-app", broker="kafka://localhost", web_enabled=True, web_port=0)
points_topic = app.topic("points", key_type=str, value_type=int)
points = app.Table("points-by-name", key_type=str, value_type=int, default=int)


@app.agent(points_topic)
async def add_points(stream: faust.Stream[int]) -> None:
    async for name, number in stream.items():
        points[name] += number


async def ask_in_python() -> None:
    print(f"ada has {await points.query('ada')} points")
    print(f"ada and bob: {await points.query_many(['ada', 'bob', 'nobody'])}")
    print(f"names with a: {sorted([item async for item in points.query_items(prefix='a')])}")


def get(path: str) -> Any:
    with urlopen(f"{app.url}{path}") as answer:
        return json.load(answer)


async def ask_over_http() -> None:
    print(f"over HTTP: {await asyncio.to_thread(get, '/table/points-by-name/ada')}")
    page = await asyncio.to_thread(get, "/table/points-by-name?limit=1000")
    print(f"and all of them: {sorted(item['key'] for item in page['items'])}")


async def main() -> None:
    async with app:
        for name, number in (("ada", 2), ("bob", 2), ("ada", 3), ("alan", 1)):
            await points_topic.send(key=name, value=number)
        while await points.query("ada") != 5 or len(await points.query_many(["bob", "alan"])) < 2:
            await asyncio.sleep(0.1)  # they are counted soon
        await ask_in_python()
        await ask_over_http()


if __name__ == "__main__":
    asyncio.run(main())
