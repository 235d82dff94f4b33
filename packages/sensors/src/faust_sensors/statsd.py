"""Numbers for StatsD, over UDP."""

from __future__ import annotations

import re
from typing import Any

from faust_sensors.clients import client
from faust_sensors.pushing import Labels, PushingMonitor

__all__ = ["StatsdMonitor"]

#: What means something to StatsD, or to those who store its names in folders.
UNSAFE = re.compile(r"[^a-zA-Z0-9_.\-]+")


class StatsdMonitor(PushingMonitor):
    """`App(monitor=StatsdMonitor(host=…, port=8125, prefix="faust-app"))`.

    A lost datagram loses a second's numbers of that metric; nothing waits for the server, and nothing fails without it.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8125,
        prefix: str = "faust-app",
        rate: float = 1.0,
        **options: Any,
    ) -> None:
        """Args:
            rate: the share of durations that is sent.  Counters are sums, and all of them are sent.

        Raises:
            PluginMissing: the client is not installed.
        """
        self.host = host
        self.port = port
        self.prefix = prefix
        self.rate = rate
        self._statsd = client("statsd", "statsd", "StatsdMonitor")
        super().__init__(**options)

    def make_client(self) -> Any:
        return self._statsd.StatsClient(host=self.host, port=self.port, prefix=self.prefix)

    def close_client(self, client: Any) -> None:
        client.close()

    def send_count(self, name: str, count: int, labels: Labels) -> None:
        self.send(lambda client: client.incr(named(name, labels), count))

    def send_gauge(self, name: str, value: float, labels: Labels) -> None:
        self.send(lambda client: client.gauge(named(name, labels), value))

    def send_timing(self, name: str, milliseconds: float) -> None:
        self.send(lambda client: client.timing(named(name, {}), milliseconds, rate=self.rate))


def named(name: str, labels: Labels) -> str:
    """Return a name with its labels in it, as the original has them: `topic.orders.messages_sent`."""
    values = {label: _safe(value) for label, value in labels.items()}
    if "partition" in values:
        return f"{name}.{values['topic']}.{values['partition']}"
    for label in ("topic", "stream", "table"):
        if label in values:
            return f"{label}.{values[label]}.{name}"
    return ".".join([_safe(name), *values.values()])


def _safe(text: str) -> str:
    return UNSAFE.sub("_", text).strip("_") or "_"
