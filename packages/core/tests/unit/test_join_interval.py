"""The join of two streams within an interval, against a recomputation of everything from the beginning."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faust_core import App
from faust_core.joins.buffer import BufferPartition, BufferTable, Clock, Row
from faust_core.joins.interval import IntervalJoin
from faust_core.joins.window import LEFT, RIGHT, JoinWindow, Mode
from faust_core.memory.store import MemoryStore

APP = App("app", broker="memory://")
SECOND = 1000


class Buffer:
    """A buffer on a store, with a checkpoint, an abort and a restart as the engine makes them."""

    def __init__(self) -> None:
        self.table = BufferTable(APP, "j")
        self.store = MemoryStore("j", 0)
        self.part = self.open()
        self.offset = 0

    def open(self) -> BufferPartition:
        part = self.table.open_partition(0, self.store, 64)
        assert isinstance(part, BufferPartition)
        return part

    def commit(self) -> None:
        changes = self.part.stage()
        self.offset += len(changes)
        self.store.apply(changes, changelog_offset=self.offset)
        self.part.settle()

    def restart(self) -> None:
        self.part = self.open()


def recomputed(window, mode, records):
    """What must come of records (side, key, timestamp_ms), by looking at all of them each time."""
    clock, rows, out = -1, [], []
    for number, (side, key, at) in enumerate(records):
        clock = max(clock, at)
        alone = [
            r for r in rows if not r["done"] and mode.keeps(r["side"]) and r["at"] + window.wait_ms(r["side"]) < clock
        ]
        for row in alone:
            row["done"] = True
            out.append((row["n"], None) if row["side"] == LEFT else (None, row["n"]))
        if at + window.wait_ms(side) < clock:
            continue
        row = {"side": side, "key": key, "at": at, "n": number, "done": False}
        first, last = window.partners(side, at)
        for other in rows:
            if other["side"] == side or other["key"] != key or not first <= other["at"] <= last:
                continue
            if other["at"] + window.wait_ms(other["side"]) < clock:
                continue
            other["done"] = row["done"] = True
            out.append((number, other["n"]) if side == LEFT else (other["n"], number))
        rows.append(row)
    return out


def numbers(found):
    return [tuple(None if row is None else row.offset for row in pair) for _, pair in found]


def joined(join, buffer, records, start=0):
    out = []
    for number, (side, key, at) in enumerate(records, start):
        found, _ = join.add(buffer.part, side, key, Row(at, number, 0, False, b"v"))
        out += numbers(found)
    return out


#: quarters of a second, so that much comes at the edges of windows and buckets
times = st.integers(0, 12).map(lambda quarter: quarter * 250)
windows = st.builds(JoinWindow, times, times, st.sampled_from([0, 1, 250, 2000]))
records = st.lists(
    st.tuples(st.sampled_from([LEFT, RIGHT]), st.sampled_from([b"a", b"b"]), st.integers(0, 40).map(lambda q: q * 250)),
    max_size=30,
)
#: after which record there is a checkpoint, a restart, or an abort that takes back all since the checkpoint
events = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["commit", "restart", "abort"])), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=windows,
    mode=st.sampled_from(list(Mode)),
    records=records,
    events=events,
    chunk_rows=st.sampled_from([1, 2, 64]),
)
def test_the_pairs_are_those_of_a_recomputation_whatever_happens_between(
    monkeypatch, window, mode, records, events, chunk_rows
):
    monkeypatch.setattr("faust_core.joins.buffer.CHUNK_ROWS", chunk_rows)
    buffer, join = Buffer(), IntervalJoin(window, mode)
    out, committed, at, pending = [], 0, 0, dict(events)
    out_committed = 0
    while at < len(records):
        out += joined(join, buffer, records[at : at + 1], at)
        at += 1
        event = pending.pop(at, None)
        if event == "abort":
            buffer.part.discard()
            at, out = committed, out[:out_committed]
        elif event is not None:
            buffer.commit()
            committed, out_committed = at, len(out)
            if event == "restart":
                buffer.restart()
    # Pairs of one moment may come in another order.
    assert sorted(out, key=repr) == sorted(recomputed(window, mode, records), key=repr)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(window=windows, records=records, chunk_rows=st.sampled_from([1, 64]), restart=st.booleans())
def test_what_is_closed_is_deleted(monkeypatch, window, records, chunk_rows, restart):
    monkeypatch.setattr("faust_core.joins.buffer.CHUNK_ROWS", chunk_rows)
    buffer, join = Buffer(), IntervalJoin(window, Mode.OUTER)
    joined(join, buffer, records)
    buffer.commit()
    if restart:
        buffer.restart()
    joined(join, buffer, [(LEFT, b"z", 10_000 * SECOND)], 1000)
    buffer.commit()
    assert {key for _, _, key, _ in (buffer.part.codec.decode_key(key) for key, _ in buffer.store.scan())} == {
        b"",
        b"z",
    }


W = JoinWindow(5 * SECOND, 10 * SECOND)
A = b"a"


@pytest.mark.parametrize(
    ("right_at", "pair"), [(94, False), (95, True), (100, True), (110, True), (111, False)], ids=str
)
@pytest.mark.parametrize("first", [LEFT, RIGHT])
def test_a_right_record_may_be_earlier_by_before_and_later_by_after(right_at, pair, first):
    records = [(LEFT, A, 100 * SECOND), (RIGHT, A, right_at * SECOND)]
    if first == RIGHT:
        records.reverse()
    window = JoinWindow(5 * SECOND, 10 * SECOND, grace_ms=60 * SECOND)
    found = joined(IntervalJoin(window, Mode.INNER), Buffer(), records)
    assert found == ([(0, 1) if first == LEFT else (1, 0)] if pair else [])


@pytest.mark.parametrize(
    ("mode", "alone"),
    [
        (Mode.INNER, []),
        (Mode.LEFT, [(0, None)]),
        (Mode.RIGHT, [(None, 1)]),
        (Mode.OUTER, [(None, 1), (0, None)]),  # a right record waits for `before`, a left one for `after`
    ],
)
def test_who_stays_alone_is_yielded_as_the_mode_says(mode, alone):
    join, buffer = IntervalJoin(W, mode), Buffer()
    assert joined(join, buffer, [(LEFT, b"l", 0), (RIGHT, b"r", 0)]) == []
    assert joined(join, buffer, [(LEFT, b"x", 100 * SECOND)], 2) == alone


def test_the_lonely_are_yielded_the_moment_their_window_is_closed_and_not_before():
    join, buffer = IntervalJoin(JoinWindow(0, 10 * SECOND, 5 * SECOND), Mode.LEFT), Buffer()
    assert joined(join, buffer, [(LEFT, A, 0), (RIGHT, b"x", 15 * SECOND)]) == []
    assert joined(join, buffer, [(RIGHT, b"x", 15 * SECOND + 1)], 2) == [(0, None)]
    assert joined(join, buffer, [(RIGHT, b"x", 60 * SECOND)], 3) == []


def test_within_the_grace_a_partner_may_come_out_of_order():
    join, buffer = IntervalJoin(JoinWindow(0, 10 * SECOND, 5 * SECOND), Mode.LEFT), Buffer()
    records = [(LEFT, A, 0), (RIGHT, b"x", 14 * SECOND), (RIGHT, A, 9 * SECOND)]
    assert joined(join, buffer, records) == [(0, 2)]
    assert joined(join, buffer, [(LEFT, b"x", 99 * SECOND)], 3) == []


def test_what_comes_later_than_that_is_dropped_and_counted():
    join, buffer = IntervalJoin(W, Mode.OUTER), Buffer()
    joined(join, buffer, [(LEFT, A, 100 * SECOND)])
    row = Row(94 * SECOND, 1, 0, False, b"v")
    assert join.add(buffer.part, RIGHT, A, row) == ([], "late")
    assert join.dropped == {"late": 1}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_record_without_a_key_is_alone_at_once_where_its_side_may_be_and_dropped_elsewhere(mode):
    join, buffer = IntervalJoin(W, mode), Buffer()
    row = Row(0, 7, 0, False, b"v")
    found, dropped = join.add(buffer.part, LEFT, None, row)
    if mode.keeps(LEFT):
        assert numbers(found) == [(7, None)]
        assert dropped is None
    else:
        assert (found, dropped) == ([], "null_key")


def test_a_record_that_is_repeated_after_a_crash_is_kept_once():
    join, buffer = IntervalJoin(W, Mode.INNER), Buffer()
    joined(join, buffer, [(LEFT, A, 0)])
    joined(join, buffer, [(LEFT, A, 0)])
    assert joined(join, buffer, [(RIGHT, A, 0)], 1) == [(0, 1)]


def test_a_window_that_is_changed_takes_over_what_was_kept():
    buffer = Buffer()
    joined(
        IntervalJoin(JoinWindow(60 * SECOND, 60 * SECOND), Mode.OUTER), buffer, [(LEFT, A, 0), (RIGHT, b"b", 59_000)]
    )
    buffer.commit()
    buffer.restart()
    join = IntervalJoin(JoinWindow(10 * SECOND, 10 * SECOND), Mode.OUTER)
    # The new window has closed the left record's; the right one still finds its partner.
    assert joined(join, buffer, [(LEFT, b"b", 60 * SECOND)], 2) == [(0, None), (2, 1)]
    buffer.commit()
    assert buffer.part.clock == Clock(60 * SECOND, 20 * SECOND, 10 * SECOND, 10 * SECOND)


def test_what_was_alone_is_not_yielded_again_after_a_restart():
    join, buffer = IntervalJoin(JoinWindow(0, 0), Mode.LEFT), Buffer()
    assert joined(join, buffer, [(LEFT, A, 0), (LEFT, A, 500)]) == [(0, None)]
    buffer.commit()
    buffer.restart()
    assert joined(join, buffer, [(LEFT, A, 600)], 2) == [(1, None)]


@pytest.mark.parametrize("size", [10, 20_000])
def test_a_key_with_many_records_is_kept_in_changes_that_a_broker_takes(size):
    """Not in one that grows with the window, which no broker would take, and each checkpoint would write again."""
    join, buffer = IntervalJoin(JoinWindow(0, 10 * SECOND, 10 * SECOND), Mode.OUTER), Buffer()
    written = []
    for number in range(1000):
        join.add(buffer.part, LEFT, A, Row(number, number, 0, False, b"v" * size))
        if number % 100 == 99:
            written += [len(value or b"") for _, value in buffer.part.stage()]
            buffer.part.unstage()
            buffer.commit()
            if number % 200 == 199:
                buffer.restart()
    assert max(written) < 64 * (size + 100) if size == 10 else max(written) < 2 * (size + 100)
    assert sum(written) < 3 * 1000 * (size + 100)
    # All of them are found, whether by a partner or as lonely ones, once.
    assert joined(join, buffer, [(RIGHT, A, 500)], 1000) == [(number, 1000) for number in range(501)]
    alone = joined(join, buffer, [(LEFT, b"z", 10_000 * SECOND)], 1001)
    assert alone == [(number, None) for number in range(501, 1000)]
    buffer.commit()
    assert [key for _, _, key, _ in map(buffer.part.codec.decode_key, dict(buffer.store.scan()))] == [b"z", b""]


@pytest.mark.parametrize("topics", [1, 2])
def test_records_of_a_key_with_many_that_are_repeated_are_kept_once(topics):
    join, buffer = IntervalJoin(JoinWindow(0, 10 * SECOND), Mode.LEFT), Buffer()
    rows = [Row(number, number // topics, number % topics, False, b"v") for number in range(300)]
    for start in (0, 0, 150, 280):
        for row in rows[start:]:
            join.add(buffer.part, LEFT, A, row)
        buffer.commit()
        buffer.restart()
    found, _ = join.add(buffer.part, RIGHT, b"z", Row(100 * SECOND, 0, 0, False, b"v"))
    assert [pair.left for _, pair in found] == rows


def test_hot_keys_cost_in_proportion():
    """Ten thousand records of one key: each looks at one chunk of it, not at all that are there."""
    join, buffer = IntervalJoin(JoinWindow(0, 100 * SECOND), Mode.LEFT), Buffer()
    looked_at = 0

    class Counting(type(buffer.part)):
        __slots__ = ()

        def chunk_of(self, slot):
            nonlocal looked_at
            rows = super().chunk_of(slot)
            looked_at += len(rows)
            return rows

    buffer.part.__class__ = Counting
    for number in range(10_000):
        join.add(buffer.part, LEFT, A, Row(number, number, 0, False, b"v"))
    found, _ = join.add(buffer.part, RIGHT, b"z", Row(1000 * SECOND, 0, 0, False, b"v"))
    assert len(found) == 10_000
    assert looked_at < 200 * 10_000
