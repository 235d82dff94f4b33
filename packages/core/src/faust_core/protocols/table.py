"""What user code may rely on in a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

__all__ = ["TableProtocol"]


class TableProtocol(Protocol):
    """A sharded dict.

    In a stream's body it is the partition of the event; elsewhere, for reading only, all partitions of this
    worker.  A change is durable from the next checkpoint on, together with the offset of its event.
    """

    @property
    def name(self) -> str: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __setitem__(self, key: Any, value: Any, /) -> None: ...

    def __delitem__(self, key: Any, /) -> None: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...
