"""The codecs of faust-models keep the rules of codecs."""

from __future__ import annotations

from typing import Any

import pytest
import zstandard

from faust_conformance.codec import CodecCapability as Can
from faust_conformance.codec import CodecConformance
from faust_core.registry import codec as find_codec
from faust_models import codecs
from faust_models.yaml_codec import yaml
from faust_models.zstd_codec import zstd

PLAIN = frozenset({Can.PLAIN_VALUES, Can.TYPED, Can.FIELD_PATHS, Can.UNTRUSTED_BYTES, Can.DETERMINISTIC})
BOMB = b"\0" * 50_000_000


class TestJson(CodecConformance):
    capabilities = PLAIN

    @pytest.fixture
    def make_codec(self) -> Any:
        return codecs.json

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"{", b"\xff", b"nope", b'{"a":1}}']


class TestMsgpack(CodecConformance):
    capabilities = PLAIN

    @pytest.fixture
    def make_codec(self) -> Any:
        return codecs.msgpack

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"\xc1", b"\x81", b"\x01\x02"]


class TestYaml(CodecConformance):
    capabilities = PLAIN

    @pytest.fixture
    def make_codec(self) -> Any:
        return yaml

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"{", b"\xff", b"a: b: c", b"--- 1\n--- 2", b"!!python/name:os.system ''", b"[&a 1, *a]"]


class TestZstd(CodecConformance):
    capabilities = frozenset({Can.BYTES, Can.UNTRUSTED_BYTES, Can.DETERMINISTIC, Can.BOUNDED_OUTPUT})

    @pytest.fixture
    def make_codec(self) -> Any:
        return zstd

    @pytest.fixture
    def malformed(self) -> Any:
        good = zstd().encode(b"a" * 100)
        return [b"", b"x", good[:-1], good + b"x"]

    @pytest.fixture(params=["sized", "unsized"])
    def bomb(self, request: pytest.FixtureRequest) -> Any:
        if request.param == "sized":
            data = zstandard.ZstdCompressor().compress(BOMB)
        else:
            compressor = zstandard.ZstdCompressor().compressobj()
            data = compressor.compress(BOMB) + compressor.flush()
        return zstd(max_output_bytes=1 << 20), data


class TestChain(CodecConformance):
    capabilities = PLAIN

    @pytest.fixture
    def make_codec(self) -> Any:
        return lambda value_type: find_codec("msgpack|zstd", value_type)

    @pytest.fixture
    def malformed(self) -> Any:
        return [b"", b"x", zstd().encode(b"\xc1")]
