"""Plug-ins: what a third party's store gets and gives."""

from collections.abc import Iterator, Sequence
from typing import reveal_type

from faust_core.protocols.store import Store
from faust_core.records import ConsumerRecord, TopicPartition


def of_a_record(record: ConsumerRecord) -> None:
    """The broker's bytes."""
    reveal_type(record.value)  # is: bytes | None
    reveal_type(record.offset)  # is: int
    reveal_type(TopicPartition("topic", 0).partition)  # is: int


def of_a_store(store: Store) -> None:
    """A store's bytes."""
    reveal_type(store.get(b"key"))  # is: bytes | None
    store.get("key")  # error: arg-type


class Misspelt:
    """A store whose keyword is misspelt is not one."""

    def get(self, key: bytes, /) -> bytes | None:
        """Nothing is in it."""

    def apply(self, changes: Sequence[tuple[bytes, bytes | None]], /, *, changelog_ofset: int) -> None:
        """Forget."""

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        """Nothing is in it."""
        yield from ()


store: Store = Misspelt()  # error: assignment
