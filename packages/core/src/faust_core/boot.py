"""Which parts of an application are started: for programs that send only, or serve nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["BootStrategy"]


class BootStrategy:
    """Set on a class of applications: `class Sender(faust.App): BootStrategy = SendsOnly`.

    Attributes:
        enable_kafka_consumer: False connects for sending and asking, and processes nothing.
        enable_web: False serves no HTTP, whatever the settings say; None leaves it to them.
        enable_kafka, enable_kafka_producer, enable_sensors: accepted, without effect: sending connects when it is
            needed.
    """

    enable_kafka = True
    enable_kafka_producer: bool | None = None
    enable_kafka_consumer = True
    enable_web: bool | None = None
    enable_sensors = True

    def __init__(
        self,
        app: Any,
        *,
        enable_web: bool | None = None,
        enable_kafka: bool | None = None,
        enable_kafka_producer: bool | None = None,
        enable_kafka_consumer: bool | None = None,
        enable_sensors: bool | None = None,
    ) -> None:
        self.app = app
        given = {
            "enable_web": enable_web,
            "enable_kafka": enable_kafka,
            "enable_kafka_producer": enable_kafka_producer,
            "enable_kafka_consumer": enable_kafka_consumer,
            "enable_sensors": enable_sensors,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
