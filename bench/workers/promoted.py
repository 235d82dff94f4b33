"""The worker of `bench/promotion.py`: each event changes a large table and is answered with this worker's name."""

import sys
from typing import Any

import faust
from bench.workers.meter import setting

PARTITIONS = int(setting("PARTITIONS"))
NAME = setting("NAME").encode()

app = faust.App(
    setting("APP"),
    broker=f"kafka://{setting('BOOTSTRAP')}",
    store=setting("STORE"),
    datadir=setting("STATE"),
    topic_partitions=PARTITIONS,
    broker_session_timeout=float(setting("SESSION_TIMEOUT")),
    broker_heartbeat_interval=float(setting("SESSION_TIMEOUT")) / 3,
    table_standby_replicas=1,
)
source = app.topic(setting("SOURCE"), value_type=dict, value_serializer="json")
target = app.topic(setting("TARGET"), value_type=bytes, value_serializer="raw")
states = app.Table("states", key_type=str, value_type=str, partitions=PARTITIONS)


@app.agent(source)
async def process(stream: faust.Stream[dict[str, Any]]) -> None:
    """Change the key's value, and say who did."""
    async for event in stream.events():
        key = event.value["account_id"]
        states[key] = states[key]
        await target.send(value=NAME, partition=event.message.partition)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "info", "--without-web"]
    app.main()
