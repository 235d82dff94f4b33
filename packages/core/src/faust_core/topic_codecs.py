"""How a topic's records are read and written: its codecs, its schema's hooks, and errors that say where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from faust_core.claims import Claim
from faust_core.codecs import codec_name, decoder_of, encoder_of
from faust_core.errors import DecodeError, EncodeError, KeyDecodeError, ValueDecodeError
from faust_core.headers import HeadersArg
from faust_core.messages import Message
from faust_core.protocols.codec import FetchingCodec, Part
from faust_core.schema import CodecArg, Schema, as_dict, chosen_codec, own_serializer, takes_bytes

if TYPE_CHECKING:
    from faust_core.application import AppProtocol as App

__all__ = ["RecordCodecs"]

K = TypeVar("K")
V = TypeVar("V")


class RecordCodecs(Generic[K, V]):
    """The half of a topic that knows its types.

    Attributes:
        raw_decode, raw_key_decode: the codecs' bare functions.
        decode_failures, key_errors: what they raise; then `decode_value` and `decode_key` decide.
        by_record: the schema has methods of its own, which are asked about each record.
        fetching: the codecs that may have to ask a service first.
    """

    def __init__(
        self,
        app: App,
        topic: str,
        *,
        schema: Schema[K, V] | None,
        key_type: type[K] | None,
        value_type: type[V] | None,
        key_serializer: CodecArg,
        value_serializer: CodecArg,
        allow_empty: bool,
    ) -> None:
        self.app = app
        self._topic = topic
        if schema is not None:
            key_type = schema.key_type if key_type is None else key_type
            value_type = schema.value_type if value_type is None else value_type
            key_serializer = key_serializer or schema.key_serializer
            value_serializer = value_serializer or schema.value_serializer
            allow_empty = allow_empty or schema.allow_empty
        self.schema = schema
        self.key_type = key_type
        self.value_type = value_type
        self.key_serializer: CodecArg = key_serializer or own_serializer(key_type) or app.conf.key_serializer
        self.value_serializer: CodecArg = value_serializer or own_serializer(value_type) or app.conf.value_serializer
        self.allow_empty = allow_empty
        self._hooks: Schema[Any, Any] | None = None
        if schema is not None and schema.overrides():
            self._hooks = schema.bound(topic)
            self._hooks.update(
                key_type=key_type,
                value_type=value_type,
                key_serializer=key_serializer,
                value_serializer=value_serializer,
            )
            # Its own, so that they are fetched for and prepared.
            key_codec, value_codec = self._hooks.codec("key", app), self._hooks.codec("value", app)
        else:
            key_codec = chosen_codec(key_serializer, key_type, app, "key", topic)
            value_codec = chosen_codec(value_serializer, value_type, app, "value", topic)
        self._key_codec, self._value_codec = key_codec, value_codec
        self.raw_key_decode, self.key_errors = decoder_of(key_codec)
        self.raw_decode, self.value_errors = decoder_of(value_codec)
        self.decode_failures: tuple[type[Exception], ...] = (*self.value_errors, DecodeError)
        self._encode_key, self._key_encode_errors = encoder_of(key_codec)
        self._encode_value, self._value_encode_errors = encoder_of(value_codec)
        self._key_bytes_are_encoded = not takes_bytes(key_codec, key_type)
        self._value_bytes_are_encoded = not takes_bytes(value_codec, value_type)
        self.by_record = self._hooks is not None
        self.fetching: tuple[tuple[Part, FetchingCodec], ...] = tuple(
            (part, codec) for part, codec in _halves(key_codec, value_codec) if hasattr(codec, "missing")
        )
        self._sends_directly = not self.by_record and not self.fetching

    def encode_key(self, key: Any) -> bytes | None:
        if key is None or (isinstance(key, bytes) and self._key_bytes_are_encoded):
            return key
        try:
            return self._encode_key(key)
        except self._key_encode_errors as exc:
            name = codec_name(self._key_codec)
            raise EncodeError(f"cannot write the key {key!r} to {self._topic} as {name}: {exc}", codec=name) from exc

    def encode_value(self, value: Any) -> bytes | None:
        if value is None or (isinstance(value, bytes) and self._value_bytes_are_encoded):
            return value
        try:
            return self._encode_value(value)
        except self._value_encode_errors as exc:
            name = codec_name(self._value_codec)
            raise EncodeError(
                f"cannot write a {type(value).__name__} to {self._topic} as {name}: {exc}", codec=name
            ) from exc

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any:
        """Decode the key of an item, by default the one in hand.

        Raises:
            KeyDecodeError: it is not what `key_type` says; names topic, partition, offset and codec.
        """
        index = claim.index if index is None else index
        if self._hooks is not None:
            try:
                return self._hooks.loads_key(self.app, Message(claim.batch.record(index)))
            except Exception as exc:
                raise self._error(KeyDecodeError, exc, claim, index) from exc
        if data is None:
            return None
        try:
            return self._key_codec.decode(data)
        except self.key_errors as exc:
            raise self._error(KeyDecodeError, exc, claim, index) from exc

    def decode_value(self, data: bytes | None, claim: Claim) -> Any:
        """Decode the value of the item in hand.

        Raises:
            ValueDecodeError: it is not what `value_type` says; names topic, partition, offset, codec and field.
        """
        if data is None:
            if self.value_type is None or self.allow_empty:
                return None
            raise self._error(
                ValueDecodeError,
                f"it is null and {self.value_type} cannot be (allow_empty=True lets it through)",
                claim,
            )
        if self._hooks is not None:
            try:
                return self._hooks.loads_value(self.app, Message(claim.record()))
            except Exception as exc:
                raise self._error(ValueDecodeError, exc, claim) from exc
        try:
            return self._value_codec.decode(data)
        except self.decode_failures as exc:
            raise self._error(ValueDecodeError, exc, claim) from exc

    def _error(self, kind: type[Any], reason: Any, claim: Claim, index: int | None = None) -> Any:
        tp = claim.tp
        offset = claim.batch.offsets[claim.index if index is None else index]
        codec = self._key_codec if kind is KeyDecodeError else self._value_codec
        return kind(
            reason.reason if isinstance(reason, DecodeError) else str(reason) or repr(reason),
            topic=tp.topic,
            partition=tp.partition,
            offset=offset,
            codec=getattr(reason, "codec", "") or codec_name(codec),
            field=getattr(reason, "field", "") if isinstance(reason, DecodeError) else "",
        )

    def encoded(self, key: Any, value: Any, headers: HeadersArg = None) -> tuple[Any, Any, HeadersArg]:
        """Return key, value and headers as the record shall have them; where the schema has hooks, by these.

        Raises:
            EncodeError: the value or key cannot be written.
        """
        if self._hooks is None:
            return self.encode_key(key), self.encode_value(value), headers
        try:
            key_bytes, changed = self._hooks.dumps_key(self.app, key, headers=as_dict(headers))
            value_bytes, changed = self._hooks.dumps_value(self.app, value, headers=changed)
        except EncodeError as exc:
            raise EncodeError(f"cannot write to {self._topic}: {exc}", codec=exc.codec) from exc
        return key_bytes, value_bytes, changed

    async def prepare(self) -> None:
        """Let the codecs get what they need to write, such as the ids of their schemas; once, and in a thread.

        Raises:
            FaustError: the service that has it cannot be reached, or refuses.
        """
        for _, codec in self.fetching:
            if not codec.prepared:
                await asyncio.to_thread(codec.prepare)


def _halves(key_codec: Any, value_codec: Any) -> tuple[tuple[Part, Any], tuple[Part, Any]]:
    return ("key", key_codec), ("value", value_codec)
