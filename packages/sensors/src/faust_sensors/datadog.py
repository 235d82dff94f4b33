"""Numbers for Datadog's agent, over UDP."""

from __future__ import annotations

from typing import Any

from faust_sensors.clients import client
from faust_sensors.pushing import Labels, PushingMonitor

__all__ = ["DatadogMonitor"]

#: What the original calls counts of tables.
TABLE = {name: f"table_{name}" for name in ("keys_retrieved", "keys_updated", "keys_deleted")}


class DatadogMonitor(PushingMonitor):
    """`App(monitor=DatadogMonitor(host=…, port=8125, prefix="faust-app"))`: labels are tags."""

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
        self._datadog = client("datadog.dogstatsd", "datadog", "DatadogMonitor")
        super().__init__(**options)

    def make_client(self) -> Any:
        return self._datadog.DogStatsd(
            host=self.host, port=self.port, namespace=self.prefix, disable_telemetry=True, disable_buffering=True
        )

    def close_client(self, client: Any) -> None:
        client.close_socket()

    def send_count(self, name: str, count: int, labels: Labels) -> None:
        # Sums over topics have their parts beside them: Datadog adds tags up by itself.
        if labels or name not in {"messages_received", "messages_sent", "events"}:
            self.send(lambda client: client.increment(TABLE.get(name, name), count, tags=_tags(labels)))

    def send_gauge(self, name: str, value: float, labels: Labels) -> None:
        self.send(lambda client: client.gauge(name, value, tags=_tags(labels)))

    def send_timing(self, name: str, milliseconds: float) -> None:
        self.send(lambda client: client.timing(name, milliseconds, sample_rate=self.rate))


def _tags(labels: Labels) -> list[str]:
    return [f"{name}:{value}" for name, value in labels.items()]
