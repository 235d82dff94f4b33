"""A table in Redis, filled by a worker and read by a Flask application that knows nothing of Kafka.

Run the worker by `python visits.py worker`, and the web pages by `flask --app visits run`.
"""

from __future__ import annotations

import json
import os

import flask
import redis

import faust
from faust_core.partitioner import partition_for

APP_ID = "visits"
PARTITIONS = 8
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = faust.App(APP_ID, broker=os.environ.get("BROKER_URL", "kafka://localhost:9092"), store=REDIS_URL)
visits = app.topic("visits", key_type=str, value_type=str, partitions=PARTITIONS)
pages = app.Table("pages", key_type=str, default=int, partitions=PARTITIONS)


@app.agent(visits)
async def count(stream: faust.Stream[str]) -> None:
    """Count the visits of each page; the page is the record's key."""
    async for event in stream.events():
        pages[event.key] += 1


web = flask.Flask(__name__)
client = redis.Redis.from_url(REDIS_URL)


@web.get("/visits/<page>")
def visits_of(page: str) -> flask.Response:
    """Return how often a page was visited."""
    # The layout of a table in Redis: a hash for each partition, keys and values as JSON.
    partition = partition_for(page.encode(), PARTITIONS)
    value = client.hget(f"faust:{{{APP_ID}:pages:{partition}}}", json.dumps(page, ensure_ascii=False))
    return flask.jsonify(page=page, visits=0 if value is None else int(value))


if __name__ == "__main__":
    app.main()
