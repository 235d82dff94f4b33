"""An agent over typed values; one that is told to sends what no broker takes."""

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()
events = app.topic(f"{app.id}-events", key_type=str, value_type=dict[str, int])
out = app.topic(f"{app.id}-out")
sums = app.Table("sums", key_type=str, value_type=int, default=int)

TOO_LARGE = 3 * 1024 * 1024


@app.agent(events)
async def add(stream: faust.Stream[dict[str, int]]) -> None:
    """Add up; a negative number is answered with more than the broker takes."""
    async for key, value in stream.items():
        counters.now[0] += 1
        if value.get("n", 0) < 0:
            await out.send(value="x" * TOO_LARGE)
        sums[str(key)] += sum(len(name) if name.startswith("x") else n for name, n in value.items())


if __name__ == "__main__":
    app.main()
