"""Clicks counted by URL and hour: records with keys, and a table of windows that expire.

Run it by `python clicks.py worker -l info`.
"""

import datetime as dt
import random

import faust

URLS = ("https://example.com/", "https://example.com/shop", "https://example.com/about")

app = faust.App("clicks-app", broker="kafka://localhost")
clicks_topic = app.topic("clicks", key_type=str, value_type=int)

# One count per URL and hour of the click's own timestamp, kept for a day after the hour's end.
clicks_per_hour = app.Table("clicks-per-hour", default=int).tumbling(
    dt.timedelta(hours=1), expires=dt.timedelta(days=1)
)


@app.agent(clicks_topic)
async def count_clicks(clicks: faust.Stream[int]) -> None:
    async for url, count in clicks.items():
        clicks_per_hour[url] += count
        print(f"{url} clicked {clicks_per_hour[url].current()} times in this hour")


# In real life a web server writes the clicks.
@app.timer(interval=0.1)
async def somebody_clicks() -> None:
    await clicks_topic.send(key=random.choice(URLS), value=1)


if __name__ == "__main__":
    app.main()
