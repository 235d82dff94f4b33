"""The rules that every codec keeps: `CodecConformance`, one test for each.

An implementer writes:

    class TestMyCodec(CodecConformance):
        capabilities = frozenset({CodecCapability.PLAIN_VALUES, CodecCapability.UNTRUSTED_BYTES})

        @pytest.fixture
        def make_codec(self):
            return my_codec.create

        @pytest.fixture
        def malformed(self):
            return [b"{"]
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faust_conformance.capabilities import ConformanceSuite, requires
from faust_core.errors import DecodeError, EncodeError
from faust_core.protocols.codec import Codec

__all__ = ["CodecCapability", "CodecConformance", "Item", "Order"]

MakeCodec = Callable[[Any], Codec]

#: The fixtures hold nothing that one example could leave to the next, and several classes inherit each rule.
_FUZZ = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    database=None,
)

_PLAIN: list[Any] = [
    {},
    {"id": 1, "name": "a", "price": 1.5, "ok": True, "none": None},
    {"nested": {"list": [1, [2, {"three": 3}]]}, "empty": [], "text": "äöü€😀\n\t\"'\\"},
    [0, -1, 2**31, -(2**63), 2**63 - 1],
    "text",
    "",
    12,
    -0.25,
    1e300,
    True,
    None,
]
_BYTES = [b"", b"\0", b"a", bytes(range(256)), b"\xff" * 1000, b"text", b"0" * 100_000]


@dataclasses.dataclass
class Item:
    """Part of an order."""

    name: str
    price: float


@dataclasses.dataclass
class Order:
    """What typed codecs carry here."""

    id: int
    items: list[Item]
    note: str | None = None
    tags: dict[str, bool] = dataclasses.field(default_factory=dict)


_ORDERS = [
    Order(1, []),
    Order(-(2**40), [Item("a", 1.5), Item("ä", 0.0)], "note", {"x": True, "": False}),
]


class CodecCapability(Enum):
    """What a codec may do beyond what every codec must.  Declared means tested; undeclared is a visible skip."""

    #: Without a type: dicts with keys of text, lists, text, numbers, booleans, None.
    PLAIN_VALUES = "plain-values"
    #: Without a type: any bytes; needed of codecs that stand at the end of a chain.
    BYTES = "bytes"
    #: Dataclasses as `value_type`, with others in them.
    TYPED = "typed"
    #: A value of another type is a `DecodeError` that names the field; needs PLAIN_VALUES and TYPED.
    FIELD_PATHS = "field-paths"
    #: Whatever the bytes, the answer is a value or a `DecodeError`.
    UNTRUSTED_BYTES = "untrusted-bytes"
    #: Equal values become equal bytes, so that it can write keys.
    DETERMINISTIC = "deterministic"
    #: A few bytes cannot become gigabytes; needs the fixture `bomb`.
    BOUNDED_OUTPUT = "bounded-output"


class CodecConformance(ConformanceSuite, capability_type=CodecCapability):
    """Every rule of `Codec`.

    Supply `make_codec` and `malformed`, `bomb` where BOUNDED_OUTPUT is declared, and `samples` where neither
    PLAIN_VALUES, BYTES nor TYPED says what is carried; declare `capabilities`.
    """

    @pytest.fixture
    def make_codec(self) -> MakeCodec:
        """Return what makes a codec of a type; None is no type."""
        raise NotImplementedError(f"{type(self).__name__} must supply the fixture make_codec")

    @pytest.fixture
    def malformed(self) -> Sequence[bytes]:
        """Return bytes that the codec of `samples` cannot read; empty where it reads any."""
        raise NotImplementedError(f"{type(self).__name__} must supply the fixture malformed")

    @pytest.fixture
    def bomb(self) -> tuple[Codec, bytes]:
        """Return a codec with a limit of at most a mebibyte, and bytes that would become much more."""
        raise NotImplementedError(f"{type(self).__name__} declares BOUNDED_OUTPUT: supply the fixture bomb")

    @pytest.fixture
    def samples(self) -> tuple[Any, Sequence[Any]]:
        """Return a type, or None, and values of it."""
        if CodecCapability.PLAIN_VALUES in self.capabilities:
            return None, _PLAIN
        if CodecCapability.BYTES in self.capabilities:
            return None, _BYTES
        if CodecCapability.TYPED in self.capabilities:
            return Order, _ORDERS
        raise NotImplementedError(f"{type(self).__name__} does not say what it carries: supply the fixture samples")

    @pytest.fixture
    def codec(self, make_codec: MakeCodec, samples: tuple[Any, Sequence[Any]]) -> Codec:
        return make_codec(samples[0])

    @pytest.fixture
    def encoded(self, codec: Codec, samples: tuple[Any, Sequence[Any]]) -> list[bytes]:
        return [codec.encode(value) for value in samples[1]]

    # -- values

    def test_what_was_written_is_read_back(self, codec: Codec, samples: tuple[Any, Sequence[Any]]) -> None:
        for value in samples[1]:
            found = codec.decode(codec.encode(value))
            assert found == value
            assert type(found) is type(value)

    def test_bytes_are_written(self, encoded: list[bytes]) -> None:
        assert {type(data) for data in encoded} == {bytes}

    def test_the_bytes_given_are_not_kept(self, codec: Codec, samples: tuple[Any, Sequence[Any]]) -> None:
        first, *others = samples[1]
        data = codec.encode(first)
        copy = bytes(bytearray(data))
        for value in others:
            codec.encode(value)
        assert data == copy
        assert codec.decode(data) == first

    @requires(CodecCapability.PLAIN_VALUES)
    def test_plain_values_are_read_back(self, make_codec: MakeCodec) -> None:
        codec = make_codec(None)
        for value in _PLAIN:
            found = codec.decode(codec.encode(value))
            assert found == value
            assert type(found) is type(value)

    @requires(CodecCapability.BYTES)
    def test_any_bytes_are_read_back(self, make_codec: MakeCodec) -> None:
        codec = make_codec(None)
        for value in _BYTES:
            assert codec.decode(codec.encode(value)) == value

    @requires(CodecCapability.BYTES)
    def test_bytes_are_said_to_be_values(self, make_codec: MakeCodec) -> None:
        assert getattr(make_codec(None), "encodes_bytes", False) is True, "a topic would let bytes past this codec"

    @requires(CodecCapability.TYPED)
    def test_dataclasses_are_read_back(self, make_codec: MakeCodec) -> None:
        codec = make_codec(Order)
        for order in _ORDERS:
            assert codec.decode(codec.encode(order)) == order

    @requires(CodecCapability.DETERMINISTIC)
    def test_equal_values_become_equal_bytes(
        self, make_codec: MakeCodec, codec: Codec, samples: tuple[Any, Sequence[Any]]
    ) -> None:
        other = make_codec(samples[0])
        for value in samples[1]:
            assert codec.encode(value) == codec.encode(value) == other.encode(value)

    # -- errors

    def test_a_codec_has_a_name(self, codec: Codec) -> None:
        name = getattr(codec, "name", None)
        assert isinstance(name, str)
        assert name

    def test_a_value_that_cannot_be_written_is_an_encode_error_with_the_codecs_name(self, codec: Codec) -> None:
        with pytest.raises(EncodeError) as caught:
            codec.encode(threading.Lock())
        _check_name(codec, caught.value)

    def test_malformed_bytes_are_a_decode_error_with_the_codecs_name(
        self, codec: Codec, malformed: Sequence[bytes]
    ) -> None:
        for data in malformed:
            with pytest.raises(DecodeError) as caught:
                codec.decode(data)
            _check_name(codec, caught.value)
            assert caught.value.reason, "what was wrong?"

    @requires(CodecCapability.FIELD_PATHS)
    def test_the_field_of_a_wrong_type_is_named(self, make_codec: MakeCodec) -> None:
        plain, typed = make_codec(None), make_codec(Order)
        for value, field in [
            ({"id": "x", "items": []}, "id"),
            ({"id": 1, "items": [{"name": "a", "price": "much"}]}, "price"),
        ]:
            with pytest.raises(DecodeError) as caught:
                typed.decode(plain.encode(value))
            assert field in caught.value.field
            assert field in caught.value.reason
            _check_name(typed, caught.value)

    @requires(CodecCapability.TYPED)
    def test_a_value_of_another_class_is_not_written_as_if_it_were_right(self, make_codec: MakeCodec) -> None:
        codec = make_codec(Order)
        try:
            data = codec.encode(Item("a", 1.0))
        except EncodeError:
            return
        with pytest.raises(DecodeError):
            codec.decode(data)

    @requires(CodecCapability.UNTRUSTED_BYTES)
    @_FUZZ
    @given(data=st.binary(max_size=300))
    def test_random_bytes_are_a_value_or_a_decode_error(self, codec: Codec, data: bytes) -> None:
        _decode_or_refuse(codec, data)

    @requires(CodecCapability.UNTRUSTED_BYTES)
    @_FUZZ
    @given(data=st.data())
    def test_damaged_values_are_a_value_or_a_decode_error(
        self, codec: Codec, encoded: list[bytes], data: st.DataObject
    ) -> None:
        damaged = bytearray(data.draw(st.sampled_from([one for one in encoded if len(one) < 2000]), label="value"))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(damaged)), label="at")
            damage = data.draw(st.binary(max_size=8), label="put there")
            damaged[at : at + data.draw(st.integers(0, 8), label="in place of")] = damage
        _decode_or_refuse(codec, bytes(damaged))

    @requires(CodecCapability.UNTRUSTED_BYTES)
    def test_values_cut_off_are_a_value_or_a_decode_error(self, codec: Codec, encoded: list[bytes]) -> None:
        for data in encoded:
            for size in {*range(min(len(data), 300)), len(data) - 1} - {-1}:
                _decode_or_refuse(codec, data[:size])

    @requires(CodecCapability.UNTRUSTED_BYTES)
    @pytest.mark.parametrize(
        "unit", [b"[", b"{", b'{"a":', b"\x91", b"\x81\xa1a", b"(", b"\x02", b"- ", b"\x00\x02", b"]", b"\xff"]
    )
    def test_deeply_nested_bytes_are_a_value_or_a_decode_error(
        self, codec: Codec, encoded: list[bytes], unit: bytes
    ) -> None:
        for start in (b"", encoded[0][:5]):
            _decode_or_refuse(codec, start + unit * 200_000)

    @requires(CodecCapability.BOUNDED_OUTPUT)
    def test_a_decompression_bomb_is_refused(self, bomb: tuple[Codec, bytes]) -> None:
        codec, data = bomb
        with pytest.raises(DecodeError, match=r"(?i)limit") as caught:
            codec.decode(data)
        _check_name(codec, caught.value)

    # -- callers

    def test_any_thread_may_call(self, codec: Codec, samples: tuple[Any, Sequence[Any]]) -> None:
        values = [value for value in samples[1] for _ in range(20)]

        def there_and_back(value: Any) -> bool:
            return bool(codec.decode(codec.encode(value)) == value)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(there_and_back, values))

    def test_the_fast_functions_do_what_the_methods_do(
        self, codec: Codec, samples: tuple[Any, Sequence[Any]], encoded: list[bytes], malformed: Sequence[bytes]
    ) -> None:
        encode, decode = getattr(codec, "fast_encode", None), getattr(codec, "fast_decode", None)
        if encode is not None:
            assert [encode(value) for value in samples[1]] == encoded
            with pytest.raises((EncodeError, *getattr(codec, "encode_errors", ()))):
                encode(threading.Lock())
        if decode is not None:
            assert [decode(data) for data in encoded] == [codec.decode(data) for data in encoded]
            for data in malformed:
                with pytest.raises((DecodeError, *getattr(codec, "decode_errors", ()))):
                    decode(data)


def _check_name(codec: Codec, error: DecodeError | EncodeError) -> None:
    """The error says which codec it was: this one, or one in its chain."""
    names = str(getattr(codec, "name", "")).split("|")
    assert error.codec in {*names, "|".join(names)}, f"{error.codec!r} is not among {names}"
    assert error.codec.split("|")[0] in str(error)


def _decode_or_refuse(codec: Codec, data: bytes) -> None:
    try:
        codec.decode(data)
    except DecodeError as error:
        _check_name(codec, error)
