"""Applications that cannot start; the test says by E2E_CASE what is wrong."""

from typing import Any

import faust
from tests.e2e.apps.probes import make_app, setting

case = setting("CASE")
options: dict[str, Any] = {}
if case == "forbidden topic":
    options = {"topic_allow_declare": False}
elif case == "wrong credentials":
    options = {"broker_credentials": faust.Credentials(mechanism="PLAIN", username="eve", password="canary-41")}
app = make_app(**options)
events = app.topic(f"{app.id}-{'visits' if case == 'another application' else 'events'}", value_type=str)
table = app.Table("table", default=int, partitions=3 if case == "table of another size" else None)


@app.agent(events)
async def count(stream: faust.Stream[str]) -> None:
    """Count."""
    async for value in stream:
        table[value] += 1


if __name__ == "__main__":
    app.main()
