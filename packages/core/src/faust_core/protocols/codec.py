"""Bytes to values and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, Protocol

__all__ = ["Codec", "CodecFactory", "FetchingCodec", "Part", "PlainForm", "SelfDescribingType", "TopicCodec"]

#: Which half of a record.
Part = Literal["key", "value"]


class Codec(Protocol):
    """Translates between bytes and one kind of value.  Pure; may be called by any thread."""

    def encode(self, value: Any, /) -> bytes:
        """Return the bytes of `value`.

        Raises:
            EncodeError: `value` cannot be written in this format.
        """
        ...

    def decode(self, data: bytes, /) -> Any:
        """Return the value of `data`.

        Raises:
            DecodeError: `data` is malformed or has the wrong type; the reason carries the field's path.
        """
        ...


class CodecFactory(Protocol):
    """What an entry point in the group `faust.codecs` names."""

    def __call__(self, value_type: Any = None, /) -> Codec:
        """Return a codec for values of `value_type`; None means whatever the format itself says.

        Raises:
            ConfigError: this format cannot carry that type.
        """
        ...


class TopicCodec(Protocol):
    """What stands for a codec until topic and type are known, such as one whose schemas go by the topic's name."""

    def for_topic(self, topic: str, part: Part, value_type: Any, /) -> Codec:
        """Return the codec for one half of a topic's records.

        Args:
            topic: the topic's name; empty where a codec is used outside of topics.
            value_type: as in `CodecFactory`.

        Raises:
            ConfigError: this format cannot carry that type.
        """
        ...


class FetchingCodec(Protocol):
    """What a codec has besides where it asks a service for what it needs, such as the schemas of a registry.

    The engine calls `missing` and `fetch` before it hands records out, and `prepare` before it first writes, both
    `fetch` and `prepare` in a thread.  So neither `decode` nor `encode` waits inside of the event loop.  Where they are
    called without, they wait themselves.
    """

    @property
    def prepared(self) -> bool:
        """Whether `encode` has all that it needs."""
        ...

    def prepare(self) -> None:
        """Get what `encode` needs; may be called by any thread, and again.

        Raises:
            RetriableTransportError: the service cannot be reached.
            ConfigError: the service refuses.
        """
        ...

    def missing(self, data: Sequence[bytes | None], /) -> frozenset[Hashable]:
        """Return what must be fetched before all of `data` can be decoded; asks nobody.

        Bytes that are malformed need nothing: `decode` says what is wrong with them.
        """
        ...

    def fetch(self, missing: frozenset[Hashable], /) -> None:
        """Get what `missing` returned.  What the service does not have, `decode` complains of.

        Raises:
            RetriableTransportError: the service cannot be reached; call again.
            ConfigError: the service refuses.
        """
        ...


class PlainForm(Protocol):
    """Values of one type as plain ones (dicts, lists, text, numbers), for formats that know no types."""

    def to_plain(self, value: Any, /) -> Any:
        """Return what stands for `value`.

        Raises:
            TypeError, ValueError: nothing does.
        """
        ...

    def from_plain(self, plain: Any, /) -> Any:
        """Return the value that `plain` stands for.

        Raises:
            DecodeError: it does not have the type; the reason carries the field's path.
        """
        ...


class SelfDescribingType(Protocol):
    """A value type that names its own codec, as `class Order(Record, serializer='json')` does."""

    __faust_serializer__: str | None
