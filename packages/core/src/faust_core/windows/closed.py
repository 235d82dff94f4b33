"""Final results: the stream of the windows that are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.errors import ConfigError, DecodeError
from faust_core.stream import Stream
from faust_core.tables import Table
from faust_core.topics import Topic

__all__ = ["ClosedWindows"]


def with_key(value: Any) -> tuple[Any, Any]:
    claim = current_claim.get()
    assert claim is not None, "processors run inside an iteration"
    return claim.key(), value


class ClosedWindows(Topic[Any, Any]):
    """What `windowed.closed()` returns: `((key, window), value)` of each window, once, when it is closed.

    Iterate it in `@app.task`, or give it to `@app.agent`.  An item is done when the next one is asked for; its window
    is closed by the checkpoint that commits what was sent for it.  A body that raises is dealt with by the agent's
    policy; the dead letter is the table's key and value.
    """

    from_table = True

    def __init__(self, table: Table[Any, Any]) -> None:
        super().__init__(table.app, table.changelog_topic_name, key_serializer="raw", value_serializer="raw")
        self._table = table
        self.processors = (with_key,)
        self.decode_failures = (DecodeError,)
        self.raw_decode = table.codec.decode_value

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any:  # noqa: ARG002
        return None if data is None else self._table.codec.decode_key(data)

    def decode_value(self, data: bytes | None, claim: Claim) -> Any:  # noqa: ARG002
        return None if data is None else self._table.codec.decode_value(data)

    async def send(self, **_options: Any) -> Any:
        raise ConfigError(f"the closed windows of {self._table.name} can be read only")

    def __aiter__(self) -> AsyncIterator[tuple[Any, Any]]:
        stream: Stream[tuple[Any, Any]] = self.app.stream(self)
        for processor in self.processors:
            stream.add_processor(processor)
        return aiter(stream)
