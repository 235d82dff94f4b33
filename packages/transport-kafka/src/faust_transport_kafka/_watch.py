"""Notices a client of librdkafka that finds no broker any more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException

__all__ = ["ClientWatch"]

log = logging.getLogger(__name__)

#: Nothing comes for so long: the broker is asked something.
PATIENCE_S = 5.0
#: Where a new client did not help, the next one is made more and more rarely.
MAX_PATIENCE_S = 80.0
ANSWER_TIMEOUT_S = 1.0
#: So often in a row no answer may come before another client is tried.
UNANSWERED = 3
#: What has not been asked for records for so long may have had no room for more.
GAP_S = 1.0


class ClientWatch:
    """Asks for a topic's metadata, every few seconds while nothing comes.

    Metadata only: librdkafka 2.16 waits for ever, whatever the time-out, for offsets (`offsets_for_times`,
    `get_watermark_offsets`) from a broker that goes away meanwhile.

    For one thread at a time, the one that calls the client.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patience_s = PATIENCE_S
        self._seen = clock()
        self._next = self._seen + PATIENCE_S
        self._unanswered = 0

    def came(self) -> None:
        """Records have come."""
        self._unanswered = 0
        self._patience_s = PATIENCE_S
        self._next = self._clock() + PATIENCE_S

    def due(self) -> bool:
        """Whether to ask now.  To be called again and again while nothing comes."""
        now = self._clock()
        if now - self._seen > GAP_S:
            self._next = now + self._patience_s
        self._seen = now
        return now >= self._next

    def is_lost(self, client: Consumer, topic: str) -> bool:
        """Ask; return whether there was no answer several times in a row.  Takes at most about a second."""
        try:
            client.list_topics(topic, timeout=ANSWER_TIMEOUT_S)
        except KafkaException as exc:
            log.debug("no answer to a question about topic %s: %s", topic, exc)
            self._unanswered += 1
        else:
            self._unanswered = 0
            self._patience_s = PATIENCE_S
        lost = self._unanswered >= UNANSWERED
        if lost:
            self._unanswered = 0
            self._patience_s = min(2 * self._patience_s, MAX_PATIENCE_S)
        self._seen = self._clock()
        self._next = self._seen + self._patience_s
        return lost
