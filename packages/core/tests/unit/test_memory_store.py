"""What the store in memory promises beyond the rules for every store."""

from __future__ import annotations

import gc

from faust_core.memory.store import MemoryBackend, MemoryStore, create
from faust_core.protocols.store import StoreContext


def test_closing_a_store_drops_its_data() -> None:
    backend = create("memory://", StoreContext("app-v1"))
    store = backend.open("counts", 0)
    store.apply([(b"a", b"1")], changelog_offset=1)
    store.close()
    assert dict(backend.stored()) == {}
    again = backend.open("counts", 0)
    assert again.changelog_offset is None
    assert again.get(b"a") is None
    backend.close()


def test_backends_share_nothing() -> None:
    first, second = MemoryBackend(), MemoryBackend()
    first.open("counts", 0).apply([(b"a", b"1")], changelog_offset=1)
    assert second.open("counts", 0).get(b"a") is None
    first.close()
    second.close()


def test_it_is_neither_persistent_nor_shared() -> None:
    backend = MemoryBackend()
    assert (backend.persistent, backend.shared) == (False, False)


def test_a_store_needs_no_backend() -> None:
    store = MemoryStore("counts", 0)
    store.apply([(b"a", b"1")], changelog_offset=1)
    assert store.get(b"a") == b"1"
    store.close()


def test_the_data_is_copied_for_a_scan_that_is_alive_and_only_once() -> None:
    store = MemoryStore("counts", 0)
    store.apply([(b"a", b"1")], changelog_offset=1)
    before = store._data
    scan = store.scan()
    store.apply([(b"a", b"2")], changelog_offset=2)
    copy = store._data
    store.apply([(b"a", b"3")], changelog_offset=3)
    assert copy is not before
    assert store._data is copy
    assert list(scan) == [(b"a", b"1")]


def test_a_scan_that_is_gone_costs_no_copy() -> None:
    store = MemoryStore("counts", 0)
    store.apply([(b"a", b"1")], changelog_offset=1)
    list(store.scan())
    gc.collect()
    before = store._data
    store.apply([(b"b", b"2")], changelog_offset=2)
    assert store._data is before


def test_the_order_is_kept_while_no_key_comes_or_goes() -> None:
    store = MemoryStore("counts", 0)
    store.apply([(b"b", b"1"), (b"a", b"1")], changelog_offset=1)
    assert [key for key, _ in store.scan()] == [b"a", b"b"]
    order = store._ordered
    store.apply([(b"b", b"2")], changelog_offset=2)
    assert store._ordered is order
    assert list(store.scan(b"b")) == [(b"b", b"2")]
    store.apply([(b"c", b"3"), (b"b", None)], changelog_offset=3)  # as many keys as before, other ones
    assert list(store.scan()) == [(b"a", b"1"), (b"c", b"3")]
