"""Pickles: `pickle` (base64, as the original writes it), `raw_pickle`, and `pickle_restricted`.

Reading a pickle runs whatever code it names.  So no topic gets these codecs unless it asks for them itself, and no
record can choose its codec.  `pickle_restricted` reads the same bytes, but makes nothing besides plain values.
"""

from __future__ import annotations

import base64
import io
import pickle as picklelib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from faust_core.codecs import FunctionCodec
from faust_core.custom_codecs import PlainCodec
from faust_core.protocols.codec import Codec, CodecFactory
from faust_core.registry import plain_form

__all__ = ["pickle", "pickle_restricted", "raw_pickle"]

#: The original's too; every Python that runs this reads it.
_PROTOCOL: Final = 4

#: All that a restricted pickle may name: types that do nothing when they are made.
_HARMLESS: Final = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "complex"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "deque"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("uuid", "UUID"),
    }
)


# The pure-Python unpickler: the other one allocates as much memory as eight bytes of a pickle tell it to.
class _RestrictedUnpickler(picklelib._Unpickler):  # noqa: SLF001
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _HARMLESS:
            return super().find_class(module, name)
        raise picklelib.UnpicklingError(f"{module}.{name} is not among the types that a restricted pickle may name")


def raw_pickle(value_type: Any = None, /) -> Codec:
    """Python's pickle, as bytes.  UNSAFE: whoever can write to the topic can run code in your workers.

    Models are pickled as plain values, and made from them again.
    """
    return _pickling("raw_pickle", value_type, _dumps, picklelib.loads, unsafe=True)


def pickle(value_type: Any = None, /) -> Codec:
    """Python's pickle in base64.  UNSAFE: whoever can write to the topic can run code in your workers."""
    return _pickling("pickle", value_type, _dumps_text, _loads_text, unsafe=True)


def pickle_restricted(value_type: Any = None, /) -> Codec:
    """The format of `pickle`, but of plain values only: containers, numbers, text, bytes, dates, Decimal, UUID."""
    return _pickling("pickle_restricted", value_type, _dumps_text, lambda data: restricted_loads(_from_text(data)))


def restricted_loads(data: bytes) -> Any:
    """Return the plain value that a pickle holds.

    Raises:
        Exception: of many kinds: it is malformed, or names something else.
    """
    return _RestrictedUnpickler(io.BytesIO(data)).load()


def _dumps(value: Any) -> bytes:
    return picklelib.dumps(value, _PROTOCOL)


def _dumps_text(value: Any) -> bytes:
    return base64.b64encode(_dumps(value))


def _loads_text(data: bytes) -> Any:
    return picklelib.loads(_from_text(data))  # noqa: S301  each topic must ask for it


def _from_text(data: bytes) -> bytes:
    return base64.b64decode(data, validate=True)


def _pickling(
    name: str,
    value_type: Any,
    dumps: Callable[[Any], bytes],
    loads: Callable[[bytes], Any],
    *,
    unsafe: bool = False,
) -> Codec:
    # `__reduce__` and `__setstate__` are the user's code, and may raise anything.
    errors = (Exception,)
    codec = FunctionCodec(name, dumps, errors, loads, errors, encodes_bytes=True, unsafe=unsafe)
    return codec if value_type in (None, Any) else PlainCodec(codec, plain_form(value_type))


if TYPE_CHECKING:
    _factories: list[CodecFactory] = [raw_pickle, pickle, pickle_restricted]
