"""The metadata of a committed offset: a text in which the transactional id and the engine's note stand.

    METADATA = [TRANSACTIONAL-ID] ["\\n" NOTE]

The id comes first and alone where there is no note, as versions before the notes wrote and read it.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import TopicPartition as Position

from faust_core.protocols.notes import NotedOffset
from faust_core.records import TopicPartition

__all__ = ["joined", "note_in", "positions", "writer_in"]


def joined(writer: str, note: str) -> str:
    return f"{writer}\n{note}" if note else writer


def note_in(metadata: str | None) -> str:
    """Return the note; empty where there is none."""
    return (metadata or "").rstrip("\0").partition("\n")[2]


def writer_in(metadata: str | None) -> str:
    """Return the transactional id; empty where there is none."""
    return (metadata or "").rstrip("\0").partition("\n")[0]


def positions(offsets: Mapping[TopicPartition, NotedOffset], writer: str = "") -> list[Position]:
    """Return them as librdkafka wants them, with their metadata.

    Args:
        writer: the transactional id under which they are committed.
    """
    return [Position(tp.topic, tp.partition, offset, joined(writer, note)) for tp, (offset, note) in offsets.items()]
