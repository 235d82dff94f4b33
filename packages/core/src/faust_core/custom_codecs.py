"""Codecs of an application's own: the class `Codec`, with `_dumps` and `_loads`, and what binds it to a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from faust_core.codecs import Chain, codec_name
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.codec import Codec as CodecProtocol
from faust_core.protocols.codec import Part, PlainForm, TopicCodec
from faust_core.registry import codec as find_codec
from faust_core.registry import codec_factory, plain_form

__all__ = ["Codec", "NamedCodec", "PlainCodec"]


class Codec:
    """A codec of your own: override `_dumps` and `_loads`.

        class Tsv(faust.Codec):
            def _dumps(self, obj): return "\\t".join(obj).encode()
            def _loads(self, s): return s.decode().split("\\t")

        faust.serializers.codecs.register("tsv", Tsv())

    Both deal with plain values (dicts, lists, text, numbers); where a topic has a `value_type`, models are turned into
    plain values before `_dumps`, and plain values into models after `_loads`.  They may be called by any thread.
    Whatever they raise counts as the value's fault, or the data's.

    `Tsv() | zlib()` is a chain: the first writes the value, each other one takes the bytes of the one before.

    Attributes:
        name: what errors call it; by default its class's name.
        children: the codecs behind it in its chain.
    """

    name: str = ""
    #: Bytes are values like others here; they do not go past it as if they were encoded already.
    encodes_bytes: bool = True
    #: Whether reading bytes can run code that they name; a topic must then ask for this codec itself.
    unsafe: bool = False

    def __init__(self, children: Sequence[CodecProtocol] | None = None, **kwargs: Any) -> None:
        self.children: tuple[CodecProtocol, ...] = tuple(children or ())
        self.kwargs = kwargs
        self.name = type(self).name or type(self).__name__
        self.unsafe = type(self).unsafe or any(getattr(child, "unsafe", False) for child in self.children)

    @property
    def nodes(self) -> tuple[CodecProtocol, ...]:
        """The codecs of the chain that begins with this one."""
        return (self, *self.children)

    def _dumps(self, obj: Any) -> bytes:
        """Return the bytes of a plain value."""
        raise NotImplementedError(f"{type(self).__name__} must define _dumps(self, obj)")

    def _loads(self, s: bytes) -> Any:
        """Return the plain value of bytes."""
        raise NotImplementedError(f"{type(self).__name__} must define _loads(self, s)")

    def dumps(self, obj: Any) -> bytes:
        """Return the bytes of a plain value, by this codec and those behind it.

        Raises:
            EncodeError: it cannot be written; names the codec.
        """
        return self.encode(obj)

    def loads(self, s: bytes) -> Any:
        """Return the plain value of bytes.

        Raises:
            DecodeError: they are malformed; names the codec.
        """
        return self.decode(s)

    def encode(self, value: Any, /) -> bytes:
        if self.children:
            return Chain([_Alone(self), *self.children]).encode(value)
        return _Alone(self).encode(value)

    def decode(self, data: bytes, /) -> Any:
        if self.children:
            return Chain([_Alone(self), *self.children]).decode(data)
        return _Alone(self).decode(data)

    def for_topic(self, topic: str, part: Part, value_type: Any, /) -> CodecProtocol:
        first: CodecProtocol = self.alone(topic, part, value_type)
        if not self.children:
            return first
        return Chain([first, *(find_codec(child, None, topic=topic, part=part) for child in self.children)])

    def alone(self, _topic: str, _part: Part, value_type: Any, /) -> CodecProtocol:
        """Return this codec without those behind it, for values of a type."""
        alone = _Alone(self)
        return alone if value_type in (None, Any) else PlainCodec(alone, plain_form(value_type))

    def clone(self, *children: CodecProtocol) -> Codec:
        """Return the same codec with more behind it."""
        return type(self)(children=(*self.children, *children), **self.kwargs)

    def __or__(self, other: Any) -> Codec:
        if isinstance(other, Codec):
            return self.clone(*other.nodes_alone())
        if isinstance(other, str):
            return self.clone(*(NamedCodec(name) for name in other.split("|")))
        if hasattr(other, "encode") and hasattr(other, "decode"):
            return self.clone(other)
        return NotImplemented

    def nodes_alone(self) -> tuple[CodecProtocol, ...]:
        """The codecs of the chain, each without those behind it."""
        return (self.clone_alone(), *self.children)

    def clone_alone(self) -> Codec:
        return type(self)(**self.kwargs) if self.children else self

    def __repr__(self) -> str:
        return f"<codec {'|'.join(codec_name(node) for node in self.nodes)}>"


class _Alone:
    """One codec of the user's own, with its errors under our names."""

    __slots__ = ("_codec", "encodes_bytes", "name", "unsafe")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.name = codec.name
        self.encodes_bytes = codec.encodes_bytes
        self.unsafe = codec.unsafe

    def encode(self, value: Any, /) -> bytes:
        try:
            data = self._codec._dumps(value)  # noqa: SLF001  the other half of this class
        except Exception as exc:
            if isinstance(exc, EncodeError) and exc.codec == self.name:
                raise
            raise EncodeError(f"{self.name} cannot write a {type(value).__name__}: {exc!r}", codec=self.name) from exc
        if not isinstance(data, bytes):
            raise EncodeError(f"{self.name}._dumps returned a {type(data).__name__}, not bytes", codec=self.name)
        return data

    def decode(self, data: bytes, /) -> Any:
        try:
            return self._codec._loads(data)  # noqa: SLF001
        except DecodeError as exc:
            if exc.codec == self.name:
                raise
            raise DecodeError(f"not {self.name}: {exc.reason}", codec=self.name, field=exc.field) from exc
        except Exception as exc:
            raise DecodeError(f"not {self.name}: {exc!r}", codec=self.name) from exc


class PlainCodec:
    """A codec for values of a type, made of one that knows no types."""

    __slots__ = ("_codec", "_form", "encodes_bytes", "name", "unsafe")

    def __init__(self, codec: CodecProtocol, form: PlainForm) -> None:
        self._codec = codec
        self._form = form
        self.name = codec_name(codec)
        self.encodes_bytes: bool = getattr(codec, "encodes_bytes", False)
        self.unsafe: bool = getattr(codec, "unsafe", False)

    def encode(self, value: Any, /) -> bytes:
        try:
            plain = self._form.to_plain(value)
        except Exception as exc:
            raise EncodeError(f"{self.name} cannot write a {type(value).__name__}: {exc}", codec=self.name) from exc
        return self._codec.encode(plain)

    def decode(self, data: bytes, /) -> Any:
        plain = self._codec.decode(data)
        try:
            return self._form.from_plain(plain)
        except DecodeError as exc:
            raise DecodeError(f"{self.name}: {exc.reason}", codec=self.name, field=exc.field) from exc
        except Exception as exc:  # a model's own code may raise anything
            raise DecodeError(f"{self.name}: {exc}", codec=self.name) from exc

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


class NamedCodec(Codec):
    """A codec by its name, to be put into a chain: `codecs.json() | codecs.zlib()`."""

    def __init__(self, codec_name: str, children: Sequence[CodecProtocol] | None = None, **options: Any) -> None:
        """Args:
            options: for the codec's factory, such as `max_output_bytes`.

        Raises:
            PluginMissing: there is no codec of that name.
            ConfigError: the codec has no such option.
        """
        super().__init__(children, codec_name=codec_name, **options)
        self.name = codec_name
        self._options = options
        self._codec = self._find(None, "", "value")
        self.encodes_bytes = getattr(self._codec, "encodes_bytes", False)
        self.unsafe = self.unsafe or getattr(self._codec, "unsafe", False)

    def _find(self, value_type: Any, topic: str, part: Part) -> CodecProtocol:
        if not self._options:
            return find_codec(self.name, value_type, topic=topic, part=part)
        factory = codec_factory(self.name)
        try:
            return find_codec(factory(value_type, **self._options), topic=topic, part=part)
        except TypeError as exc:
            raise ConfigError(f"codec {self.name!r}: {exc}") from exc

    def alone(self, topic: str, part: Part, value_type: Any, /) -> CodecProtocol:
        return self._find(value_type, topic, part)

    def _dumps(self, obj: Any) -> bytes:
        return self._codec.encode(obj)

    def _loads(self, s: bytes) -> Any:
        return self._codec.decode(s)


if TYPE_CHECKING:
    _codecs: list[type[CodecProtocol]] = [Codec, _Alone, PlainCodec]
    _bound: type[TopicCodec] = Codec
