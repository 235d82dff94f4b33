"""How far the streams of a partition are, and how that is written down with its committed offset.

The committed offset is the least that all of them have done.  What some have done beyond it stands in the offset's
note, so that after a crash, a move or an aborted transaction none of them does it again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from faust_core.protocols.notes import MAX_NOTE_BYTES, NotedOffset
from faust_core.records import RecordBatch

__all__ = ["Done", "Progress", "beyond", "common", "done_of", "is_done", "left_of", "name_of_stream"]

log = logging.getLogger(__name__)

#: What one stream has done: all below the first number, and from the second to below the third, and so on: strictly
#: ascending, of odd length.  The first is its next-to-read offset.
Done = tuple[int, ...]

VERSION = 1
#: No note has room for more.
MAX_RANGES = 512
#: A longer name of a stream stands in notes by its beginning and a digest.
MAX_NAME_BYTES = 40
_DIGEST_BYTES = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the streams of one partition are.

    Attributes:
        offset: next-to-read: what all of them have done is below.
        streams: what is done beyond it, by the name of the stream.  Who is missing is at the offset.
    """

    offset: int
    streams: Mapping[str, Done] = field(default_factory=dict)

    def of(self, stream: str) -> Done:
        """Return all that a stream has done."""
        return self.ahead(stream) or (self.offset,)

    def ahead(self, stream: str) -> Done:
        """Return the same of one that has done more than is below the offset; empty for the others."""
        return self.streams.get(stream, ())

    @property
    def end(self) -> int:
        """The offset behind the last that any stream has done."""
        return max([self.offset, *(done[-1] for done in self.streams.values())])

    def noted(self) -> NotedOffset:
        """Return it as it is committed."""
        return NotedOffset(self.offset, self._note())

    @classmethod
    def read(cls, committed: NotedOffset, where: object = "") -> Progress:
        """Return what was committed.  A note that is not ours, or of another offset, counts for nothing.

        Args:
            where: the partition, for the log.
        """
        offset, note = committed
        if not note:
            return cls(offset)
        try:
            streams = _decoded(note, offset)
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning(
                "%s: the note with its committed offset %d is not one of ours, ignored: %r", where, offset, note
            )
            return cls(offset)
        if streams is None:
            # Offsets that a tool has moved or translated keep their note in some.
            log.warning("%s: the note with its committed offset %d is of another one, ignored: %r", where, offset, note)
        return cls(offset, streams or {})

    @classmethod
    def fitting(cls, offset: int, streams: Mapping[str, Done]) -> tuple[Progress, list[str]]:
        """Return as much as fits into a note, and the names of the streams that had to be left out.

        What was done out of order goes first, then the streams that are the least ahead.
        """
        ahead = {name: done for name, done in sorted(streams.items()) if done != (offset,)}
        ranges = MAX_RANGES
        progress = cls(offset, _shortened(ahead, offset, ranges))
        while ranges and not progress._fits():
            ranges //= 2
            progress = cls(offset, _shortened(ahead, offset, ranges))
        kept = sorted(progress.streams, key=lambda name: ahead[name][0])
        while kept and not progress._fits():
            del kept[: max(1, len(kept) // 10)]
            progress = cls(offset, {name: progress.streams[name] for name in sorted(kept)})
        return progress, [name for name, done in ahead.items() if progress.streams.get(name) != done]

    def _fits(self) -> bool:
        return len(self._note().encode()) <= MAX_NOTE_BYTES

    def _note(self) -> str:
        if not self.streams:
            return ""
        ahead = {name: [offset - self.offset for offset in done] for name, done in self.streams.items()}
        note = {"v": VERSION, "at": self.offset, "done": ahead}
        return json.dumps(note, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _shortened(streams: Mapping[str, Done], offset: int, ranges: int) -> dict[str, Done]:
    """Return them with so many ranges at most beyond the first offset, without those that are at `offset` then."""
    shortened = {name: done[: 1 + 2 * ranges] for name, done in streams.items()}
    return {name: done for name, done in shortened.items() if done != (offset,)}


def _decoded(note: str, offset: int) -> dict[str, Done] | None:
    """Return the streams of a note; None where it belongs to another offset.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is no note of ours.
    """
    read = json.loads(note)
    if read["v"] != VERSION:
        raise ValueError(f"version {read['v']}")
    if read["at"] != offset:
        return None
    streams: dict[str, Done] = {}
    for name, relative in read["done"].items():
        done = tuple(offset + int(each) for each in relative)
        if len(done) % 2 == 0 or done[0] < offset or any(a >= b for a, b in pairwise(done)):
            raise ValueError(f"{name}: {relative}")
        streams[name] = done
    return streams


def name_of_stream(text: str) -> str:
    """Return the name that a stream has in notes: the text itself unless it is long."""
    data = text.encode()
    if len(data) <= MAX_NAME_BYTES:
        return text
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST_BYTES]
    start = data[: MAX_NAME_BYTES - _DIGEST_BYTES - 1].decode(errors="ignore")
    return f"{start}~{digest}"


def is_done(done: Done, offset: int) -> bool:
    return offset < done[0] or any(done[i] <= offset < done[i + 1] for i in range(1, len(done), 2))


def common(several: Iterable[Done]) -> Done:
    """Return what all of several streams have done, as far as it is contiguous; of one all that it has."""
    found = list(several)
    return found[0] if len(found) == 1 else (min(done[0] for done in found),)


def beyond(done: Done, offset: int) -> Done | None:
    """Return what is done from `offset` on, all below being done; None where that is nothing more."""
    at = max(done[0], offset)
    rest: list[int] = []
    for start, end in zip(done[1::2], done[2::2], strict=True):
        if start <= at:
            at = max(at, end)
        else:
            rest += [start, end]
    return None if at == offset and not rest else (at, *rest)


def left_of(batch: RecordBatch, done: Done) -> list[tuple[int, int]]:
    """Return the parts of a batch (start, stop) that are not done, in their order."""
    if not len(batch) or batch.offsets[-1] < done[0]:
        return []
    if batch.offsets[0] >= done[-1]:
        return [(0, len(batch))]
    parts: list[tuple[int, int]] = []
    start: int | None = None
    for index, offset in enumerate(batch.offsets):
        if is_done(done, offset):
            if start is not None:
                parts.append((start, index))
            start = None
        elif start is None:
            start = index
    if start is not None:
        parts.append((start, len(batch)))
    return parts


def done_of(undone: Sequence[tuple[int, int]], next_offset: int, before: Done) -> Done:
    """Return what is done where these ranges below `next_offset` are not, and `before` tells what is beyond it."""
    spans = sorted(undone)
    if not spans:
        return (next_offset, *_after(before, next_offset))
    found: list[int] = [spans[0][0]]
    end = spans[0][1]
    for start, stop in [*spans[1:], (next_offset, next_offset)]:
        if start > end:
            found += [end, start]
        end = max(end, stop)
    return (*found, *_after(before, next_offset))


def _after(before: Done, offset: int) -> tuple[int, ...]:
    """Return the ranges of `before` that begin beyond an offset, which is not done."""
    ranges = zip(before[1::2], before[2::2], strict=True)
    return tuple(each for start, end in ranges if start > offset for each in (start, end))
