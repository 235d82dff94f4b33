"""The rules that every store keeps: `StoreConformance`, one test for each.

An implementer writes:

    class TestMyStore(StoreConformance):
        capabilities = frozenset({StoreCapability.PERSISTENT})

        @pytest.fixture
        def make_backend(self, tmp_path):
            return functools.partial(my_store.create, "mine://", StoreContext("app-v1", directory=tmp_path))
"""

from __future__ import annotations

import os
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import ClassVar, cast

import pytest

from faust_conformance._process import TABLE, changes_at, other_process
from faust_conformance.capabilities import ConformanceSuite, StoreCapability, requires
from faust_core.errors import StoreClosed, StoreCorrupt, StoreLocked
from faust_core.protocols.store import Change, MeasuredStore, NotedStore, Store, StoreBackend

__all__ = ["StoreConformance"]

MakeBackend = Callable[[], StoreBackend]
Row = tuple[bytes, bytes]

SCAN_KEYS = "FAUST_CONFORMANCE_SCAN_KEYS"

#: Keys on which an order by text, by length or by signed bytes goes wrong.
AWKWARD_KEYS = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"a",
    b"a\x00",
    b"aa",
    b"b",
    b"d",
    b"o",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
]


class StoreConformance(ConformanceSuite, capability_type=StoreCapability):
    """Every rule of `Store` and `StoreBackend`.

    Supply `make_backend`, and `damage` where DETECTS_DAMAGE is declared; declare `capabilities`.

    Attributes:
        scan_keys: how many keys the store has that is scanned for its memory.  Less where a million takes too long,
            as behind a network; the environment variable FAUST_CONFORMANCE_SCAN_KEYS says it for one run.
    """

    scan_keys: ClassVar[int] = 1_000_000

    @pytest.fixture
    def make_backend(self) -> MakeBackend:
        """Return what makes backends that all reach the same place, one that is empty when a test begins.

        With PERSISTENT or EXCLUSIVE it must be picklable, since another process calls it, too.
        """
        raise NotImplementedError(f"{type(self).__name__} must supply the fixture make_backend")

    @pytest.fixture
    def damage(self) -> Callable[[str, int], None]:
        """Return what damages the data of a table's partition that is not open, behind the backend's back."""
        raise NotImplementedError(f"{type(self).__name__} declares DETECTS_DAMAGE: supply the fixture damage")

    @pytest.fixture
    def backend(self, make_backend: MakeBackend) -> Iterator[StoreBackend]:
        with closing(make_backend()) as backend:
            yield backend

    @pytest.fixture
    def store(self, backend: StoreBackend) -> Iterator[Store]:
        with closing(backend.open("table", 0)) as store:
            yield store

    # -- reading and writing: `get`, `get_many`, `apply`

    def test_a_new_store_is_empty_and_has_no_offset(self, store: Store) -> None:
        assert store.changelog_offset is None
        assert store.get(b"key") is None
        assert list(store.scan()) == []

    def test_get_returns_what_was_applied(self, store: Store) -> None:
        store.apply([(b"a", b"1"), (b"b", b"2")], changelog_offset=2)
        assert [store.get(b"a"), store.get(b"b"), store.get(b"c")] == [b"1", b"2", None]

    def test_get_many_keeps_the_order_and_has_none_for_what_is_missing(self, store: Store) -> None:
        store.apply([(b"a", b"1"), (b"b", b"2")], changelog_offset=2)
        assert store.get_many([b"b", b"missing", b"a", b"b"]) == [b"2", None, b"1", b"2"]
        assert store.get_many([]) == []

    def test_any_bytes_are_a_key(self, store: Store) -> None:
        store.apply([(key, b"of " + key) for key in AWKWARD_KEYS], changelog_offset=len(AWKWARD_KEYS))
        assert [store.get(key) for key in AWKWARD_KEYS] == [b"of " + key for key in AWKWARD_KEYS]
        assert store.get_many(AWKWARD_KEYS) == [b"of " + key for key in AWKWARD_KEYS]
        assert [key for key, _ in store.scan()] == sorted(AWKWARD_KEYS)
        assert store.changelog_offset == len(AWKWARD_KEYS)

    def test_no_key_hides_or_changes_the_offset(self, store: Store) -> None:
        keys = [b"o", b"offset", b"changelog_offset", b"__offset__", b"\x00offset", b""]
        store.apply([(key, b"999") for key in keys], changelog_offset=7)
        assert store.changelog_offset == 7
        store.apply([(key, None) for key in keys], changelog_offset=8)
        assert store.changelog_offset == 8
        assert list(store.scan()) == []

    def test_an_empty_value_is_a_value(self, store: Store) -> None:
        store.apply([(b"key", b"")], changelog_offset=1)
        assert store.get(b"key") == b""
        assert store.get_many([b"key"]) == [b""]
        assert list(store.scan()) == [(b"key", b"")]

    def test_values_of_a_mebibyte_are_kept(self, store: Store) -> None:
        values = [bytes([byte]) * (1 << 20) for byte in range(4)]
        store.apply([(b"%d" % i, value) for i, value in enumerate(values)], changelog_offset=1)
        assert [value for _, value in store.scan()] == values
        assert store.get(b"3") == values[3]

    def test_none_deletes(self, store: Store) -> None:
        store.apply([(b"a", b"1"), (b"b", b"2")], changelog_offset=2)
        store.apply([(b"a", None)], changelog_offset=3)
        assert store.get(b"a") is None
        assert store.get_many([b"a", b"b"]) == [None, b"2"]
        assert list(store.scan()) == [(b"b", b"2")]

    def test_deleting_what_is_not_there_is_fine(self, store: Store) -> None:
        store.apply([(b"missing", None)], changelog_offset=1)
        assert store.changelog_offset == 1
        assert list(store.scan()) == []

    def test_later_entries_win_over_earlier_ones(self, store: Store) -> None:
        changes: list[Change] = [(b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"b", None), (b"c", None), (b"c", b"1")]
        store.apply(changes, changelog_offset=6)
        assert list(store.scan()) == [(b"a", b"2"), (b"c", b"1")]
        assert store.get_many([b"a", b"b", b"c"]) == [b"2", None, b"1"]

    def test_applying_the_same_batch_twice_changes_nothing(self, store: Store) -> None:
        store.apply([(b"a", b"0"), (b"b", b"0")], changelog_offset=2)
        for _ in range(2):
            store.apply([(b"a", b"1"), (b"b", None)], changelog_offset=4)
        assert list(store.scan()) == [(b"a", b"1")]
        assert store.changelog_offset == 4

    def test_an_empty_batch_moves_the_offset(self, store: Store) -> None:
        store.apply([], changelog_offset=10)
        assert store.changelog_offset == 10
        assert list(store.scan()) == []

    def test_the_offset_may_be_zero(self, store: Store) -> None:
        store.apply([], changelog_offset=0)
        assert store.changelog_offset == 0

    def test_offsets_have_sixty_three_bits(self, store: Store) -> None:
        for offset in (255, 256, 2**32 + 1, 2**53 + 1, 2**63 - 2, 2**63 - 1):
            store.apply([(b"key", b"%d" % offset)], changelog_offset=offset)
            assert store.changelog_offset == offset

    @pytest.mark.parametrize(("before", "below"), [(10, 9), (9_007_199_254_740_994, 9_007_199_254_740_993)])
    def test_a_lower_offset_is_refused_and_nothing_is_written(self, store: Store, before: int, below: int) -> None:
        store.apply([(b"a", b"1")], changelog_offset=before)
        with pytest.raises(ValueError, match=str(below)):
            store.apply([(b"a", b"2"), (b"b", b"2")], changelog_offset=below)
        assert list(store.scan()) == [(b"a", b"1")]
        assert store.changelog_offset == before

    def test_a_batch_of_ten_thousand_changes_is_one_step(self, store: Store) -> None:
        store.apply([(b"%05d" % i, b"old") for i in range(10_000)], changelog_offset=1)
        changes: list[Change] = [(b"%05d" % i, None if i % 2 else b"new") for i in range(10_000)]
        store.apply(changes, changelog_offset=2)
        assert list(store.scan()) == [(b"%05d" % i, b"new") for i in range(0, 10_000, 2)]
        assert store.get_many([b"%05d" % i for i in range(10_000)]) == [
            None if i % 2 else b"new" for i in range(10_000)
        ]

    @pytest.mark.parametrize("seed", range(5))
    def test_random_batches_leave_what_they_leave_in_a_dictionary(self, store: Store, seed: int) -> None:
        chance = random.Random(seed)
        model: dict[bytes, bytes] = {}
        keys = [chance.randbytes(chance.randrange(4)) for _ in range(60)]
        offset = 0
        for _ in range(60):
            changes = [
                (chance.choice(keys), chance.choice([None, b"", chance.randbytes(5)]))
                for _ in range(chance.randrange(12))
            ]
            offset += chance.randrange(3)
            store.apply(changes, changelog_offset=offset)
            for key, value in changes:
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
            start, end = chance.choice(keys), chance.choice([None, *keys])
            assert list(store.scan(start, end)) == _between(model, start, end)
            assert store.get_many(keys) == [model.get(key) for key in keys]
            assert store.changelog_offset == offset

    def test_any_thread_may_call_if_one_does_at_a_time(self, backend: StoreBackend) -> None:
        with ExitStack() as stack:
            threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(7)]  # alive together, so all different
            store = threads[0].submit(backend.open, "threads", 0).result()
            rows = [(b"%d" % i, b"value") for i in range(5)]
            threads[1].submit(store.apply, rows, changelog_offset=1).result()
            scan = threads[2].submit(store.scan).result()
            first = threads[3].submit(next, scan).result()
            assert [first, *threads[4].submit(list, scan).result()] == rows
            assert threads[5].submit(store.get, b"1").result() == b"value"
            threads[6].submit(store.close).result()

    # -- `scan`

    def test_scan_is_in_ascending_byte_order(self, store: Store) -> None:
        keys = [b"%d" % i for i in range(500)] + AWKWARD_KEYS
        random.Random(1).shuffle(keys)
        store.apply([(key, key) for key in keys], changelog_offset=1)
        assert list(store.scan()) == [(key, key) for key in sorted(set(keys))]

    def test_scan_stays_ordered_when_keys_come_and_go(self, store: Store) -> None:
        store.apply([(b"b", b""), (b"d", b"")], changelog_offset=1)
        assert [key for key, _ in store.scan()] == [b"b", b"d"]
        store.apply([(b"a", b""), (b"c", b""), (b"d", None), (b"e", b"")], changelog_offset=2)
        assert [key for key, _ in store.scan()] == [b"a", b"b", b"c", b"e"]

    @pytest.mark.parametrize(
        ("start", "end"),
        [(b"b", None), (b"", b"c"), (b"b", b"d"), (b"aa", b"cc"), (b"b", b"b"), (b"d", b"b"), (b"x", None), (b"", b"")],
    )
    def test_scan_begins_at_start_and_ends_before_end(self, store: Store, start: bytes, end: bytes | None) -> None:
        keys = [b"a", b"b", b"c", b"d"]
        store.apply([(key, key) for key in keys], changelog_offset=1)
        expected = _between(dict(zip(keys, keys, strict=True)), start, end)
        assert list(store.scan(start, end)) == expected
        assert list(store.scan(start, end)) == expected

    def test_scan_has_the_view_of_the_moment_of_the_call(self, store: Store) -> None:
        before = [(b"%04d" % i, b"before") for i in range(0, 3000, 2)]
        store.apply(before, changelog_offset=1)
        untouched, begun = store.scan(), store.scan()
        first = [next(begun) for _ in range(10)]
        changes: list[Change] = [(b"%04d" % i, b"after") for i in range(1000)]
        changes += [(b"%04d" % i, None) for i in range(1000, 3000)]
        store.apply(changes, changelog_offset=2)
        store.apply([(b"%04d" % i, b"later") for i in range(500, 2500)], changelog_offset=3)
        assert first + list(begun) == before
        assert list(untouched) == before
        assert len(list(store.scan())) == 2500

    def test_a_scan_ends_with_an_error_when_the_store_is_closed(self, store: Store) -> None:
        store.apply([(b"%04d" % i, b"value") for i in range(1000)], changelog_offset=1)
        begun, untouched = store.scan(), store.scan()
        next(begun)
        store.close()
        for scan in (begun, untouched):
            with pytest.raises(StoreClosed):
                list(scan)

    def test_a_scan_that_is_given_up_holds_nothing(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as backend:
            store = backend.open("table", 0)
            store.apply([(b"%04d" % i, b"value") for i in range(1000)], changelog_offset=1)
            scan = store.scan()
            next(scan)
            store.close()
            backend.open("table", 0).close()
            backend.destroy("table", 0)

    @pytest.mark.timeout(180)
    def test_scanning_a_large_store_takes_little_memory(self, store: Store) -> None:
        keys = int(os.environ.get(SCAN_KEYS, self.scan_keys))
        for first in range(0, keys, 10_000):
            batch = [(b"key-%07d" % i, b"%0100d" % i) for i in range(first, min(first + 10_000, keys))]
            store.apply(batch, changelog_offset=first)
        tracemalloc.start()
        try:
            count = sum(1 for _ in store.scan())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == keys
        # Some bytes for each key are let pass, for stores that keep an order in memory; its 100 bytes of value are not.
        assert peak < (4 << 20) + 28 * keys, f"a scan of {200 * keys / 1e6:.0f} MB took {peak:,} bytes"

    # -- `close`

    def test_a_closed_store_says_so(self, store: Store) -> None:
        store.apply([(b"a", b"1")], changelog_offset=1)
        store.close()
        calls: list[Callable[[], object]] = [
            lambda: store.get(b"a"),
            lambda: store.get_many([b"a"]),
            lambda: store.get_many([]),
            store.scan,
            lambda: store.apply([], changelog_offset=2),
            lambda: store.changelog_offset,
        ]
        for call in calls:
            with pytest.raises(StoreClosed):
                call()

    def test_close_is_idempotent(self, backend: StoreBackend, store: Store) -> None:
        store.close()
        again = backend.open("table", 0)
        store.close()
        again.apply([(b"a", b"1")], changelog_offset=1)
        assert again.get(b"a") == b"1"
        again.close()

    def test_a_backend_closes_what_is_open_and_is_closed_twice(self, make_backend: MakeBackend) -> None:
        backend = make_backend()
        store = backend.open("table", 0)
        backend.close()
        backend.close()
        with pytest.raises(StoreClosed):
            store.get(b"a")
        with closing(make_backend()) as again:
            again.open("table", 0).close()

    # -- `StoreBackend`

    def test_a_table_may_be_opened_with_options_of_its_own(self, backend: StoreBackend) -> None:
        with closing(backend.open("table", 0, {})) as store:
            store.apply([(b"a", b"1")], changelog_offset=1)
            assert store.get(b"a") == b"1"

    def test_partitions_and_tables_are_kept_apart(self, backend: StoreBackend) -> None:
        names = [("t", 0), ("t", 1), ("t", 10), ("t-1", 0), ("t-1", 1), ("t.1", 0), ("T", 0), ("t_1", 0), ("t:1", 0)]
        with ExitStack() as stack:
            stores = [stack.enter_context(closing(backend.open(*name))) for name in names]
            for number, store in enumerate(stores):
                store.apply([(b"key", b"%d" % number), (b"only-%d" % number, b"")], changelog_offset=number)
            for number, store in enumerate(stores):
                assert list(store.scan()) == [(b"key", b"%d" % number), (b"only-%d" % number, b"")]
                assert store.changelog_offset == number

    @pytest.mark.parametrize("table", ["..", ".", "a..b", "-", "a{b}c", "x" * 200])
    def test_awkward_table_names_are_taken(self, backend: StoreBackend, table: str) -> None:
        with closing(backend.open(table, 0)) as store:
            store.apply([(b"key", b"value")], changelog_offset=1)
            assert store.get(b"key") == b"value"
        assert set(backend.stored()) <= {(table, 0)}
        backend.destroy(table, 0)
        assert dict(backend.stored()) == {}

    def test_a_store_is_opened_once_at_a_time(self, backend: StoreBackend, store: Store) -> None:
        with pytest.raises(StoreLocked, match="table"):
            backend.open("table", 0)
        store.apply([(b"a", b"1")], changelog_offset=1)
        store.close()
        backend.open("table", 0).close()

    def test_an_open_store_is_not_destroyed(self, backend: StoreBackend, store: Store) -> None:
        store.apply([(b"a", b"1")], changelog_offset=1)
        with pytest.raises(StoreLocked, match="table"):
            backend.destroy("table", 0)
        assert store.get(b"a") == b"1"

    def test_destroy_leaves_nothing_and_touches_nothing_else(self, backend: StoreBackend) -> None:
        for partition in (0, 1, 10):
            with closing(backend.open("table", partition)) as store:
                store.apply([(b"a", b"1")], changelog_offset=1)
        kept = {name for name in backend.stored() if name[1] != 1}
        backend.destroy("table", 1)
        assert set(backend.stored()) == kept
        with closing(backend.open("table", 1)) as store:
            assert store.changelog_offset is None
            assert list(store.scan()) == []

    def test_destroying_nothing_is_not_an_error(self, backend: StoreBackend) -> None:
        backend.destroy("never-opened", 3)
        assert dict(backend.stored()) == {}

    def test_stored_leaves_out_what_is_open(self, backend: StoreBackend, store: Store) -> None:
        store.apply([(b"a", b"1")], changelog_offset=1)
        assert dict(backend.stored()) == {}

    def test_persistent_is_what_is_declared(self, backend: StoreBackend) -> None:
        assert backend.persistent == (StoreCapability.PERSISTENT in self.capabilities)

    # -- what is declared

    @requires(StoreCapability.PERSISTENT)
    def test_what_was_applied_is_there_after_reopening(self, make_backend: MakeBackend) -> None:
        rows = [(b"%04d" % i, b"value-%d" % i) for i in range(2000)]
        with closing(make_backend()) as backend, closing(backend.open("table", 3)) as store:
            store.apply(rows, changelog_offset=2000)
            store.apply([(b"0000", None)], changelog_offset=2001)
        with closing(make_backend()) as backend, closing(backend.open("table", 3)) as store:
            assert store.changelog_offset == 2001
            assert list(store.scan()) == rows[1:]
            store.apply([(b"0001", b"new")], changelog_offset=2002)
            assert store.get(b"0001") == b"new"

    @requires(StoreCapability.PERSISTENT)
    def test_a_store_that_was_never_written_has_no_offset_after_reopening(self, make_backend: MakeBackend) -> None:
        for _ in range(2):
            with closing(make_backend()) as backend, closing(backend.open("table", 0)) as store:
                assert store.changelog_offset is None

    @requires(StoreCapability.PERSISTENT)
    def test_stored_names_every_closed_store(self, make_backend: MakeBackend) -> None:
        names = {("a", 0), ("a", 12), ("b.c-d_e", 3)}
        with closing(make_backend()) as backend:
            for name in names:
                with closing(backend.open(*name)) as store:
                    store.apply([], changelog_offset=1)
            assert set(backend.stored()) == names
        with closing(make_backend()) as backend:
            assert set(backend.stored()) == names

    @requires(StoreCapability.STORED_OFFSETS)
    def test_stored_tells_the_offsets(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as backend:
            for partition in (5, 6):
                with closing(backend.open("table", partition)) as store:
                    store.apply([(b"a", b"1")], changelog_offset=partition * 10)
            backend.open("new", 0).close()
        with closing(make_backend()) as backend:
            assert dict(backend.stored()) == {("table", 5): 50, ("table", 6): 60, ("new", 0): None}

    @requires(StoreCapability.PERSISTENT)
    @pytest.mark.parametrize(("acknowledged", "pause_s"), [(20, 0.0), (150, 0.003), (400, 0.0085)])
    def test_a_killed_process_leaves_no_half_batch(
        self, make_backend: MakeBackend, acknowledged: int, pause_s: float
    ) -> None:
        with other_process(make_backend, "write") as (process, output):
            for _ in range(acknowledged):
                last = int(output.readline())
            time.sleep(pause_s)  # so that the kill does not always meet the same step
            process.kill()
            process.wait()
            last = int(([b"%d" % last, *output.read().split()])[-1])
        with closing(make_backend()) as backend, closing(backend.open(TABLE, 0)) as store:
            offset = store.changelog_offset
            assert offset is not None
            assert offset >= last, "an acknowledged batch is lost"
            expected = {key: value for key, value in changes_at(offset) if value is not None}
            assert dict(store.scan()) == expected

    @requires(StoreCapability.EXCLUSIVE)
    def test_a_second_backend_is_locked_out(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as first, closing(make_backend()) as second:
            with closing(first.open("table", 0)) as store:
                with pytest.raises(StoreLocked):
                    second.open("table", 0)
                with pytest.raises(StoreLocked):
                    second.destroy("table", 0)
                store.apply([(b"a", b"1")], changelog_offset=1)
            with closing(second.open("table", 0)) as store:
                assert store.get(b"a") == b"1"

    @requires(StoreCapability.EXCLUSIVE)
    def test_another_process_is_locked_out_until_it_is_gone(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as backend:
            with other_process(make_backend, "hold") as (process, output):
                assert output.readline() == b"open\n"
                with pytest.raises(StoreLocked):
                    backend.open(TABLE, 0)
                process.kill()
                process.wait()
            backend.open(TABLE, 0).close()

    @requires(StoreCapability.FENCING)
    def test_a_later_opening_fences_the_earlier_one(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as first, closing(make_backend()) as second:
            zombie = first.open("table", 0)
            zombie.apply([(b"a", b"1")], changelog_offset=1)
            with closing(second.open("table", 0)) as store:
                with pytest.raises(StoreLocked):
                    zombie.apply([(b"a", b"zombie")], changelog_offset=5)
                with pytest.raises(StoreLocked):
                    zombie.get(b"a")
                zombie.close()
                store.apply([(b"b", b"2")], changelog_offset=2)
                assert list(store.scan()) == [(b"a", b"1"), (b"b", b"2")]

    @requires(StoreCapability.NOTED)
    def test_a_note_is_beside_the_data(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as backend:
            with closing(cast("NotedStore", backend.open("table", 0))) as store:
                notes, offsets = [store.note], []
                store.set_note("first")
                offsets.append(store.changelog_offset)
                store.apply([(b"note", b"1")], changelog_offset=1)
                store.set_note("second: ü")
                offsets.append(store.changelog_offset)
                assert [*notes, store.note] == [None, "second: ü"]
                assert offsets == [None, 1]
                assert list(store.scan()) == [(b"note", b"1")]
            with closing(cast("NotedStore", backend.open("table", 1))) as other:
                assert other.note is None
        with closing(make_backend()) as backend, closing(cast("NotedStore", backend.open("table", 0))) as store:
            assert store.note == "second: ü"
            assert list(store.scan()) == [(b"note", b"1")]

    @requires(StoreCapability.NOTED)
    def test_a_note_goes_with_the_data(self, backend: StoreBackend) -> None:
        with closing(cast("NotedStore", backend.open("table", 0))) as store:
            store.set_note("old")
        backend.destroy("table", 0)
        with closing(cast("NotedStore", backend.open("table", 0))) as store:
            assert store.note is None
        closed = cast("NotedStore", backend.open("table", 0))
        closed.close()
        calls: list[Callable[[], object]] = [lambda: closed.note, lambda: closed.set_note("new")]
        for call in calls:
            with pytest.raises(StoreClosed):
                call()

    @requires(StoreCapability.NOTED)
    def test_a_note_is_fenced(self, make_backend: MakeBackend) -> None:
        with closing(make_backend()) as first, closing(make_backend()) as second:
            zombie = cast("NotedStore", first.open("table", 0))
            with closing(cast("NotedStore", second.open("table", 0))) as store:
                store.set_note("mine")
                with pytest.raises(StoreLocked):
                    zombie.set_note("zombie")
                zombie.close()
        with closing(make_backend()) as third, closing(cast("NotedStore", third.open("table", 0))) as store:
            assert store.note == "mine"

    @requires(StoreCapability.MEASURED)
    def test_a_store_tells_numbers_of_itself(self, store: Store) -> None:
        store.apply([(b"%d" % i, b"value") for i in range(100)], changelog_offset=1)
        metrics = cast("MeasuredStore", store).metrics()
        assert metrics
        assert all(number >= 0 for number in metrics.values()), metrics
        assert any(number > 0 for number in metrics.values()), metrics
        store.close()
        with pytest.raises(StoreClosed):
            cast("MeasuredStore", store).metrics()

    @requires(StoreCapability.DETECTS_DAMAGE)
    def test_damage_is_reported_and_destroy_heals_it(
        self, make_backend: MakeBackend, damage: Callable[[str, int], None]
    ) -> None:
        rows = [(b"%04d" % i, random.Random(i).randbytes(100)) for i in range(2000)]
        with closing(make_backend()) as backend, closing(backend.open("table", 0)) as store:
            store.apply(rows, changelog_offset=1)
        damage("table", 0)
        with closing(make_backend()) as backend:
            with pytest.raises(StoreCorrupt, match="table"), closing(backend.open("table", 0)) as store:
                list(store.scan())
            backend.destroy("table", 0)
            with closing(backend.open("table", 0)) as store:
                assert store.changelog_offset is None
                store.apply(rows, changelog_offset=1)
                assert list(store.scan()) == rows


def _between(model: dict[bytes, bytes], start: bytes, end: bytes | None) -> list[Row]:
    return sorted((key, value) for key, value in model.items() if start <= key and (end is None or key < end))
