"""YAML, through PyYAML's safe loader; needs the extra `yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from faust_core.errors import DecodeError, EncodeError, PluginMissing
from faust_core.protocols.codec import Codec, CodecFactory, PlainForm

from .plain import plain_form, to_plain

__all__ = ["YamlCodec", "yaml"]

#: PyYAML's C code overflows its stack, and ends the process, some thousand levels deep.
MAX_DEPTH: Final = 100
#: Each level takes one of these characters; a document with fewer cannot be too deep.
_NESTING: Final = b"[{-?:"


class YamlCodec:
    """YAML of one document.  May be called by any thread.

    Only plain types are made: no tag can name a class.  Aliases are refused, as a few lines of them can stand for
    gigabytes, and so is what is nested more than 100 levels deep.
    """

    name = "yaml"

    def __init__(self, form: PlainForm | None) -> None:
        """Raises:
        PluginMissing: PyYAML is not installed.
        """
        try:
            import yaml as pyyaml  # noqa: PLC0415
        except ImportError as exc:
            raise PluginMissing("codec 'yaml' needs PyYAML: pip install 'faust-models[yaml]'") from exc

        class Dumper(getattr(pyyaml, "CSafeDumper", pyyaml.SafeDumper)):  # type: ignore[misc]  # either is a class
            def ignore_aliases(self, _data: Any) -> bool:
                return True

        self._yaml = pyyaml
        self._form = form
        self._loader: Any = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)
        self._dumper: Any = Dumper

    def encode(self, value: Any, /) -> bytes:
        try:
            text = self._yaml.dump(
                to_plain(value), Dumper=self._dumper, encoding="utf-8", sort_keys=False, allow_unicode=True
            )
        except Exception as exc:
            raise EncodeError(f"yaml cannot write a {type(value).__qualname__}: {exc}", codec="yaml") from exc
        return bytes(text)

    def decode(self, data: bytes, /) -> Any:
        try:
            self._check(data)
            plain = self._yaml.load(data, Loader=self._loader)
        except DecodeError:
            raise
        except Exception as exc:  # PyYAML's constructors raise many kinds
            if "maximum nesting depth" in str(exc):  # libyaml 0.2.6 has a limit of its own, which it sees first
                raise _too_deep() from exc
            raise DecodeError(f"not yaml: {exc}", codec="yaml") from exc
        if self._form is None:
            return plain
        try:
            return self._form.from_plain(plain)
        except DecodeError as exc:
            raise DecodeError(f"yaml: {exc.reason}", codec="yaml", field=exc.field) from exc

    def _check(self, data: bytes) -> None:
        """Raise where a document is too deep or has aliases, before anything is made of it."""
        if b"*" not in data and sum(data.count(byte) for byte in _NESTING) < MAX_DEPTH:
            return
        depth = 0
        for event in self._yaml.parse(data, Loader=self._loader):
            if isinstance(event, self._yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise _too_deep()
            elif isinstance(event, self._yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, self._yaml.AliasEvent):
                raise DecodeError(f"yaml: alias *{event.anchor}: aliases are not taken", codec="yaml")

    def __repr__(self) -> str:
        return "<codec yaml>"


def _too_deep() -> DecodeError:
    return DecodeError(f"yaml: nested more than {MAX_DEPTH} levels deep", codec="yaml")


def yaml(value_type: Any = None, /) -> YamlCodec:
    """Return the YAML codec of a type; None reads plain values and writes anything.

    Raises:
        PluginMissing: PyYAML is not installed.
        ConfigError: plain values cannot become that type.
    """
    return YamlCodec(None if value_type in (None, Any) else plain_form(value_type))


if TYPE_CHECKING:
    _codec: type[Codec] = YamlCodec
    _factory: CodecFactory = yaml
