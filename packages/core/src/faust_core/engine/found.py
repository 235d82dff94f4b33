"""What one record brings about in a join, as a batch of its own that is one claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from faust_core.claims import Claim
from faust_core.errors import DecodeError
from faust_core.records import ConsumerRecord, Headers, TopicPartition

__all__ = ["FoundBatch", "FoundClaim", "FoundDecoding"]


class FoundBatch:
    """What one record brought about, as a batch whose values are not bytes."""

    __slots__ = ("_records", "_values", "keys", "next_offset", "offsets", "timestamps_ms", "tp")

    def __init__(
        self,
        tp: TopicPartition,
        offset: int,
        values: Sequence[Any],
        records: Sequence[ConsumerRecord],
    ) -> None:
        """Args:
        offset: of the record in hand; that of each value, so that it is done after the last of them.
        records: what stands for each value where it must be named: in dead letters, in `event.message`.
        """
        self.tp = tp
        self._values = values
        self._records = records
        self.keys = [record.key for record in records]
        self.timestamps_ms = [record.timestamp_ms for record in records]
        self.offsets = [offset] * len(values)
        self.next_offset = offset + 1

    @property
    def values(self) -> Sequence[Any]:
        return self._values

    def headers(self, index: int, /) -> Headers:
        return self._records[index].headers

    def record(self, index: int, /) -> ConsumerRecord:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._values)


class FoundClaim(Claim):
    """A claim on all that one record brought about.

    The buffer is changed already, so no checkpoint may come before the last of it is done.
    """

    __slots__ = ("_side",)

    def __init__(self, side: str, *claim: Any) -> None:
        """Args:
        side: the name of the stream that the record is of.
        """
        super().__init__(*claim)
        self._side = side

    @property
    def stream(self) -> str:
        return self._side

    @property
    def has_written(self) -> bool:
        return True


class FoundDecoding:
    """Decodes nothing but keys: pairs are made from their rows by the stream's first processor."""

    by_record = False
    decode_failures: tuple[type[Exception], ...] = (DecodeError,)

    def __init__(self, topic: Any) -> None:
        self.topic = topic
        self.app = topic.app
        self.raw_decode: Callable[[Any], Any] = _as_it_is
        self.raw_key_decode: Callable[[bytes], Any] = topic.raw_key_decode
        self.key_errors: tuple[type[Exception], ...] = topic.key_errors

    def decode_value(self, data: Any, _claim: Claim) -> Any:
        return data

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any:
        return self.topic.decode_key(data, claim, index)

    def encode_key(self, key: Any) -> bytes | None:
        encoded: bytes | None = self.topic.encode_key(key)
        return encoded

    def encode_value(self, value: Any) -> bytes | None:
        encoded: bytes | None = self.topic.encode_value(value)
        return encoded


def _as_it_is(data: Any) -> Any:
    return data
