"""What the three formats share: the header, ids and schemas that are fetched once, and errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.codec import Codec, FetchingCodec

from .client import RegistryClient, Schema
from .errors import IncompatibleSchema, RegistryRefused, SchemaNotFound
from .wire import HEADER_BYTES, check_header, header, is_header, schema_id

__all__ = ["Format", "RegistryCodec", "Writing"]

#: For so long an id that the registry does not have is not asked for again: it may be registered yet.
UNKNOWN_FOR_S: Final = 30.0
#: Ids that were in records but not in the registry; bytes that are none of ours could name any number of them.
MAX_UNKNOWN: Final = 1000

#: Takes a whole value, its header included.
Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]


class Format(Protocol):
    """Avro, JSON Schema or Protobuf, for values of one type.

    Attributes:
        name: of the codec.
        kind: what the registry calls the format.
        record: the full name of the type; empty where it has none.
        needs_schema: values cannot be read without the schema they were written with.
    """

    name: str
    kind: str
    record: str
    needs_schema: bool

    def schema(self, client: RegistryClient, *, register: bool) -> Schema | None:
        """Return the schema to write with; None where there is none, so that this codec can only read."""
        ...

    def encoder(self, client: RegistryClient, schema: Schema) -> Encode:
        """Return the function that writes values, without the header; it may raise anything."""
        ...

    def decoder(self, client: RegistryClient, schema: Schema | None) -> Decode:
        """Return the function that reads values of a schema; it may raise anything for bytes that are wrong."""
        ...


@dataclass(frozen=True)
class Writing:
    """How schemas get into the registry.

    Attributes:
        auto_register: register a schema that is not there; without, it must be.
        use_latest: write with the newest schema of the subject, whatever the type says.
        normalize: let the registry bring schemas into one form before it compares them.
    """

    auto_register: bool = True
    use_latest: bool = False
    normalize: bool = False


class RegistryCodec:
    """A codec for one half of one topic.  May be called by any thread.

    `decode` and `encode` ask the registry only where nobody has called `fetch` and `prepare` before; the engine does.
    A value whose schema the registry does not have is a `DecodeError`; a registry that cannot be reached is a
    `RegistryUnavailable`, since then the value is not to blame.
    """

    def __init__(self, client: RegistryClient, format_: Format, subject: Callable[[], str], writing: Writing) -> None:
        self.name = format_.name
        self._client = client
        self._format = format_
        self._subject = subject
        self._writing = writing
        self._decoders: dict[bytes, Decode] = {}
        self._unknown: dict[bytes, float] = {}
        self._encode: Encode | None = None
        self._header = b""
        self._lock = threading.Lock()
        self._any_schema = None if format_.needs_schema else format_.decoder(client, None)

    # -- writing

    @property
    def prepared(self) -> bool:
        return self._encode is not None

    def prepare(self) -> None:
        """Find or register the schema to write with.

        Raises:
            IncompatibleSchema: it breaks the compatibility that its subject demands.
            RegistryRefused: the registry takes neither schema nor credentials, or the schema is not there.
            RegistryUnavailable: call again later.
        """
        with self._lock:
            if self._encode is not None:
                return
            schema = self._format.schema(self._client, register=self._writing.auto_register)
            subject = self._subject() if schema is not None or self._writing.use_latest else ""
            if self._writing.use_latest:
                id_, schema = self._client.latest(subject)
                if wrong := self._wrong_kind(schema):
                    raise RegistryRefused(f"{self.name}: the latest schema of {subject!r} {wrong}")
            elif schema is None:
                raise ConfigError(
                    f"{self.name}: nothing says what is written: give the topic a value_type, or the codec a schema="
                )
            elif self._writing.auto_register:
                id_ = self._registered(subject, schema)
            else:
                id_ = self._found(subject, schema)
            try:
                encode = self._format.encoder(self._client, schema)
            except (RegistryRefused, ConfigError):
                raise
            except Exception as exc:
                raise RegistryRefused(f"{self.name}: schema {id_} of {subject!r} is of no use: {exc}") from exc
            self._header = header(id_)
            self._encode = encode

    def encode(self, value: Any, /) -> bytes:
        if self._encode is None:
            self.prepare()
        assert self._encode is not None
        try:
            return self._header + self._encode(value)
        except EncodeError as exc:
            exc.codec = exc.codec or self.name
            raise
        except Exception as exc:
            raise EncodeError(
                f"{self.name} cannot write a {type(value).__qualname__}: {str(exc) or repr(exc)}", codec=self.name
            ) from exc

    def _registered(self, subject: str, schema: Schema) -> int:
        try:
            return self._client.register(subject, schema, normalize=self._writing.normalize)
        except IncompatibleSchema as exc:
            raise IncompatibleSchema(
                f"{exc}; change the type so that it is compatible, or the subject's compatibility",
                status=exc.status,
                code=exc.code,
            ) from exc

    def _found(self, subject: str, schema: Schema) -> int:
        try:
            return self._client.id_of(subject, schema, normalize=self._writing.normalize)
        except SchemaNotFound as exc:
            raise SchemaNotFound(
                f"{exc}; the type's schema is not registered under {subject!r}, and auto_register is off: register it, "
                f"or write with what is there (use_latest=True)",
                status=exc.status,
                code=exc.code,
            ) from exc

    # -- reading

    def missing(self, data: Sequence[bytes | None], /) -> frozenset[Hashable]:
        if self._any_schema is not None:
            return frozenset()
        prefixes = {item[:HEADER_BYTES] for item in data if item}
        prefixes.difference_update(self._decoders)
        if not prefixes:
            return frozenset()
        now = time.monotonic()
        return frozenset(p for p in prefixes if is_header(p) and self._unknown.get(p, 0.0) <= now)

    def fetch(self, missing: frozenset[Hashable], /) -> None:
        for prefix in missing:
            assert isinstance(prefix, bytes)
            if prefix not in self._decoders:
                self._fetch(prefix)

    def decode(self, data: bytes, /) -> Any:
        decode = self._decoders.get(data[:HEADER_BYTES])
        if decode is None:
            decode = self._decoder(data)
        try:
            return decode(data)
        except DecodeError as exc:
            exc.codec = exc.codec or self.name
            raise
        except Exception as exc:
            raise DecodeError(f"not {self.name}: {str(exc) or repr(exc)}", codec=self.name) from exc

    def _decoder(self, data: bytes) -> Decode:
        prefix = check_header(self.name, data)
        if self._any_schema is not None:
            return self._any_schema
        if self._unknown.get(prefix, 0.0) <= time.monotonic():
            self._fetch(prefix)
        found = self._decoders.get(prefix)
        if found is None:
            raise DecodeError(f"{self.name}: the schema registry has no schema {schema_id(prefix)}", codec=self.name)
        return found

    def _fetch(self, prefix: bytes) -> None:
        id_ = schema_id(prefix)
        try:
            schema = self._client.schema(id_, form="serialized" if self._format.kind == "PROTOBUF" else None)
        except SchemaNotFound:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[prefix] = time.monotonic() + UNKNOWN_FOR_S
            return
        try:
            if wrong := self._wrong_kind(schema):
                decode = _complains(f"{self.name}: schema {id_} {wrong}", self.name)
            else:
                decode = self._format.decoder(self._client, schema)
        except (DecodeError, RegistryRefused) as exc:
            decode = _complains(f"{self.name}: schema {id_}: {exc}", self.name)
        except (ConfigError, ValueError, TypeError, LookupError, RecursionError) as exc:
            decode = _complains(f"{self.name}: schema {id_} cannot be read: {exc}", self.name)
        self._decoders[prefix] = decode

    def _wrong_kind(self, schema: Schema) -> str:
        kind = self._format.kind
        return "" if schema.kind == kind else f"is of the format {schema.kind}, not {kind}"

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


def _complains(reason: str, name: str) -> Decode:
    def decode(_data: bytes) -> Any:
        raise DecodeError(reason, codec=name)

    return decode


if TYPE_CHECKING:
    _codec: type[Codec] = RegistryCodec
    _fetching: type[FetchingCodec] = RegistryCodec
