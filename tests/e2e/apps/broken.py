"""Applications that cannot start; the test says by E2E_CASE what is wrong."""

import faust
from tests.e2e.apps.probes import make_app, setting

case = setting("CASE")
app = make_app(**({"topic_allow_declare": False} if case == "forbidden topic" else {}))
events = app.topic(f"{app.id}-events", value_type=str)
table = app.Table("table", default=int, partitions=3 if case == "table of another size" else None)


@app.agent(events)
async def count(stream: faust.Stream[str]) -> None:
    """Count."""
    async for value in stream:
        table[value] += 1


if __name__ == "__main__":
    app.main()
