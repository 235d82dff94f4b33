"""Batches whose codecs must ask a service first, such as a schema registry for schemas that are new here.

Only their own partitions wait: other partitions, heartbeats and checkpoints go on.  A service that is away holds its
partitions back until it is there again; no record fails because of it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from faust_core.errors import RetriableTransportError
from faust_core.protocols.codec import FetchingCodec
from faust_core.records import RecordBatch, TopicPartition
from faust_core.topics import Topic

__all__ = ["HeldBack"]

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

Needs = list[tuple[FetchingCodec, frozenset[Hashable]]]


class HeldBack:
    """Owns what is held back, and one task for each partition of it."""

    def __init__(
        self,
        on_ready: Callable[[Sequence[RecordBatch]], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """Args:
        on_ready: called with a partition's batches, in order, when all can be decoded.
        on_failure: called with what cannot heal.
        """
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._batches: dict[TopicPartition, list[RecordBatch]] = {}
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}

    def hold(self, batch: RecordBatch, topics: Sequence[Topic[Any, Any]]) -> bool:
        """Keep a batch back where it, or what is before it, cannot be decoded yet; return whether it was kept.

        The caller reads no more of the partition until `on_ready`.
        """
        tp = batch.tp
        if tp in self._batches:
            self._batches[tp].append(batch)
            return True
        if not any(topic.fetching for topic in topics) or not _needs([batch], topics):
            return False
        held = self._batches[tp] = [batch]
        self._tasks[tp] = asyncio.create_task(self._fetch(tp, held, topics), name=f"schemas for {tp}")
        return True

    def drop(self, tp: TopicPartition) -> None:
        """Forget what is held of a partition: it is read again, or by somebody else."""
        if self._batches.pop(tp, None) is not None:
            self._tasks.pop(tp).cancel()

    async def aclose(self) -> None:
        tasks = list(self._tasks.values())
        for tp in list(self._batches):
            self.drop(tp)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, tp: TopicPartition, held: list[RecordBatch], topics: Sequence[Topic[Any, Any]]) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while needs := _needs(held, topics):
                try:
                    for codec, missing in needs:
                        await asyncio.to_thread(codec.fetch, missing)
                    pause_s = FIRST_PAUSE_S
                except RetriableTransportError as exc:
                    log.warning("%s waits at offset %s: %s", tp, held[0].offsets[0], exc)
                    await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        except Exception as exc:  # noqa: BLE001  the worker stops with it
            exc.add_note(f"needed for {tp} from offset {held[0].offsets[0]} on")
            self._on_failure(exc)
            return
        # Nothing was awaited since the last look: they are still the partition's.
        del self._batches[tp], self._tasks[tp]
        self._on_ready(held)


def _needs(batches: Iterable[RecordBatch], topics: Sequence[Topic[Any, Any]]) -> Needs:
    found = []
    for topic in topics:
        for part, codec in topic.fetching:
            data = [item for batch in batches for item in (batch.keys if part == "key" else batch.values)]
            if missing := codec.missing(data):
                found.append((codec, missing))
    return found
