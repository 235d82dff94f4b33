"""Notices partitions that librdkafka has stopped to fetch although the broker has more of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from itertools import groupby

from confluent_kafka import OFFSET_END, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from faust_core.records import TopicPartition
from faust_transport_kafka._errors import MISSING, as_kafka_error

__all__ = ["FetchWatch"]

log = logging.getLogger(__name__)

#: From asking the broker for a partition's end until the client must have heard that there is so much.
PATIENCE_S = 5.0
#: Where a new client did not help, the next one is made more and more rarely.
MAX_PATIENCE_S = 80.0
ANSWER_TIMEOUT_S = 1.0
#: So often in a row no answer may come before another client is tried.
UNANSWERED = 3
#: So often a partition may have grown, from look to look, without a record of it: what is added was aborted, perhaps.
GROWN = 3
#: So many looks without a complaint mean that the new client helped: by then the same complaint would have come again.
CALM = GROWN + 2
#: The client may have had no room for more where it was not asked for records for so long.
GAP_S = 1.0
#: A line of the log names so many partitions.
NAMED = 8


class FetchWatch:
    """Compares, every few seconds, what the broker has with what the client has heard of it.

    Every answer to a fetch, an empty one too, tells the client a partition's high watermark.  A partition whose end,
    as the broker told it `PATIENCE_S` ago, is still beyond that watermark was not fetched once in all that time.
    Positions say less: behind the last record there may be transaction markers and aborted records.  Only where that
    goes on and on the client is given up as well: it costs little where it was in order.

    For one thread at a time, the one that calls the client.  Ask it only while the client has nothing to hand out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patience_s = PATIENCE_S
        self._asked = clock()
        self._next = self._asked + PATIENCE_S
        self._unanswered = 0
        self._calm = CALM
        self._ends: dict[tuple[str, int], int] = {}
        self._grown: dict[tuple[str, int], int] = {}

    def forget(self, partition: tuple[str, int]) -> None:
        """Begin anew with a partition that has moved on, or is read from elsewhere, paused or resumed."""
        if self._ends:
            self._ends.pop(partition, None)

    def due(self) -> bool:
        """Whether to look now.  To be called again and again while nothing comes."""
        now = self._clock()
        if now - self._asked > GAP_S:
            self._ends.clear()
            self._next = now + self._patience_s
        self._asked = now
        return now >= self._next

    def complaint(self, client: Consumer, reading: Collection[TopicPartition]) -> str | None:
        """Return what is wrong with `client`, which is to fetch all of `reading`; ask the broker for the ends.

        None where all is well.  Something is wrong, too, where the client's questions have not been answered several
        times in a row: what has cut its fetches off from the broker may have cut off the questions.  Takes about a
        second where no broker answers.
        """
        complaint = None
        stalled = [tp for tp in reading if (end := self._ends.get(tp)) is not None and end > _heard_of(client, tp)]
        if not stalled and reading:
            try:
                stalled = self._note(_ends(client, reading))
            except KafkaException as exc:
                log.debug("the broker does not tell the ends of %d partitions: %s", len(reading), exc)
                self._unanswered += 1
                if self._unanswered >= UNANSWERED:
                    complaint = f"no answer to what it asks about {_names(reading)}"
        if stalled:
            complaint = f"nothing of {_names(stalled)} although there is more"
        if complaint is not None:
            self._calm = self._unanswered = 0
            self._ends.clear()
            self._patience_s = min(2 * self._patience_s, MAX_PATIENCE_S)
        elif self._calm >= CALM:
            self._patience_s = PATIENCE_S
        self._asked = self._clock()
        self._next = self._asked + self._patience_s
        return complaint

    def _note(self, ends: dict[tuple[str, int], int]) -> list[TopicPartition]:
        """Remember the ends; return the partitions that have grown several times while nothing came of them."""
        before, grown = self._ends, self._grown
        self._grown = {tp: grown.get(tp, 0) + (end > before[tp]) for tp, end in ends.items() if tp in before}
        self._ends = ends
        self._unanswered = 0
        self._calm += 1
        return [TopicPartition(*tp) for tp, times in self._grown.items() if times >= GROWN]


def _names(partitions: Collection[TopicPartition]) -> str:
    names = [str(tp) for tp in sorted(partitions)]
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _heard_of(client: Consumer, tp: TopicPartition) -> int:
    """Return the high watermark in the latest answer to a fetch; a negative number if there was none."""
    return client.get_watermark_offsets(Position(*tp), cached=True)[1]


def _ends(client: Consumer, partitions: Collection[TopicPartition]) -> dict[tuple[str, int], int]:
    """Return the ends as the broker tells them, without the topics that it does not know.

    Raises:
        KafkaException: no answer.
    """
    try:
        return _ask(client, partitions)
    except KafkaException as exc:
        if as_kafka_error(exc).code() not in MISSING:
            raise
    ends = {}
    for _, group in groupby(sorted(partitions), lambda tp: tp.topic):
        try:
            ends.update(_ask(client, list(group)))
        except KafkaException as exc:
            if as_kafka_error(exc).code() not in MISSING:
                raise
    return ends


def _ask(client: Consumer, partitions: Collection[TopicPartition]) -> dict[tuple[str, int], int]:
    wanted: Sequence[Position] = [Position(tp.topic, tp.partition, OFFSET_END) for tp in partitions]
    found = client.offsets_for_times(list(wanted), timeout=ANSWER_TIMEOUT_S)
    return {(p.topic, p.partition): p.offset for p in found if p.error is None}
