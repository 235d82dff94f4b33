"""What joins keep: internal tables, so that it has a changelog, is in the checkpoint and is restored like any other."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

from faust_core.protocols.store import Store
from faust_core.records import TopicPartition
from faust_core.table_codec import TableCodec
from faust_core.table_partition import DELETED, TablePartition
from faust_core.tables import Table

__all__ = ["GroupedPartition", "JoinState", "StateCodec", "StatePartition"]


class StateCodec(TableCodec):
    """A layout in bytes of a join's own, instead of codecs that an application chooses."""

    __slots__ = ()

    def __init__(self) -> None:
        """There are no codecs to be found."""
        self.fetching = []

    #: By `encode_key` and `encode_value`, as there are no codecs.
    encode_changes = TableCodec.encode_each


class StatePartition(TablePartition):
    """One partition of what a join keeps."""

    __slots__ = ()

    #: Its changes say that something was handed out.  They may be durable only when what came of that is.
    after_outputs = True


class GroupedPartition(StatePartition):
    """A partition whose keys form groups that lie together in the store.

    It knows which keys of a group are not wholly in the store, so that a group is read without a look at all
    changes since the last checkpoint.
    """

    __slots__ = ("_unstored",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unstored: dict[Hashable, set[Any]] = {}

    def group_of(self, key: Any) -> Hashable:
        """Return the group of a key; None for one that is in none."""
        raise NotImplementedError

    def note(self, key: Any) -> None:
        """A key is changed; called before or after the change, with no await between."""
        group = self.group_of(key)
        if group is not None:
            self._unstored.setdefault(group, set()).add(key)

    def unstored(self, group: Hashable) -> Collection[Any]:
        """Return the keys of a group that are not wholly in the store."""
        return self._unstored.get(group, ())

    @property
    def unstored_groups(self) -> Mapping[Any, Collection[Any]]:
        return self._unstored

    def change_key(self, key: Any, value: Any) -> None:
        self.dirty[key] = value
        self.note(key)

    def delete_key(self, key: Any) -> None:
        self.change_key(key, DELETED)

    # -- the checkpoint's side

    def settle(self) -> None:
        super().settle()
        self._unstored = {}
        self._note_all(self.dirty)

    def unstage(self) -> None:
        super().unstage()
        self._note_all(self.dirty)

    def discard(self) -> None:
        super().discard()
        self._unstored = {}

    def _note_all(self, keys: Iterable[Any]) -> None:
        for key in keys:
            self.note(key)


class JoinState(Table[Any, Any]):
    """An internal table of a join.  No program sees or changes it."""

    partition_type: type[StatePartition] = StatePartition
    state_codec: type[StateCodec]

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(app, name)
        self.codec = self.state_codec()

    def open_partition(
        self,
        partition: int,
        store: Store,
        cache_size: int,
        *,
        resident: bool = True,
        remote: bool = False,  # noqa: ARG002  what is read ahead are keys that an application uses
    ) -> TablePartition:
        self._opened = True
        changelog = TopicPartition(self.changelog_topic_name, partition)
        return self.partition_type(self, store, self.codec, changelog, cache_size, resident=resident)
