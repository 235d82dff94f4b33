"""Warn of rooms that are hot for three readings in a row, and of those that have gone silent.

Run it by `faust -A alerts worker`; `pytest` in this folder runs its tests.
"""

import faust


class Reading(faust.Record):
    room: str
    degrees: float


class Alert(faust.Record):
    room: str
    reason: str


app = faust.App("alerts", broker="kafka://localhost")
readings = app.topic("readings", key_type=str, value_type=Reading)
alerts = app.topic("alerts", key_type=str, value_type=Alert)
hot_in_a_row = app.Table("hot-in-a-row", default=int)
last_seen: dict[str, float] = {}


@app.agent(readings)
async def watch(stream: faust.Stream[Reading]) -> None:
    async for reading in stream.group_by(Reading.room):
        if not -60 <= reading.degrees <= 200:
            raise ValueError(f"{reading.room}: {reading.degrees} degrees are not possible")
        last_seen[reading.room] = app.clock.time()
        hot_in_a_row[reading.room] = hot_in_a_row[reading.room] + 1 if reading.degrees > 30 else 0
        if hot_in_a_row[reading.room] == 3:
            await alerts.send(key=reading.room, value=Alert(room=reading.room, reason="hot"))


@app.timer(60.0)
async def find_silent_rooms() -> None:
    for room, seen in list(last_seen.items()):
        if app.clock.time() - seen > 300:
            del last_seen[room]
            await alerts.send(key=room, value=Alert(room=room, reason="silent"))
