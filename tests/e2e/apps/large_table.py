"""A table with a value per key; each event tells in `out` when it was processed."""

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()
events = app.topic(f"{app.id}-events", key_type=str, value_type=str, value_serializer="raw")
out = app.topic(f"{app.id}-out")
seen = app.Table("seen", key_type=str, value_type=str)


@app.agent(events)
async def remember(stream: faust.Stream[str]) -> None:
    """Keep the last value of each key; answer a `tick`."""
    async for event in stream.events():
        seen[event.key] = event.value
        counters.now[0] += 1
        if event.value.startswith("tick"):
            await out.send(value=event.value, partition=event.message.partition)


if __name__ == "__main__":
    app.main()
