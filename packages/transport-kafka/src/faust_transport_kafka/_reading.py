"""What a consumer reads, and its records in runs of one partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from confluent_kafka import Message

from faust_core.records import TopicPartition

__all__ = ["Reading", "runs"]


class Reading:
    """One assignment of one partition.  Batches carry theirs, so that those of an earlier one are recognised."""

    __slots__ = ("fetched", "paused", "position", "tp")

    def __init__(self, tp: TopicPartition, offset: int) -> None:
        self.tp = tp
        self.position = offset
        #: what comes next from the client; `position` is what `poll` returns next
        self.fetched = offset
        self.paused = False


def runs(
    messages: Sequence[Message], key: Callable[[Message], Any], *, single: bool
) -> Iterable[tuple[Any, Sequence[Message]]]:
    """Cut `messages` where the key changes; `single`: it does not."""
    if not messages:
        return []
    if single:
        return [(key(messages[0]), messages)]
    return [(value, list(run)) for value, run in groupby(messages, key)]
