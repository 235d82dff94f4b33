"""Final results: each second's page views are reported once, when the second is over.

Run it by `python final_counts.py worker -l info`.
"""

import datetime as dt
import random

import faust
from faust.windows import LateEvent

app = faust.App("final-counts", broker="kafka://localhost")
views = app.topic("page-views", key_type=str, value_type=int)


def report_late(late: LateEvent) -> None:
    print(f"too late by {late.stream_time - late.timestamp:.1f} s: {late.key}")


views_per_second = app.Table("views-per-second", default=int).tumbling(
    dt.timedelta(seconds=1),
    grace=dt.timedelta(seconds=0.5),  # events may be half a second late
    on_late=report_late,
)


@app.agent(views)
async def count(stream: faust.Stream[int]) -> None:
    async for page, number in stream.items():
        views_per_second[page] += number


@app.agent(views_per_second.closed())
async def report(closed: faust.Stream[tuple[tuple[str, tuple[float, float]], int]]) -> None:
    async for (page, (start, _end)), total in closed:
        second = dt.datetime.fromtimestamp(start, dt.UTC)
        print(f"{second:%H:%M:%S} {page} was viewed {total} times")


# In real life a web server writes them.
@app.timer(interval=0.02)
async def somebody_looks() -> None:
    await views.send(key=random.choice(("/", "/shop")), value=1)


if __name__ == "__main__":
    app.main()
