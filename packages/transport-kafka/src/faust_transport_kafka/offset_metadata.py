"""The metadata of a committed offset: a text in which the transactional id and the engine's note stand.

    METADATA = [TRANSACTIONAL-ID] ["\\n" NOTE] "\\0"

The id comes first and alone where there is no note, as versions before the notes wrote and read it.  librdkafka sends
the zero by itself, and where it is missing confluent-kafka 2.16 reads beyond the end, whatever stands there.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import TopicPartition as Position

from faust_core.protocols.notes import NotedOffset
from faust_core.records import TopicPartition

__all__ = ["joined", "note_in", "positions", "terminated", "writer_in"]


def joined(writer: str, note: str) -> str:
    """Return the metadata without its end."""
    return f"{writer}\n{note}" if note else writer


def note_in(position: Position) -> str:
    """Return the note; empty where there is none."""
    return _metadata(position).partition("\n")[2]


def writer_in(position: Position) -> str:
    """Return the transactional id; empty where there is none."""
    return _metadata(position).partition("\n")[0]


def _metadata(position: Position) -> str:
    try:
        return (position.metadata or "").rstrip("\0")
    except UnicodeDecodeError:
        return ""  # of somebody else, without a zero


def terminated(note: str) -> str:
    """Return the metadata of a note as it goes over the wire, for clients that do not add its end."""
    metadata = joined("", note)
    return f"{metadata}\0" if metadata else ""


def positions(offsets: Mapping[TopicPartition, NotedOffset], writer: str = "") -> list[Position]:
    """Return them as librdkafka wants them, with their metadata.

    Args:
        writer: the transactional id under which they are committed.
    """
    return [Position(tp.topic, tp.partition, offset, joined(writer, note)) for tp, (offset, note) in offsets.items()]
