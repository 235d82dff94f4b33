"""Codecs: a chain, a codec of one's own, a schema that reads what older programs wrote.

Run it by `python codecs.py worker`.
"""

from typing import Any

import faust
from faust.serializers import codecs


class Reading(faust.Record):
    sensor: str
    celsius: float


class Lines(faust.Codec):
    """One `name=value` a line, as the sensors send it."""

    def _dumps(self, obj: dict[str, Any]) -> bytes:
        return "\n".join(f"{name}={value}" for name, value in obj.items()).encode()

    def _loads(self, s: bytes) -> dict[str, Any]:
        return dict(line.split("=", 1) for line in s.decode().splitlines())


codecs.register("lines", Lines())


class FromSensor(Reading, coerce=True):
    """The same, made of text alone."""


class Versioned(faust.Schema[Any, Reading]):
    """Values in JSON; a header says who wrote in Fahrenheit."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Reading | None:
        reading = super().loads_value(app, message, loads=loads, serializer=serializer)
        if reading is not None and dict(message.headers).get("unit") == b"F":
            return reading.derive(celsius=round((reading.celsius - 32) / 1.8, 1))
        return reading

    def on_dumps_value_prepare_headers(self, value: Any, headers: Any) -> Any:
        headers.setdefault("unit", "C")
        return headers


app = faust.App("thermometers", broker="kafka://localhost")
# From left to right when writing: lines of text, then base64.
sensors_topic = app.topic("thermometers-sensors", value_type=FromSensor, value_serializer="lines|binary")
archive_topic = app.topic("thermometers-archive", schema=Versioned(value_type=Reading, value_serializer="json"))


@app.agent(sensors_topic)
async def archive(readings: faust.Stream[FromSensor]) -> None:
    async for reading in readings:
        await archive_topic.send(value=Reading(reading.sensor, reading.celsius))


@app.agent(archive_topic)
async def show(readings: faust.Stream[Reading]) -> None:
    async for reading in readings:
        print(f"{reading.sensor}: {reading.celsius} °C")


@app.task
async def measure() -> None:
    await sensors_topic.send(value=FromSensor("kitchen", 21.5))
    old = Reading("attic", 68.0)
    await archive_topic.send(value=old, headers={"unit": "F"})


if __name__ == "__main__":
    app.main()
