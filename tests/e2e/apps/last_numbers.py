"""The last number of each key, to be asked for."""

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()
events = app.topic(f"{app.id}-events", key_type=str, value_type=int)
last = app.Table("last", key_type=str, value_type=int)


@app.agent(events)
async def keep(stream: faust.Stream[int]) -> None:
    """Keep the number."""
    async for key, number in stream.items():
        last[key] = number
        counters.now[0] += 1


if __name__ == "__main__":
    app.main()
