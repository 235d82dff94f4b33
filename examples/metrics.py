"""Watching an application: its metrics over HTTP, its numbers in the program, a sensor that is told of each event.

Run it by `python metrics.py`.  It ends by itself.
"""

import asyncio
import time
from typing import Any
from urllib.request import urlopen

import faust

app = faust.App("watched-app", broker="kafka://localhost", web_enabled=True, web_port=0, web_metrics_enabled=True)
payments = app.topic("watched-payments", value_type=float)
totals = app.Table("watched-totals", default=float)


@app.agent(payments)
async def add_up(stream: faust.Stream[float]) -> None:
    async for amount in stream:
        totals["all"] += amount
        app.monitor.count("payments")


class Longest(faust.Sensor):
    """Knows how long the slowest event took."""

    seconds = 0.0

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> float:
        return time.monotonic()

    def on_stream_event_out(self, tp: Any, offset: int, stream: Any, event: Any, state: float | None = None) -> None:
        if state is not None:
            self.seconds = max(self.seconds, time.monotonic() - state)


def get_metrics() -> str:
    with urlopen(f"{app.url}/metrics") as answer:
        return bytes(answer.read()).decode()


async def main() -> None:
    longest = Longest()
    app.sensors.add(longest)
    async with app:
        for amount in (5.0, 7.5, 2.5):
            await payments.send(value=amount)
        while app.monitor.events_total < 3:
            await asyncio.sleep(0.1)
        await app.commit()
        await app.monitor.refresh()
        print(f"{app.monitor.events_total} events, {sum(app.monitor.lag.values())} behind")
        print(f"the slowest took {'some time' if longest.seconds > 0 else 'none'}")
        for line in (await asyncio.to_thread(get_metrics)).splitlines():
            if line.startswith(("faust_events_total", "faust_app_counts_total", "faust_records_sent_total")):
                print(line)


if __name__ == "__main__":
    asyncio.run(main())
