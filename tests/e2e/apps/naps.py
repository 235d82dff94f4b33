"""An agent that sleeps as its events say, beside one that works steadily; no tables, so their topics are apart."""

import asyncio
import time

import faust
from tests.e2e.apps.probes import counters, make_app, setting

app = make_app()
naps = app.topic(f"{app.id}-naps", value_type=str, value_serializer="raw")
steady = app.topic(f"{app.id}-steady", value_type=str, value_serializer="raw")
out = app.topic(f"{app.id}-out")
me = setting("WORKER")


@app.agent(naps)
async def doze(stream: faust.Stream[str]) -> None:
    """Do what the event says: `block 3`, `await 3`, or `stuck name`, which lasts for ever on that worker."""
    async for order in stream:
        counters.now[2] += 1
        what, _, seconds = order.partition(" ")
        if what == "block":
            time.sleep(float(seconds))  # noqa: ASYNC251  what it is about
        elif what == "await":
            await asyncio.sleep(float(seconds))
        elif what == "stuck" and seconds == me:
            await asyncio.Event().wait()
        counters.now[1] += 1
        await out.send(value={"nap": order, "worker": me}, partition=0)


@app.agent(steady)
async def work(stream: faust.Stream[str]) -> None:
    """Count; take a break first if told."""
    nap = float(setting("FIRST_NAP", "0"))
    async for value in stream:
        if nap:
            await asyncio.sleep(nap)
            nap = 0
        counters.now[0] += 1
        if value.startswith("tick"):
            await out.send(value=value, partition=1)


if __name__ == "__main__":
    app.main()
