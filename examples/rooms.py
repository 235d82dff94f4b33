"""Operators of streams and kinds of topics: batches, copies, records that belong to an event, a pattern.

Run it by `python rooms.py worker -l info`.
"""

import itertools
from datetime import timedelta

import faust


class Reading(faust.Record, serializer="json"):
    room: str
    celsius: float


app = faust.App("rooms-app", broker="kafka://localhost")
readings_topic = app.topic("room-readings", key_type=str, value_type=Reading)
# Only sent to; made at the start, since it says how many partitions it has.
hottest_topic = app.topic("room-hottest", value_type=Reading, partitions=1, retention=timedelta(days=7))
alarm_topics = {
    room: app.topic(f"room-alarms-{room}", value_type=Reading, partitions=1) for room in ("cellar", "attic")
}
# All topics whose whole name matches, also those that are made later.
all_alarms = app.topic(pattern=r"room-alarms-.*", value_type=Reading)


# Up to ten readings of one partition, none of which waits longer than half a second.
@app.agent(readings_topic)
async def find_hottest(readings: faust.Stream[Reading]) -> None:
    possible = readings.filter(lambda reading: reading.celsius > -50)
    async for events in possible.take_events(10, within=0.5):
        hottest = max(events, key=lambda event: event.value.celsius)
        await hottest.forward(hottest_topic)
        print(f"hottest of {len(events)}: {hottest.value.room} with {hottest.value.celsius:.0f} °C")


# What is attached to an event is written when the event is done, and never where its body raises.
@app.agent(readings_topic)
async def warn(readings: faust.Stream[Reading]) -> None:
    async for event in readings.events():
        if event.value.celsius > 30:
            event.attach(alarm_topics[event.value.room], headers={"limit": "30"})


# An event of `noack()` is done when the program says so.
@app.agent(all_alarms)
async def show(alarms: faust.Stream[Reading]) -> None:
    async for event in alarms.noack().events():
        limit = (event.headers["limit"] or b"").decode()
        print(f"{event.message.topic}: {event.value.celsius:.0f} °C is more than {limit}")
        event.ack()


temperatures = itertools.cycle([("cellar", 12.0), ("attic", 35.0), ("attic", -99.0)])


# In real life thermometers write the readings.
@app.timer(interval=0.1)
async def measure() -> None:
    room, celsius = next(temperatures)
    metadata = await (await readings_topic.send(key=room, value=Reading(room=room, celsius=celsius)))
    if metadata.offset == 0:
        print(f"the first reading of partition {metadata.partition} is written")


if __name__ == "__main__":
    app.main()
