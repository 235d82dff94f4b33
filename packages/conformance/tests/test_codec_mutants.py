"""The kit fails for codecs that break a rule: each mutant of a JSON codec is caught, by the rules named."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

_ARGUMENTS = ["-q", "--tb=no", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]

_BEGIN = """
import itertools
import zlib

import pytest
from faust_conformance.codec import CodecCapability, CodecConformance
from faust_core.codecs import json
from faust_core.errors import DecodeError, EncodeError

class Codec:
    name = "mine"

    def __init__(self, value_type=None):
        self.inner = json(value_type)

    def encode(self, value, /):
        try:
            return self.inner.encode(value)
        except EncodeError as exc:
            raise EncodeError(f"mine: {exc}", codec="mine") from exc

    def decode(self, data, /):
        try:
            return self.inner.decode(data)
        except DecodeError as exc:
            raise DecodeError(f"mine: {exc.reason}", codec="mine", field=exc.field) from exc

class Bytes(Codec):
    encodes_bytes = True

    def encode(self, value, /):
        if not isinstance(value, bytes):
            raise EncodeError("mine: bytes only", codec="mine")
        return zlib.compress(value)

    def decode(self, data, /):
        inflate = zlib.decompressobj()
        try:
            value = inflate.decompress(data, self.limit + 1)
        except zlib.error as exc:
            raise DecodeError(f"mine: {exc}", codec="mine") from exc
        if len(value) > self.limit:
            raise DecodeError("mine: over the limit", codec="mine")
        if not inflate.eof or inflate.unused_data:
            raise DecodeError("mine: cut off", codec="mine")
        return value

    limit = 1 << 20

class Mutant(CodecConformance):
    capabilities = frozenset(
        {
            CodecCapability.PLAIN_VALUES,
            CodecCapability.TYPED,
            CodecCapability.FIELD_PATHS,
            CodecCapability.UNTRUSTED_BYTES,
            CodecCapability.DETERMINISTIC,
        }
    )
    codec_class = Codec

    @pytest.fixture
    def make_codec(self):
        return self.codec_class

    @pytest.fixture
    def malformed(self):
        return [b"", b"{", b"\\xff"]

class BytesMutant(Mutant):
    capabilities = frozenset(
        {
            CodecCapability.BYTES,
            CodecCapability.UNTRUSTED_BYTES,
            CodecCapability.DETERMINISTIC,
            CodecCapability.BOUNDED_OUTPUT,
        }
    )
    codec_class = Bytes

    @pytest.fixture
    def bomb(self):
        return self.codec_class(), zlib.compress(bytes(10_000_000))

class TestNoMutant(Mutant):
    pass

class TestNoBytesMutant(BytesMutant):
    pass
"""

#: Name of the mutant, its code, and the rules that must catch it.
_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "RaisesTheParsersError": (
        """
    def decode(self, data, /):
        return self.inner.fast_decode(data)
""",
        {
            "test_malformed_bytes_are_a_decode_error_with_the_codecs_name",
            "test_random_bytes_are_a_value_or_a_decode_error",
            "test_damaged_values_are_a_value_or_a_decode_error",
            "test_values_cut_off_are_a_value_or_a_decode_error",
            "test_deeply_nested_bytes_are_a_value_or_a_decode_error",
            "test_the_field_of_a_wrong_type_is_named",
        },
    ),
    "SaysNotWhoItIs": (
        """
    def decode(self, data, /):
        try:
            return self.inner.decode(data)
        except DecodeError:
            raise DecodeError("bad data") from None
""",
        {
            "test_malformed_bytes_are_a_decode_error_with_the_codecs_name",
            "test_the_field_of_a_wrong_type_is_named",
            "test_random_bytes_are_a_value_or_a_decode_error",
        },
    ),
    "NamesNoField": (
        """
    def decode(self, data, /):
        try:
            return super().decode(data)
        except DecodeError as exc:
            raise DecodeError(exc.reason, codec="mine") from exc
""",
        {"test_the_field_of_a_wrong_type_is_named"},
    ),
    "HasNoName": ('    name = ""\n', {"test_a_codec_has_a_name"}),
    "ReadsNothingAsNone": (
        """
    def decode(self, data, /):
        return super().decode(data) if data else None
""",
        {"test_malformed_bytes_are_a_decode_error_with_the_codecs_name"},
    ),
    "LosesPrecision": (
        """
    def decode(self, data, /):
        value = super().decode(data)
        return float(value) if type(value) is int else value
""",
        {"test_what_was_written_is_read_back", "test_plain_values_are_read_back"},
    ),
    "WritesByteArrays": (
        """
    def encode(self, value, /):
        return bytearray(super().encode(value))
""",
        {"test_bytes_are_written"},
    ),
    "ReusesItsBuffer": (
        """
    buffer = bytearray()

    def encode(self, value, /):
        self.buffer[:] = super().encode(value)
        return self.buffer
""",
        {"test_bytes_are_written", "test_the_bytes_given_are_not_kept"},
    ),
    "NumbersItsValues": (
        """
    numbers = itertools.count()

    def encode(self, value, /):
        return super().encode(value) + b" " * (next(self.numbers) % 7)
""",
        {"test_equal_values_become_equal_bytes"},
    ),
    "IgnoresTheType": (
        """
    def __init__(self, value_type=None):
        self.inner = json()
""",
        {"test_dataclasses_are_read_back", "test_the_field_of_a_wrong_type_is_named"},
    ),
    "WritesWhateverItGets": (
        """
    def encode(self, value, /):
        try:
            return super().encode(value)
        except EncodeError:
            return self.inner.encode(repr(value))
""",
        {"test_a_value_that_cannot_be_written_is_an_encode_error_with_the_codecs_name"},
    ),
    "IsFastButWrong": (
        """
    def fast_decode(self, data):
        return self.inner.decode(data.swapcase())
""",
        {"test_the_fast_functions_do_what_the_methods_do"},
    ),
    "SharesWhatThreadsMayNot": (
        """
    def encode(self, value, /):
        import time
        self.value = value
        time.sleep(0.0005)
        return super().encode(self.value)
""",
        {"test_any_thread_may_call"},
    ),
}
_BYTES_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "HasNoLimit": ("    limit = 1 << 40\n", {"test_a_decompression_bomb_is_refused"}),
    "LetsBytesPast": ("    encodes_bytes = False\n", {"test_bytes_are_said_to_be_values"}),
    "ForgetsEmptyBytes": (
        """
    def encode(self, value, /):
        return super().encode(value or b" ")
""",
        {"test_any_bytes_are_read_back", "test_what_was_written_is_read_back"},
    ),
    "CutsOff": (
        """
    def decode(self, data, /):
        return super().decode(data)[:65536]
""",
        {"test_any_bytes_are_read_back"},
    ),
}


@pytest.mark.timeout(120)
def test_every_mutant_is_caught_by_its_rules(pytester: pytest.Pytester) -> None:
    code = [_BEGIN]
    for base, suite, mutants in (("Codec", "Mutant", _MUTANTS), ("Bytes", "BytesMutant", _BYTES_MUTANTS)):
        for name, (body, _) in mutants.items():
            code.append(f"class {name}({base}):\n{body}\nclass Test{name}({suite}):\n    codec_class = {name}\n")
    file = pytester.makepyfile("\n".join(code))
    expected = {name: rules for name, (_, rules) in {**_MUTANTS, **_BYTES_MUTANTS}.items()}
    rules = [f"{file}::Test{name}::{rule}" for name, rules in expected.items() for rule in sorted(rules)]
    outcome = pytester.inline_run(f"{file}::TestNoMutant", f"{file}::TestNoBytesMutant", *rules, *_ARGUMENTS)
    failed: dict[str, set[str]] = {name: set() for name in ["NoMutant", "NoBytesMutant", *expected]}
    for report in outcome.getreports("pytest_runtest_logreport"):
        assert isinstance(report, pytest.TestReport)
        if report.failed:
            _, suite, rule = report.nodeid.split("::")
            failed[suite.removeprefix("Test")].add(rule.partition("[")[0])
    assert failed == {"NoMutant": set(), "NoBytesMutant": set(), **expected}
