"""The kit fails for stores that break a rule: each mutant of the memory store is caught, by the rules named."""

from __future__ import annotations

from pathlib import Path

import pytest

from faust_conformance.store import StoreConformance

pytest_plugins = ["pytester"]

_ARGUMENTS = ["-q", "--tb=no", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]

_BEGIN = """
import pytest
from faust_conformance.capabilities import StoreCapability
from faust_conformance.store import StoreConformance
from faust_core.errors import StoreClosed, StoreLocked
from faust_core.memory.store import MemoryBackend, MemoryStore

SHARED = {}

class Mutant(StoreConformance):
    capabilities = frozenset({StoreCapability.MEASURED})
    scan_keys = 100_000
    store_class = MemoryStore
    backend_class = MemoryBackend

    @pytest.fixture
    def make_backend(self, monkeypatch):
        monkeypatch.setattr("faust_core.memory.store.MemoryStore", self.store_class)
        SHARED.clear()
        return self.backend_class

class TestNoMutant(Mutant):
    pass
"""

#: A memory store whose data is shared by all backends, each opening of which fences the former one.
_FENCED = """
class FencedStore(MemoryStore):
    def __init__(self, table, partition, backend=None):
        super().__init__(table, partition, backend)
        self.place = SHARED.setdefault((table, partition), {"data": self._data, "offset": None, "note": None})
        self.take_over()
        self._data, self._offset = self.place["data"], self.place["offset"]
    def take_over(self):
        self.place["writer"] = self
    def check(self):
        if self.place["writer"] is not self:
            raise StoreLocked(self.table)
    def _opened(self):
        data = super()._opened()
        self.check()
        return data
    def apply(self, changes, *, changelog_offset):
        super().apply(changes, changelog_offset=changelog_offset)
        self.place["data"], self.place["offset"] = self._data, self._offset
    @property
    def note(self):
        self._opened()
        return self.place["note"]
    def set_note(self, note):
        self._opened()
        self.place["note"] = note

class FencedBackend(MemoryBackend):
    def destroy(self, table, partition):
        super().destroy(table, partition)
        SHARED.pop((table, partition), None)

class FencedMutant(Mutant):
    capabilities = frozenset({StoreCapability.FENCING, StoreCapability.NOTED, StoreCapability.MEASURED})
    store_class = FencedStore
    backend_class = FencedBackend

class TestNoFencedMutant(FencedMutant):
    pass
"""

#: Name of the mutant, its code, and the rules that must catch it.
_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "DropsOffset": (
        """
    def apply(self, changes, *, changelog_offset):
        offset = self._offset
        super().apply(changes, changelog_offset=changelog_offset)
        self._offset = offset
""",
        {"test_an_empty_batch_moves_the_offset", "test_a_lower_offset_is_refused_and_nothing_is_written"},
    ),
    "OffsetOnlyWithChanges": (
        """
    def apply(self, changes, *, changelog_offset):
        if changes:
            super().apply(changes, changelog_offset=changelog_offset)
""",
        {"test_an_empty_batch_moves_the_offset"},
    ),
    "OffsetZeroIsNone": (
        """
    @property
    def changelog_offset(self):
        return super().changelog_offset or None
""",
        {"test_the_offset_may_be_zero"},
    ),
    "OffsetsAreFloats": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply(changes, changelog_offset=int(float(changelog_offset)))
""",
        {"test_offsets_have_sixty_three_bits"},
    ),
    "TakesLowerOffsets": (
        """
    def apply(self, changes, *, changelog_offset):
        self._offset = None
        super().apply(changes, changelog_offset=changelog_offset)
""",
        {"test_a_lower_offset_is_refused_and_nothing_is_written"},
    ),
    "OffsetIsAKey": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([*changes, (b"offset", b"%d" % changelog_offset)], changelog_offset=changelog_offset)
""",
        {"test_no_key_hides_or_changes_the_offset", "test_an_empty_batch_moves_the_offset"},
    ),
    "UnorderedScan": (
        """
    def scan(self, start=b"", end=None):
        return iter(sorted(super().scan(start, end), key=hash))
""",
        {"test_scan_is_in_ascending_byte_order"},
    ),
    "SignedBytes": (
        """
    def scan(self, start=b"", end=None):
        signed = lambda row: [byte - 256 if byte > 127 else byte for byte in row[0]]
        return iter(sorted(super().scan(start, end), key=signed))
""",
        {"test_scan_is_in_ascending_byte_order", "test_any_bytes_are_a_key"},
    ),
    "EndIsIncluded": (
        """
    def scan(self, start=b"", end=None):
        return super().scan(start, None if end is None else end + b"\\\\x00")
""",
        {"test_scan_begins_at_start_and_ends_before_end"},
    ),
    "StartIsLeftOut": (
        """
    def scan(self, start=b"", end=None):
        return super().scan(start + b"\\\\x00" if start else start, end)
""",
        {"test_scan_begins_at_start_and_ends_before_end"},
    ),
    "StaleOrder": (
        """
    def _keys(self, data, start, end):
        if not hasattr(self, "_stale"):
            self._stale = sorted(data)
        return [key for key in self._stale if key in data and start <= key and (end is None or key < end)]
""",
        {"test_scan_stays_ordered_when_keys_come_and_go"},
    ),
    "ScanSeesLaterChanges": (
        """
    def scan(self, start=b"", end=None):
        rows = super().scan(start, end)
        self._scans.clear()
        return rows
    def _rows(self, data, keys):
        for key in list(keys):
            if key in data:
                yield key, data[key]
""",
        {"test_scan_has_the_view_of_the_moment_of_the_call"},
    ),
    "ScanBeginsLate": (
        """
    def scan(self, start=b"", end=None):
        self._opened()
        def late():
            yield from super(OneMutant, self).scan(start, end)
        return late()
""",
        {"test_scan_has_the_view_of_the_moment_of_the_call"},
    ),
    "ScanCopiesAll": (
        """
    def scan(self, start=b"", end=None):
        return iter([(bytes(bytearray(k)), bytes(bytearray(v))) for k, v in super().scan(start, end)])
""",
        {"test_scanning_a_large_store_takes_little_memory"},
    ),
    "ScanEndsSilently": (
        """
    def _rows(self, data, keys):
        for key in keys:
            if self._data is None:
                return
            yield key, data[key]
""",
        {"test_a_scan_ends_with_an_error_when_the_store_is_closed"},
    ),
    "HalfAppliedBatch": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply(changes[: 1 + len(changes) // 2], changelog_offset=changelog_offset)
""",
        {"test_a_batch_of_ten_thousand_changes_is_one_step"},
    ),
    "WritesBeforeItRefuses": (
        """
    def apply(self, changes, *, changelog_offset):
        self._opened().update({k: v for k, v in changes if v is not None})
        super().apply(changes, changelog_offset=changelog_offset)
""",
        {"test_a_lower_offset_is_refused_and_nothing_is_written"},
    ),
    "IgnoresDeletes": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([c for c in changes if c[1] is not None], changelog_offset=changelog_offset)
""",
        {"test_none_deletes"},
    ),
    "DeletesLast": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply(sorted(changes, key=lambda c: c[1] is None), changelog_offset=changelog_offset)
""",
        {"test_later_entries_win_over_earlier_ones"},
    ),
    "FirstEntryWins": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply(changes[::-1], changelog_offset=changelog_offset)
""",
        {"test_later_entries_win_over_earlier_ones"},
    ),
    "EmptyValueDeletes": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([(k, v or None) for k, v in changes], changelog_offset=changelog_offset)
""",
        {"test_an_empty_value_is_a_value"},
    ),
    "EmptyKeyIsLost": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([c for c in changes if c[0]], changelog_offset=changelog_offset)
""",
        {"test_any_bytes_are_a_key"},
    ),
    "KeysEndAtNul": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([(k.rstrip(b"\\\\x00"), v) for k, v in changes], changelog_offset=changelog_offset)
""",
        {"test_any_bytes_are_a_key"},
    ),
    "LongValuesAreCut": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply([(k, v and v[:65536]) for k, v in changes], changelog_offset=changelog_offset)
""",
        {"test_values_of_a_mebibyte_are_kept"},
    ),
    "GetManyLeavesOut": (
        """
    def get_many(self, keys):
        return [value for value in super().get_many(keys) if value is not None]
""",
        {"test_get_many_keeps_the_order_and_has_none_for_what_is_missing"},
    ),
    "GetManyDropsRepeats": (
        """
    def get_many(self, keys):
        return super().get_many(list(dict.fromkeys(keys)))
""",
        {"test_get_many_keeps_the_order_and_has_none_for_what_is_missing"},
    ),
    "AppendsWhenRepeated": (
        """
    def apply(self, changes, *, changelog_offset):
        data = self._opened()
        if changelog_offset == self._offset:
            changes = [(k, v and data.get(k, b"") + v) for k, v in changes]
        super().apply(changes, changelog_offset=changelog_offset)
""",
        {"test_applying_the_same_batch_twice_changes_nothing"},
    ),
    "UsableAfterClose": (
        """
    def close(self):
        data = self._data
        super().close()
        self._data = data
""",
        {"test_a_closed_store_says_so"},
    ),
    "ClosesTheNextOne": (
        """
    def close(self):
        super().close()
        later = self._backend._open.pop((self.table, self.partition), None)
        if later is not None:
            later._data = None
""",
        {"test_close_is_idempotent"},
    ),
    "LeaksAcrossPartitions": (
        """
    def __init__(self, table, partition, backend=None):
        super().__init__(table, partition, backend)
        self._data = SHARED.setdefault(table, {})
""",
        {"test_partitions_and_tables_are_kept_apart"},
    ),
    "LeaksAcrossTables": (
        """
    def __init__(self, table, partition, backend=None):
        super().__init__(table, partition, backend)
        self._data = SHARED.setdefault(f"{table}-{partition}".lower(), {})
""",
        {"test_partitions_and_tables_are_kept_apart"},
    ),
    "BeginsAtZero": (
        """
    def __init__(self, table, partition, backend=None):
        super().__init__(table, partition, backend)
        self._offset = 0
""",
        {"test_a_new_store_is_empty_and_has_no_offset"},
    ),
    "ReadsCapitals": (
        """
    def get(self, key):
        return super().get(key.upper())
""",
        {"test_get_returns_what_was_applied"},
    ),
    "DeletesWhatIsThereOnly": (
        """
    def apply(self, changes, *, changelog_offset):
        for key, value in changes:
            if value is None and key not in self._opened():
                raise KeyError(key)
        super().apply(changes, changelog_offset=changelog_offset)
""",
        {"test_deleting_what_is_not_there_is_fine"},
    ),
    "LosesTheSeventh": (
        """
    def apply(self, changes, *, changelog_offset):
        super().apply(changes[:6] if len(changes) == 7 else changes, changelog_offset=changelog_offset)
""",
        {"test_random_batches_leave_what_they_leave_in_a_dictionary"},
    ),
    "ScanKeepsItOpen": (
        """
    def close(self):
        if self._scans:
            self._backend = None
        super().close()
""",
        {"test_a_scan_that_is_given_up_holds_nothing"},
    ),
    "MeasuresNothing": (
        """
    def metrics(self):
        return {}
""",
        {"test_a_store_tells_numbers_of_itself"},
    ),
    "MeasuresWhenClosed": (
        """
    def metrics(self):
        return {"keys": 100}
""",
        {"test_a_store_tells_numbers_of_itself"},
    ),
    "OneThreadOnly": (
        """
    def __init__(self, table, partition, backend=None):
        import threading
        self._thread = threading.get_ident()
        super().__init__(table, partition, backend)
    def _opened(self):
        import threading
        assert threading.get_ident() == self._thread
        return super()._opened()
""",
        {"test_any_thread_may_call_if_one_does_at_a_time"},
    ),
}

_BACKEND_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "TakesNoOptions": (
        """
    def open(self, table, partition):
        return super().open(table, partition)
""",
        {"test_a_table_may_be_opened_with_options_of_its_own"},
    ),
    "RefusesDots": (
        """
    def open(self, table, partition, options=None):
        if ".." in table:
            raise ValueError(table)
        return super().open(table, partition)
""",
        {"test_awkward_table_names_are_taken"},
    ),
    "OpensTwice": (
        """
    def open(self, table, partition, options=None):
        self._open.pop((table, partition), None)
        return super().open(table, partition)
""",
        {"test_a_store_is_opened_once_at_a_time"},
    ),
    "DestroysWhatIsOpen": (
        """
    def destroy(self, table, partition):
        if store := self._open.get((table, partition)):
            store.close()
""",
        {"test_an_open_store_is_not_destroyed"},
    ),
    "DestroyFailsForNothing": (
        """
    def destroy(self, table, partition):
        raise KeyError(table)
""",
        {"test_destroying_nothing_is_not_an_error"},
    ),
    "DestroyLeavesAll": (
        """
    def open(self, table, partition, options=None):
        store = super().open(table, partition)
        store._data, store._offset = SHARED.get((table, partition), ({}, None))
        close = store.close
        def keep():
            if store._data is not None:
                SHARED[table, partition] = store._data, store._offset
            close()
        store.close = keep
        return store
""",
        {"test_destroy_leaves_nothing_and_touches_nothing_else"},
    ),
    "StoredNamesWhatIsOpen": (
        """
    def stored(self):
        return {name: None for name in self._open}
""",
        {"test_stored_leaves_out_what_is_open"},
    ),
    "LeavesStoresOpen": (
        """
    def close(self):
        pass
""",
        {"test_a_backend_closes_what_is_open_and_is_closed_twice"},
    ),
    "ClaimsToPersist": (
        """
    persistent = True
""",
        {"test_persistent_is_what_is_declared"},
    ),
}


_FENCED_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "FencesNobody": (
        """
    def check(self):
        pass
""",
        {"test_a_later_opening_fences_the_earlier_one", "test_a_note_is_fenced"},
    ),
    "FencesTheLaterOne": (
        """
    def take_over(self):
        self.place.setdefault("writer", self)
""",
        {"test_a_later_opening_fences_the_earlier_one", "test_a_note_is_fenced"},
    ),
    "FencesReadsOnly": (
        """
    def apply(self, changes, *, changelog_offset):
        self.check = lambda: None
        super().apply(changes, changelog_offset=changelog_offset)
        del self.check
""",
        {"test_a_later_opening_fences_the_earlier_one"},
    ),
    "FencesWritesOnly": (
        """
    def get(self, key):
        return self._data.get(key)
""",
        {"test_a_later_opening_fences_the_earlier_one"},
    ),
    "NotesWithoutAFence": (
        """
    def set_note(self, note):
        self.place["note"] = note
""",
        {"test_a_note_is_fenced", "test_a_note_goes_with_the_data"},
    ),
    "KeepsNotesInTheObject": (
        """
    note = None
    def set_note(self, note):
        self._opened()
        self.note = note
""",
        {"test_a_note_is_beside_the_data", "test_a_note_is_fenced"},
    ),
    "NotesAmongTheRows": (
        """
    def set_note(self, note):
        super().set_note(note)
        self._data[b"note"] = note.encode()
""",
        {"test_a_note_is_beside_the_data"},
    ),
    "NotesOfAllPartitions": (
        """
    @property
    def note(self):
        self._opened()
        return SHARED[self.table, 0]["note"]
""",
        {"test_a_note_is_beside_the_data"},
    ),
}

_FENCED_BACKEND_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "DestroysNoNote": (
        """
    def destroy(self, table, partition):
        MemoryBackend.destroy(self, table, partition)
        if place := SHARED.get((table, partition)):
            place.update(data={}, offset=None)
""",
        {"test_a_note_goes_with_the_data"},
    ),
}


#: A store in one file, rewritten at every `apply`; the other process imports it, so it is a module of its own.
_FILE_STORE = """
import contextlib, fcntl, os, pickle, time
from pathlib import Path
from faust_core.errors import StoreCorrupt, StoreLocked
from faust_core.memory.store import MemoryBackend, MemoryStore

class FileStore(MemoryStore):
    def __init__(self, table, partition, backend):
        super().__init__(table, partition, backend)
        self.path = backend.path(table, partition)
        self.lock = open(str(self.path) + ".lock", "w")
        try:
            self.take_lock()
            if self.path.exists():
                self._data, self._offset = self.load()
        except BaseException:
            self.lock.close()
            raise
    def take_lock(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise StoreLocked(str(self.path)) from exc
    def load(self):
        try:
            return pickle.loads(self.path.read_bytes())
        except (pickle.UnpicklingError, EOFError) as exc:
            raise StoreCorrupt(str(self.path)) from exc
    def apply(self, changes, *, changelog_offset):
        super().apply(changes, changelog_offset=changelog_offset)
        self.save()
    def save(self):
        new = self.path.with_suffix(".new")
        new.write_bytes(pickle.dumps((self._data, self._offset)))
        new.replace(self.path)
    def close(self):
        if self._data is not None and not self.path.exists():
            self.save()
        self.lock.close()
        super().close()

class FileBackend(MemoryBackend):
    persistent = True
    store_class = FileStore
    def __init__(self, directory):
        super().__init__()
        self.directory = Path(directory)
    def path(self, table, partition):
        return self.directory / f"{table.replace('.', '%2E')}+{partition}"
    def open(self, table, partition, options=None):
        if (table, partition) in self._open:
            raise StoreLocked(table)
        store = self._open[table, partition] = self.store_class(table, partition, self)
        return store
    def destroy(self, table, partition):
        super().destroy(table, partition)
        with open(str(self.path(table, partition)) + ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise StoreLocked(table) from exc
            self.path(table, partition).unlink(missing_ok=True)
    def stored(self):
        found = {}
        for path in self.directory.iterdir():
            table, _, partition = path.name.replace("%2E", ".").rpartition("+")
            if partition.isdecimal() and (table, int(partition)) not in self._open:
                found[table, int(partition)] = pickle.loads(path.read_bytes())[1]
        return found
"""

_FILE_SUITE = """
import functools
import pytest
import file_store
from faust_conformance.store import StoreCapability, StoreConformance

class Mutant(StoreConformance):
    capabilities = frozenset({getattr(StoreCapability, name) for name in
        ("PERSISTENT", "EXCLUSIVE", "STORED_OFFSETS", "DETECTS_DAMAGE")})
    scan_keys = 20_000
    backend_class = file_store.FileBackend

    @pytest.fixture
    def make_backend(self, tmp_path):
        return functools.partial(self.backend_class, tmp_path)

    @pytest.fixture
    def damage(self, tmp_path):
        return lambda table, partition: (tmp_path / f"{table}+{partition}").write_bytes(b"no pickle")

class TestNoMutant(Mutant):
    pass
"""

_FILE_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "OffsetInAFileOfItsOwn": (
        """
    def save(self):
        self.path.write_bytes(pickle.dumps((self._data, self._offset and self._offset - 1)))
        time.sleep(0.005)
        super().save()
""",
        {"test_a_killed_process_leaves_no_half_batch"},
    ),
    "WritesAtClose": (
        """
    def apply(self, changes, *, changelog_offset):
        MemoryStore.apply(self, changes, changelog_offset=changelog_offset)
    def close(self):
        if self._data is not None:
            self.save()
        super().close()
""",
        {"test_a_killed_process_leaves_no_half_batch"},
    ),
    "KeepsNothing": (
        """
    def load(self):
        return {}, None
""",
        {"test_what_was_applied_is_there_after_reopening"},
    ),
    "ForgetsTheOffset": (
        """
    def load(self):
        return super().load()[0], None
""",
        {"test_what_was_applied_is_there_after_reopening"},
    ),
    "BeginsAtZero": (
        """
    def __init__(self, table, partition, backend):
        super().__init__(table, partition, backend)
        self._offset = self._offset or 0
""",
        {"test_a_store_that_was_never_written_has_no_offset_after_reopening"},
    ),
    "LocksNobodyOut": (
        """
    def take_lock(self):
        pass
""",
        {"test_a_second_backend_is_locked_out", "test_another_process_is_locked_out_until_it_is_gone"},
    ),
    "TakesDamageForEmptiness": (
        """
    def load(self):
        try:
            return super().load()
        except StoreCorrupt:
            return {}, None
""",
        {"test_damage_is_reported_and_destroy_heals_it"},
    ),
}

_FILE_BACKEND_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "TakesNoOptions": (
        """
    def open(self, table, partition):
        return super().open(table, partition)
""",
        {"test_a_table_may_be_opened_with_options_of_its_own"},
    ),
    "StoredIsEmpty": (
        """
    def stored(self):
        return {}
""",
        {"test_stored_names_every_closed_store", "test_stored_tells_the_offsets"},
    ),
    "StoredWithoutOffsets": (
        """
    def stored(self):
        return dict.fromkeys(super().stored())
""",
        {"test_stored_tells_the_offsets"},
    ),
}


@pytest.mark.timeout(120)
def test_every_mutant_is_caught_by_its_rule(pytester: pytest.Pytester) -> None:
    code = [_BEGIN, *_classes("Memory", _MUTANTS, _BACKEND_MUTANTS)]
    file = pytester.makepyfile("\n".join(code))
    _assert_each_is_caught(pytester, file, {**_MUTANTS, **_BACKEND_MUTANTS})


@pytest.mark.timeout(120)
def test_every_mutant_that_is_shared_is_caught(pytester: pytest.Pytester) -> None:
    code = [_BEGIN, _FENCED, *_classes("Fenced", _FENCED_MUTANTS, _FENCED_BACKEND_MUTANTS, suite="FencedMutant")]
    file = pytester.makepyfile("\n".join(code))
    _assert_each_is_caught(pytester, file, {**_FENCED_MUTANTS, **_FENCED_BACKEND_MUTANTS}, none="NoFencedMutant")


def test_there_is_a_mutant_for_every_rule() -> None:
    kinds = (_MUTANTS, _BACKEND_MUTANTS, _FENCED_MUTANTS, _FENCED_BACKEND_MUTANTS, _FILE_MUTANTS, _FILE_BACKEND_MUTANTS)
    caught = {rule for mutants in kinds for _, rules in mutants.values() for rule in rules}
    assert caught == {name for name in dir(StoreConformance) if name.startswith("test_")}


@pytest.mark.timeout(120)
def test_every_mutant_that_lies_about_its_abilities_is_caught(pytester: pytest.Pytester) -> None:
    module = [_FILE_STORE]
    suites = [_FILE_SUITE]
    for text in _classes("File", _FILE_MUTANTS, _FILE_BACKEND_MUTANTS):
        (suites if text.startswith("class Test") else module).append(text)
    module += [f"class {name}Backend(FileBackend):\n    store_class = {name}\n" for name in _FILE_MUTANTS]
    pytester.makepyfile(file_store="\n".join(module))
    pytester.syspathinsert()
    text = "\n".join(suites)
    for name in _FILE_MUTANTS:
        text = text.replace(f"store_class = {name}\n", f"backend_class = file_store.{name}Backend\n")
    for name in _FILE_BACKEND_MUTANTS:
        text = text.replace(f"backend_class = {name}\n", f"backend_class = file_store.{name}\n")
    file = pytester.makepyfile(text)
    _assert_each_is_caught(pytester, file, {**_FILE_MUTANTS, **_FILE_BACKEND_MUTANTS})


def _classes(
    kind: str,
    stores: dict[str, tuple[str, set[str]]],
    backends: dict[str, tuple[str, set[str]]],
    suite: str = "Mutant",
) -> list[str]:
    """The code of the mutants, and of a suite for each."""
    code = []
    for base, mutants in (("store", stores), ("backend", backends)):
        for name, (body, _) in mutants.items():
            body = body.replace("OneMutant", name).replace("\\\\", "\\")
            code.append(f"class {name}({kind}{base.title()}):\n{body}")
            code.append(f"class Test{name}({suite}):\n    {base}_class = {name}\n")
    return code


def _assert_each_is_caught(
    pytester: pytest.Pytester, file: Path, mutants: dict[str, tuple[str, set[str]]], none: str = "NoMutant"
) -> None:
    expected = {name: rules for name, (_, rules) in mutants.items()}
    rules = [f"{file}::Test{name}::{rule}" for name, rules in expected.items() for rule in sorted(rules)]
    outcome = pytester.inline_run(f"{file}::Test{none}", *rules, *_ARGUMENTS)
    failed: dict[str, set[str]] = {name: set() for name in [none, *expected]}
    for report in outcome.getreports("pytest_runtest_logreport"):
        assert isinstance(report, pytest.TestReport)
        if report.failed:
            _, suite, rule = report.nodeid.split("::")
            failed[suite.removeprefix("Test")].add(rule.partition("[")[0])
    assert failed == {none: set(), **expected}
