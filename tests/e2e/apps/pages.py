"""Pages that run on the worker that has the key."""

import os

import faust
from faust import web
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


@app.page("/number/{key}")
@app.table_route(last, match_info="key")
async def number_of(self: web.View, request: web.Request, key: str) -> web.Response:
    """Tell the number, and which process has it."""
    try:
        number = await last.query(key)
    except KeyError:
        raise self.NotFound(f"no number has come for {key}") from None
    return self.json({"number": number, "process": os.getpid(), "local": sorted(last.local_partitions)})


if __name__ == "__main__":
    app.main()
