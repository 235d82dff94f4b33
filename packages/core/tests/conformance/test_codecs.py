"""The codecs of core keep the rules of codecs."""

from __future__ import annotations

import zlib as zliblib
from typing import Any

import pytest

from faust_conformance.codec import CodecCapability as Can
from faust_conformance.codec import CodecConformance
from faust_core import byte_codecs, codecs, pickles
from faust_core.custom_codecs import Codec, NamedCodec
from faust_core.registry import codec as find_codec

PLAIN = {Can.PLAIN_VALUES, Can.TYPED, Can.FIELD_PATHS, Can.UNTRUSTED_BYTES, Can.DETERMINISTIC}
BYTES = {Can.BYTES, Can.UNTRUSTED_BYTES, Can.DETERMINISTIC}
BOMB = b"\0" * 50_000_000


class TestRaw(CodecConformance):
    capabilities = frozenset({Can.UNTRUSTED_BYTES, Can.DETERMINISTIC})

    @pytest.fixture
    def make_codec(self) -> Any:
        return codecs.raw

    @pytest.fixture
    def samples(self) -> Any:
        return bytes, [b"", b"a", bytes(range(256))]

    @pytest.fixture
    def malformed(self) -> Any:
        return []


class TestRawInt(TestRaw):
    @pytest.fixture
    def samples(self) -> Any:
        return int, [0, -1, 10**30]

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"x", b"1.5", b"\xff", b"9" * 10_000]


class TestText(TestRaw):
    @pytest.fixture
    def make_codec(self) -> Any:
        return codecs.text

    @pytest.fixture
    def samples(self) -> Any:
        return None, ["", "a", "äöü😀\0"]

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"\xff", b"\xc3"]


class TestJson(CodecConformance):
    capabilities = frozenset(PLAIN)

    @pytest.fixture
    def make_codec(self) -> Any:
        return codecs.json

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"{", b"\xff", b"nope", b'{"a":1}}']


class TestBinary(CodecConformance):
    capabilities = frozenset(BYTES)

    @pytest.fixture
    def make_codec(self) -> Any:
        return byte_codecs.binary

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"a", b"ab\n==", b"\xff\xff\xff\xff"]


class TestZlib(CodecConformance):
    capabilities = frozenset({*BYTES, Can.BOUNDED_OUTPUT})

    @pytest.fixture
    def make_codec(self) -> Any:
        return byte_codecs.zlib

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"x", zliblib.compress(b"a" * 100)[:-1], zliblib.compress(b"a") + b"x"]

    @pytest.fixture
    def bomb(self) -> Any:
        return byte_codecs.zlib(max_output_bytes=1 << 20), zliblib.compress(BOMB)


class TestGzip(TestZlib):
    @pytest.fixture
    def make_codec(self) -> Any:
        return byte_codecs.gzip

    @pytest.fixture
    def malformed(self) -> Any:
        good = byte_codecs.gzip().encode(b"a" * 100)
        return [b"", b"x", good[:-1], good + b"x", zliblib.compress(b"a")]

    @pytest.fixture
    def bomb(self) -> Any:
        return byte_codecs.gzip(max_output_bytes=1 << 20), zliblib.compress(BOMB, wbits=31)


class TestChain(CodecConformance):
    capabilities = frozenset({*PLAIN, Can.BOUNDED_OUTPUT})

    @pytest.fixture
    def make_codec(self) -> Any:
        def make(value_type: Any) -> Any:
            return codecs.Chain([codecs.json(value_type), byte_codecs.zlib(), byte_codecs.binary()])

        return make

    @pytest.fixture
    def malformed(self) -> Any:
        inner = codecs.Chain([byte_codecs.zlib(), byte_codecs.binary()])
        return [b"", b"!", byte_codecs.binary().encode(b"no zlib"), inner.encode(b"no json")]

    @pytest.fixture
    def bomb(self) -> Any:
        chain = [codecs.json(), byte_codecs.zlib(max_output_bytes=1 << 20)]
        return codecs.Chain(chain), zliblib.compress(BOMB)


class TestPickle(CodecConformance):
    # Not UNTRUSTED_BYTES: reading a pickle runs what it names, and no codec can change that.
    capabilities = frozenset({Can.PLAIN_VALUES, Can.BYTES, Can.TYPED, Can.FIELD_PATHS})

    @pytest.fixture
    def make_codec(self) -> Any:
        return pickles.pickle

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"a", b"\xff", b"bm90IGEgcGlja2xl"]


class TestRawPickle(TestPickle):
    @pytest.fixture
    def make_codec(self) -> Any:
        return pickles.raw_pickle

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"a", b"\xff", b"\x80\x04."]


class TestRestrictedPickle(TestPickle):
    capabilities = frozenset({*TestPickle.capabilities, Can.UNTRUSTED_BYTES})

    @pytest.fixture
    def make_codec(self) -> Any:
        return pickles.pickle_restricted


class TestRestrictedPickleWithoutBase64(CodecConformance):
    """What is inside of `pickle_restricted` meets the random bytes that base64 would keep from it."""

    capabilities = frozenset({Can.PLAIN_VALUES, Can.UNTRUSTED_BYTES})

    @pytest.fixture
    def make_codec(self) -> Any:
        inside = codecs.FunctionCodec(
            "pickle_restricted",
            pickles.raw_pickle().encode,
            (Exception,),
            pickles.restricted_loads,
            (Exception,),
        )
        return lambda _type: inside

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"a", b"cos\nsystem\n(S'true'\ntR."]


class Reversed(Codec):
    """JSON, backwards."""

    encodes_bytes = False

    def _dumps(self, obj: Any) -> bytes:
        return codecs.json().encode(obj)[::-1]

    def _loads(self, s: bytes) -> Any:
        return codecs.json().decode(s[::-1])


class TestACodecOfOnesOwn(CodecConformance):
    capabilities = frozenset(PLAIN)

    @pytest.fixture
    def make_codec(self) -> Any:
        return lambda value_type: find_codec(Reversed(), value_type)

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"{", b"\xff"]


class TestAChainOfOnesOwn(CodecConformance):
    capabilities = frozenset({*PLAIN, Can.BOUNDED_OUTPUT})

    @pytest.fixture
    def make_codec(self) -> Any:
        return lambda value_type: find_codec(Reversed() | NamedCodec("zlib"), value_type)

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"{", zliblib.compress(b"{")]

    @pytest.fixture
    def bomb(self) -> Any:
        return find_codec(Reversed() | NamedCodec("zlib", max_output_bytes=1 << 20)), zliblib.compress(BOMB)
