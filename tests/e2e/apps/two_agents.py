"""A fast agent and a slow one on the same topic."""

import asyncio

import faust
from tests.e2e.apps.probes import make_app

app = make_app()
events = app.topic(f"{app.id}-events", value_type=int)
fast_out, slow_out = app.topic(f"{app.id}-fast"), app.topic(f"{app.id}-slow")
counts = app.Table("counts", default=int)


@app.agent(events)
async def fast(stream: faust.Stream[int]) -> None:
    """Pass every number on at once."""
    async for number in stream:
        counts["fast"] += 1
        await fast_out.send(value=number)


@app.agent(events)
async def slow(stream: faust.Stream[int]) -> None:
    """Take a while for each."""
    async for number in stream:
        await asyncio.sleep(0.006)
        counts["slow"] += 1
        await slow_out.send(value=number)


if __name__ == "__main__":
    app.main()
