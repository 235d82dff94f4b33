"""Counts by key and second of the event's own time; each second's final counts are sent on when it is over."""

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()
events = app.topic(f"{app.id}-events")
out = app.topic(f"{app.id}-out")
counts = (
    app.Table("counts", default=int, key_type=str, value_type=int)
    .tumbling(1, expires=3, grace=0)
    .relative_to_field("at")
)


@app.agent(events)
async def count(stream: faust.Stream[dict[str, object]]) -> None:
    """Count an event in the second of its time."""
    async for event in stream:
        counts[str(event["key"])] += 1
        counters.now[0] += 1


@app.agent(counts.closed())
async def send(closed: faust.Stream[tuple[tuple[str, tuple[float, float]], int]]) -> None:
    """Send what a second came to."""
    async for (key, (start, _end)), number in closed:
        await out.send(value=[key, start, number])


if __name__ == "__main__":
    app.main()
