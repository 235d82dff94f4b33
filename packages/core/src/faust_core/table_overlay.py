"""Uncommitted changes that are looked at one by one as they come, where a plain dict would not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from faust_core.table_codec import DELETED

__all__ = ["DELETED", "MISSING", "Overlay", "OverlayOwner"]

MISSING: Any = object()


class OverlayOwner(Protocol):
    """The table partition that an overlay belongs to."""

    on_change: Callable[[Any, Any, Any], Any] | None

    @property
    def strict(self) -> bool: ...

    def get(self, key: Any, /) -> Any: ...

    def keep_encoded(self, key: Any, value: Any, /) -> None:
        """Encode a change now, and keep its bytes for the checkpoint.

        Raises:
            EncodeError: the key or the value cannot be written.
        """
        ...


class Overlay(dict[Any, Any]):
    """A dict of changes: where its owner is strict each is encoded when it is made, and `on_change` is told of it.

    What it is made from is taken as it is.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: OverlayOwner, changes: Mapping[Any, Any]) -> None:
        super().__init__(changes)
        self._owner = owner

    def __setitem__(self, key: Any, value: Any) -> None:
        owner = self._owner
        if owner.strict:
            owner.keep_encoded(key, value)
        if owner.on_change is None:
            super().__setitem__(key, value)
            return
        old = owner.get(key)
        super().__setitem__(key, value)
        owner.on_change(key, None if old is MISSING else old, None if value is DELETED else value)
