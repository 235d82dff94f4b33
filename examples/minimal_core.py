"""The smallest installation, `pip install faust-core`: JSON values, no broker, nothing but the standard library.

Run it by `python minimal_core.py`.  It ends by itself.
"""

import asyncio

import faust_core as faust

READINGS = 100

app = faust.App("thermometer", broker="memory://")
readings_topic = app.topic("readings", value_type=dict)
highest = app.Table("highest", default=float)

all_measured = asyncio.Event()


@app.agent(readings_topic)
async def measure(readings: faust.Stream[dict[str, float]]) -> None:
    by_room = readings.group_by(lambda reading: reading["room"], name="room")
    async for number, reading in by_room.enumerate(1):
        highest[reading["room"]] = max(highest[reading["room"]], reading["celsius"])
        if number == READINGS:
            all_measured.set()


async def main() -> None:
    async with app:
        for number in range(READINGS):
            await readings_topic.send(value={"room": f"room-{number % 2}", "celsius": 15.0 + number / 10})
        await asyncio.wait_for(all_measured.wait(), 60)
        for room, celsius in sorted(highest.items()):
            print(f"{room}: at most {celsius} °C")


if __name__ == "__main__":
    asyncio.run(main())
