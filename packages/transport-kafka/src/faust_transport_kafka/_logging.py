"""Log lines of the client libraries, without the floods: one line per change of state."""

from __future__ import annotations

import logging
import re
import time

__all__ = ["Reachability", "RepeatFilter", "quiet_drivers"]

log = logging.getLogger("faust_transport_kafka")

#: The same line of a client library is shown again after this many seconds: an outage stays visible.
REPEAT_AFTER_S = 60.0
MAX_REMEMBERED = 256

DRIVERS = (
    "faust_transport_kafka.librdkafka",
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.consumer.subscription_state",
    "aiokafka.producer.sender",
)


class RepeatFilter(logging.Filter):
    """Drops a line that differs only in numbers from one shown within the last minute."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line = re.sub(r"\d+", "#", record.getMessage())
        now = time.monotonic()
        if now - self._shown.get(line, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        if len(self._shown) >= MAX_REMEMBERED:
            self._shown.clear()
        self._shown[line] = now
        return True


def quiet_drivers() -> None:
    """Put the filter on the client libraries' loggers.  Idempotent."""
    for name in DRIVERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, RepeatFilter) for present in logger.filters):
            logger.addFilter(RepeatFilter())


class Reachability:
    """Says once that the brokers are away, and once that they are back.  Any thread may call it."""

    def __init__(self, who: str, brokers: str) -> None:
        self._who = who
        self._brokers = brokers
        self._away = False

    def lost(self, reason: str) -> None:
        if not self._away:
            self._away = True
            log.warning("%s: no broker answers at %s; waiting: %s", self._who, self._brokers, reason)

    def found(self) -> None:
        if self._away:
            self._away = False
            log.info("%s: the brokers at %s answer again", self._who, self._brokers)
