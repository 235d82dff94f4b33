"""How far streams are: written down with an offset, read again, and what that means for what is handed out."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faust_core.engine.progress import Progress, beyond, common, done_of, is_done, left_of, name_of_stream
from faust_core.engine.subscription import PartitionQueue
from faust_core.memory.log import PartitionLog
from faust_core.protocols.notes import MAX_NOTE_BYTES, NotedOffset
from faust_core.records import TopicPartition

TP = TopicPartition("t", 0)
OFFSETS = range(40)


def done_from(steps: list[int], start: int = 0) -> tuple[int, ...]:
    """Make what a stream has done of the distances between its limits."""
    done = [start]
    for step in steps:
        done.append(done[-1] + step)
    return tuple(done if len(done) % 2 else done[:-1])


dones = st.lists(st.integers(1, 6), max_size=7).map(done_from)
names = st.text(min_size=1, max_size=60).map(name_of_stream)


@given(st.integers(0, 2**50), st.dictionaries(names, st.lists(st.integers(1, 10**6), max_size=8), max_size=5))
def test_what_is_noted_is_read_again(offset, streams):
    ahead = {name: done_from(steps, offset) for name, steps in streams.items()}
    progress, cut = Progress.fitting(offset, {n: done for n, done in ahead.items() if done != (offset,)})
    noted = progress.noted()
    assert Progress.read(noted) == progress
    assert Progress.read(noted).noted() == noted
    assert not cut
    assert all(progress.of(name) == done for name, done in ahead.items())


def test_where_nobody_is_ahead_nothing_is_noted():
    assert Progress(7).noted() == NotedOffset(7, "")
    assert Progress.fitting(7, {"a": (7,)}) == (Progress(7), [])


@pytest.mark.parametrize(
    "note",
    [
        "somebody else's",
        "{}",
        "[]",
        "null",
        '{"v":2,"at":5,"done":{"a":[1]}}',
        '{"v":1,"at":5,"done":[1]}',
        '{"v":1,"at":5,"done":{"a":[1,2]}}',
        '{"v":1,"at":5,"done":{"a":[-1]}}',
        '{"v":1,"at":5,"done":{"a":[3,2,9]}}',
        '{"v":1,"at":5,"done":{"a":[]}}',
        '{"v":1,"at":5,"done":{"a":["x"]}}',
        '{"v":1,"at":4,"done":{"a":[1]}}',
    ],
)
def test_a_note_that_is_not_ours_or_of_another_offset_counts_for_nothing(note, caplog):
    assert Progress.read(NotedOffset(5, note), TP) == Progress(5)
    [line] = caplog.messages
    assert "t/0" in line
    assert note in line


def test_a_note_is_never_too_long_and_says_for_whom_it_was_cut():
    out_of_order = tuple(range(1, 20_002))
    progress, cut = Progress.fitting(0, {"a": (50,), "b": out_of_order})
    assert len(progress.noted().note.encode()) <= MAX_NOTE_BYTES
    assert cut == ["b"]
    assert progress.of("a") == (50,)
    assert progress.of("b") == out_of_order[: len(progress.of("b"))]
    assert len(progress.of("b")) > 100
    many = {f"stream number {n} of many": (n,) for n in range(1, 500)}
    progress, cut = Progress.fitting(0, many)
    assert len(progress.noted().note.encode()) <= MAX_NOTE_BYTES
    assert len(progress.streams) > 50
    # those who would repeat the least
    assert set(cut) == set(many) - set(progress.streams)
    assert max(many[name] for name in cut) < min(many[name] for name in progress.streams)


def test_a_long_name_has_a_short_one_of_its_own():
    assert name_of_stream("orders.count") == "orders.count"
    first, second = name_of_stream("x" * 100 + "1"), name_of_stream("x" * 100 + "2")
    assert first != second
    assert len(first.encode()) <= 40
    assert len(name_of_stream("ä計" * 40).encode()) <= 40


@given(dones, st.integers(0, 40))
def test_beyond_is_what_is_done_once_all_below_is(done, offset):
    found = beyond(done, offset) or (offset,)
    assert all(is_done(found, each) == (each < offset or is_done(done, each)) for each in OFFSETS)
    assert len(found) % 2 == 1
    assert list(found) == sorted(set(found))


def test_streams_of_one_name_have_done_what_all_of_them_have():
    assert common([(5, 7, 9)]) == (5, 7, 9)
    assert common([(5, 7, 9), (3,)]) == (3,)


@given(st.sets(st.integers(0, 30)), st.integers(0, 31))
def test_done_is_what_is_not_undone(undone, next_offset):
    below = {offset for offset in undone if offset < next_offset}
    done = done_of([(offset, offset + 1) for offset in below], next_offset, ())
    assert {o for o in OFFSETS if is_done(done, o)} == {o for o in OFFSETS if o < next_offset} - below


@settings(max_examples=60)
@given(dones, st.lists(st.integers(1, 12), max_size=6), st.sets(st.integers(0, 39), max_size=6), st.data())
def test_a_queue_hands_out_what_was_not_done_before_and_knows_what_is(before, sizes, gaps, data):
    log = PartitionLog(TP)
    for offset in OFFSETS:
        log.append(None, b"%d" % offset, 0, ())
    queue = PartitionQueue(TP, SimpleNamespace(closed=False), 0, before if before != (0,) else ())
    assert all(is_done(queue.done, o) == is_done(before, o) for o in OFFSETS)
    handed_out: set[int] = set()
    finished = {offset for offset in OFFSETS if is_done(before, offset)}
    position = 0
    for size in sizes:
        batch = Without(log.read(position, size), gaps)
        position = batch.next_offset
        queue.append(batch)
        while queue.pending:
            claim = queue.claim(data.draw(st.integers(1, 5)), SimpleNamespace(topic=None))
            handed_out.update(claim.batch.offsets[claim.start : claim.stop])
            claim.index = data.draw(st.integers(claim.start, claim.stop))
            finished.update(claim.batch.offsets[claim.start : claim.index])
            if data.draw(st.booleans()):
                queue.release(claim)
                if claim.index < claim.stop:
                    break
    present = [offset for offset in OFFSETS if offset not in gaps]
    queued = {b.offsets[i] for b, start, stop in queue.redo for i in range(start, stop)}
    queued |= {b.offsets[i] for n, b in enumerate(queue.batches) for i in range(0 if n else queue.at, len(b))}
    assert handed_out | queued == {o for o in present if o < position and not is_done(before, o)}
    assert all(is_done(queue.done, o) == (o in finished) for o in present)
    assert len(queue.done) % 2 == 1
    assert list(queue.done) == sorted(set(queue.done))


def test_a_batch_is_cut_into_what_is_left_of_it():
    log = PartitionLog(TP)
    for _ in range(10):
        log.append(None, b"", 0, ())
    batch = log.read(0, 10)
    assert left_of(batch, (2, 4, 6)) == [(2, 4), (6, 10)]
    assert left_of(batch, (10,)) == []
    assert left_of(log.read(6, 4), (2, 4, 6)) == [(0, 4)]
    assert left_of(batch, (0, 9, 10)) == [(0, 9)]


def test_a_note_is_text_that_people_can_read():
    note = Progress(100, {"count": (105,), "store": (100, 103, 104)}).noted().note
    assert json.loads(note) == {"v": 1, "at": 100, "done": {"count": [5], "store": [0, 3, 4]}}


class Without:
    """A batch that lacks some offsets, as after compaction."""

    def __init__(self, batch, gaps):
        self.tp = TP
        self.offsets = [offset for offset in (batch.offsets if batch is not None else ()) if offset not in gaps]
        self.next_offset = batch.next_offset if batch is not None else len(OFFSETS)

    def __len__(self):
        return len(self.offsets)
