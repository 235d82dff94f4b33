"""Codecs of an application's own, chains, pickles, and what a topic makes of them."""

from __future__ import annotations

import dataclasses
import pickle as picklelib
import subprocess
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core import Codec
from faust_core.byte_codecs import binary, gzip, zlib
from faust_core.custom_codecs import NamedCodec
from faust_core.errors import ConfigError, DecodeError, EncodeError, PluginMissing
from faust_core.pickles import pickle, pickle_restricted, raw_pickle
from faust_core.registry import codec as find_codec
from faust_core.registry import register_codec
from faust_core.table_codec import DELETED


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Tsv(Codec):
    def _dumps(self, obj: Any) -> bytes:
        return "\t".join(f"{key}={value}" for key, value in obj.items()).encode()

    def _loads(self, s: bytes) -> Any:
        pairs = [pair.split("=") for pair in s.decode().split("\t")]
        return {key: int(value) for key, value in pairs}


class Loud(Codec):
    name = "loud"

    def _dumps(self, obj: Any) -> bytes:
        return bytes(obj).upper()

    def _loads(self, s: bytes) -> Any:
        return s.lower()


class NotBytes(Codec):
    def _dumps(self, obj: Any) -> bytes:
        return obj  # type: ignore[no-any-return]


def test_a_codec_of_ones_own_needs_two_methods() -> None:
    assert Tsv().dumps({"x": 1, "y": 2}) == b"x=1\ty=2"
    assert Tsv().loads(b"x=1\ty=2") == {"x": 1, "y": 2}


def test_what_a_codec_of_ones_own_raises_is_an_error_of_ours_with_its_name() -> None:
    with pytest.raises(DecodeError, match="not Tsv: ValueError") as decoding:
        Tsv().loads(b"x=no number")
    with pytest.raises(EncodeError, match="Tsv cannot write a list") as encoding:
        Tsv().dumps([1])
    assert decoding.value.codec == encoding.value.codec == "Tsv"
    with pytest.raises(EncodeError, match=r"NotBytes\._dumps returned a int, not bytes"):
        NotBytes().dumps(1)
    with pytest.raises(DecodeError, match="NotBytes must define _loads"):
        NotBytes().loads(b"")


def test_codecs_are_put_together_with_a_bar() -> None:
    chain = Tsv() | Loud() | binary()
    assert chain.dumps({"x": 1}) == b"WD0x"
    assert chain.loads(b"WD0x") == {"x": 1}
    assert repr(chain) == "<codec Tsv|loud|binary>"
    assert [type(node).__name__ for node in chain.nodes] == ["Tsv", "Loud", "FunctionCodec"]
    assert (Tsv() | (Loud() | binary())).dumps({"x": 1}) == b"WD0x"
    assert (Tsv() | "zlib|binary").loads((Tsv() | "zlib|binary").dumps({"x": 1})) == {"x": 1}
    assert Tsv().clone(Loud()).dumps({"x": 1}) == b"X=1"
    with pytest.raises(TypeError):
        Tsv() | 3


def test_an_error_says_which_codec_of_the_chain_it_was() -> None:
    chain = find_codec(Tsv() | zlib() | binary())
    for data, name in [(b"!", "binary"), (binary().encode(b"x"), "zlib")]:
        with pytest.raises(DecodeError) as caught:
            chain.decode(data)
        assert caught.value.codec == name
        assert str(caught.value).startswith(f"not {name}: ")


def test_a_codec_of_ones_own_carries_typed_values() -> None:
    codec = find_codec(Tsv(), Point)
    assert codec.encode(Point(1, 2)) == b"x=1\ty=2"
    assert codec.decode(b"x=1") == Point(1, 0)
    with pytest.raises(DecodeError) as caught:
        codec.decode(b"y=1")
    assert caught.value.codec == "Tsv"
    chain = find_codec(Tsv() | zlib(), Point)
    assert chain.decode(chain.encode(Point(5))) == Point(5)


@pytest.mark.parametrize(
    "plugin", [Tsv, Tsv(), lambda: Tsv() | zlib(), lambda value_type: find_codec(Tsv(), value_type)]
)
def test_a_codec_is_registered_as_class_object_or_function(plugin: Any) -> None:
    register_codec("tsv-of-a-test", plugin)
    codec = find_codec("tsv-of-a-test", Point)
    assert codec.decode(codec.encode(Point(3))) == Point(3)
    chain = find_codec("tsv-of-a-test|gzip", Point)
    assert chain.decode(chain.encode(Point(4))) == Point(4)


@pytest.mark.parametrize("plugin", [None, 3, "json", object()])
def test_what_is_no_codec_cannot_be_registered(plugin: Any) -> None:
    with pytest.raises(ConfigError, match="neither a codec nor a function"):
        register_codec("nonsense", plugin)


def test_a_factory_that_makes_no_codec_is_an_error_that_names_it() -> None:
    register_codec("makes-nothing", lambda: None)
    with pytest.raises(ConfigError, match="codec makes-nothing: NoneType has no encode and decode"):
        find_codec("makes-nothing")


@pytest.mark.parametrize("spec", ["json|", "|json", "json||zlib", "", " "])
def test_a_chain_with_a_gap_is_an_error(spec: str) -> None:
    with pytest.raises(ConfigError, match="a name is missing"):
        find_codec(spec)


def test_a_chain_in_the_wrong_order_says_so() -> None:
    with pytest.raises(ConfigError, match=r"'zlib' carries bytes, not Point: put one before it, as in 'json\|zlib'"):
        find_codec("zlib|json", Point)
    with pytest.raises(DecodeError, match="is in the wrong order"):
        find_codec("zlib|json").decode(b"[1]")


@pytest.mark.parametrize("options", [{"level": 10}, {"level": -2}, {"max_output_bytes": 0}])
def test_options_of_compression_are_checked(options: dict[str, int]) -> None:
    for factory in (zlib, gzip):
        with pytest.raises(ConfigError, match=next(iter(options))):
            factory(None, **options)


def test_options_go_to_the_codec_in_a_chain() -> None:
    chain = find_codec(Tsv() | NamedCodec("zlib", max_output_bytes=100))
    assert chain.decode(chain.encode({"x": 1})) == {"x": 1}
    with pytest.raises(DecodeError, match="more than 100, the limit against decompression bombs"):
        chain.decode(zlib().encode(b"x" * 101))
    with pytest.raises(ConfigError, match="codec 'zlib'"):
        NamedCodec("zlib", no_such_option=1)
    with pytest.raises(PluginMissing):
        NamedCodec("no-such-codec")


@given(st.binary(max_size=300), st.integers(1, 400))
def test_the_limit_is_exact(data: bytes, limit: int) -> None:
    for factory in (zlib, gzip):
        codec = factory(None, max_output_bytes=limit)
        written = codec.encode(data)
        if len(data) <= limit:
            assert codec.decode(written) == data
        else:
            with pytest.raises(DecodeError, match="limit"):
                codec.decode(written)


def test_gzip_reads_several_members() -> None:
    assert gzip().decode(gzip().encode(b"a") + gzip().encode(b"b")) == b"ab"


class Evil:
    def __reduce__(self) -> Any:
        return subprocess.check_output, (["touch", "/nonexistent/evil"],)


def test_a_restricted_pickle_runs_nothing() -> None:
    data = binary().encode(picklelib.dumps(Evil()))
    with pytest.raises(DecodeError, match=r"subprocess\.check_output is not among the types"):
        pickle_restricted().decode(data)


def test_a_restricted_pickle_reads_what_pickle_writes_of_plain_values() -> None:
    value = {"list": [1, 2.5, None, b"x"], "set": {1, 2}, "tuple": (1, (2,))}
    assert pickle_restricted().decode(pickle().encode(value)) == value
    assert pickle().decode(pickle_restricted().encode(value)) == value


@given(st.binary(max_size=60))
def test_random_bytes_never_get_through_base64_to_the_unpickler_unnoticed(data: bytes) -> None:
    with suppress(DecodeError):
        pickle().decode(data)


def test_models_are_pickled_as_plain_values() -> None:
    assert picklelib.loads(raw_pickle(Point).encode(Point(1, 2))) == {"x": 1, "y": 2}
    assert raw_pickle(Point).decode(raw_pickle(Point).encode(Point(1, 2))) == Point(1, 2)


@pytest.mark.parametrize("spec", ["pickle", "raw_pickle", "pickle|zlib", "raw_pickle|binary"])
def test_a_topic_must_ask_for_pickle_itself(lab: Any, spec: str) -> None:
    app = lab.app(value_serializer=spec)
    with pytest.raises(ConfigError, match=rf"must ask for it: app.topic\('in', value_serializer='{spec[:3]}"):
        app.topic("in")
    app.topic("in", value_serializer=spec)
    app.topic("in", value_serializer="json")
    with pytest.raises(ConfigError, match="key_serializer"):
        lab.app(key_serializer=spec).topic("in")


async def test_bytes_are_values_for_codecs_of_bytes_and_encoded_already_for_others(lab: Any) -> None:
    app = lab.app()
    lab.broker.create_topic("out", 1)
    cases: list[tuple[Any, Any, Any, bytes]] = [
        ("json", None, b"[1]", b"[1]"),
        ("json", None, [1], b"[1]"),
        ("binary", None, b"[1]", b"WzFd"),
        ("raw|binary", None, b"[1]", b"[1]"),
        ("raw|binary", bytes, b"[1]", b"WzFd"),
        ("raw", bytes, b"[1]", b"[1]"),
        (Loud(), None, b"abc", b"ABC"),
    ]
    async with app:
        for serializer, value_type, value, _ in cases:
            await app.topic("out", value_serializer=serializer, value_type=value_type).send(value=value)
        topic = app.topic("out")
        await topic.send(value=[1], value_serializer="json|binary")
        await topic.send(key=b"k", value=b"[1]", key_serializer="binary", value_serializer="binary")
        sent = await topic.send_bytes(key=None, value=b"as it is")
        await sent
    assert [record.value for record in lab.records("out")] == [*(c[3] for c in cases), b"WzFd", b"WzFd", b"as it is"]
    assert lab.records("out")[-2].key == b"aw=="


async def test_a_record_that_cannot_be_decoded_names_place_codec_and_field(lab: Any, eventually: Any) -> None:
    app = lab.app()
    topic = app.topic("in", key_type=int, value_type=Point, value_serializer="json|zlib")

    @app.agent(topic, name="reads")
    async def reads(stream: Any) -> None:
        async for _ in stream:
            pass

    lab.put("in", zlib().encode(b'{"x":"no"}'), b"not compressed")
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    messages = [dict(letter.headers)["Faust-Error-Message"].decode() for letter in lab.records("app-dead-letter")]
    # The words are those of the JSON codec that is installed.
    assert messages[0].startswith("cannot decode the value of in/0 at offset 0: json: ")
    assert "x" in messages[0].partition("json:")[2]
    assert messages[1].startswith("cannot decode the value of in/0 at offset 1: not zlib: Error -3 while decompressing")


async def test_the_errors_attributes_reach_whoever_reads_the_key(lab: Any, eventually: Any) -> None:
    app = lab.app()
    caught: list[Any] = []

    @app.agent(app.topic("in", key_type=int, key_serializer="json", value_type=int))
    async def reads(stream: Any) -> None:
        async for event in stream.events():
            try:
                _ = event.key
            except DecodeError as exc:
                caught.append(exc)

    lab.put("in", 1, key='"text"')
    async with app:
        await eventually(lambda: caught)
    (error,) = caught
    assert (error.topic, error.partition, error.offset, error.codec) == ("in", 0, 0, "json")
    assert str(error).startswith("cannot decode the key of in/0 at offset 0: json: ")


async def test_a_table_keeps_values_by_a_chain(lab: Any, eventually: Any) -> None:
    app = lab.app()
    table = app.Table("points", value_type=Point, value_serializer=Tsv() | NamedCodec("binary"))

    @app.agent("in")
    async def keep(stream: Any) -> None:
        async for value in stream:
            table[value] = Point(len(value))

    lab.put("in", "a", "bb")
    async with app:
        await eventually(lambda: lab.committed("in") == 2)
    changelog = {record.key: record.value for record in lab.records("app-points-changelog")}
    assert changelog == {b'"a"': binary().encode(b"x=1\ty=0"), b'"bb"': binary().encode(b"x=2\ty=0")}


def test_a_table_says_codec_and_field_of_what_it_cannot_read(lab: Any) -> None:
    codec = lab.app().Table("points", key_type=int, value_type=Point, value_serializer="json|zlib").codec
    with pytest.raises(DecodeError, match="table 'points' holds a value that is not what value_type says: json: ") as x:
        codec.decode_value(zlib().encode(b'{"x":"no"}'))
    assert (x.value.codec, x.value.field) == ("json", "x")
    with pytest.raises(DecodeError, match="table 'points' holds a key that is not what key_type says: ") as caught:
        codec.decode_key(b'"text"')
    assert caught.value.codec == "json"


class InTwoWays(Codec):
    """Reads in a hurry what it can, and takes its time for the rest."""

    decode_errors = (ValueError,)

    def for_topic(self, topic: str, part: Any, value_type: Any, /) -> Any:
        return self

    def fast_decode(self, data: bytes) -> int:
        return int(data)

    def decode(self, data: bytes, /) -> Any:
        try:
            return int(data.strip(b"~"))
        except ValueError as exc:
            raise DecodeError(str(exc)) from exc


def test_a_table_takes_the_slower_decoders_verdict(lab: Any) -> None:
    table = lab.app().Table("t", value_serializer=InTwoWays())
    assert [table.codec.decode_value(data) for data in (b"1", b"~2~")] == [1, 2]


async def test_operators_get_what_the_slower_decoder_understands_and_never_what_none_does(
    lab: Any, eventually: Any
) -> None:
    app = lab.app(on_decode_error="skip")
    seen: list[Any] = []

    @app.agent(app.topic("in", value_serializer=InTwoWays()))
    async def agent(stream: Any) -> None:
        async for numbered in stream.filter(lambda value: value != 5).enumerate():
            seen.append(numbered)

    lab.put("in", b"1", b"~2~", b"no", b"~~", b"~4~", b"5", b"6")
    async with app:
        await eventually(lambda: lab.committed("in") == 7)
    assert seen == [(0, 1), (1, 2), (2, 4), (3, 6)]


async def test_an_operator_that_raises_what_a_codec_raises_is_not_taken_for_one(lab: Any, eventually: Any) -> None:
    app = lab.app(on_decode_error="skip", on_error="skip")
    seen: list[Any] = []
    failed: list[Any] = []

    def check(value: int) -> int:
        if value == 2 and not failed:
            failed.append(value)
            raise ValueError("not twice")
        return value

    @app.agent(app.topic("in", value_serializer=InTwoWays()))
    async def agent(stream: Any) -> None:
        stream.add_processor(check)
        async for value in stream:
            seen.append(value)

    lab.put("in", b"1", b"2", b"3")
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert (seen, failed) == ([1, 3], [2])


def test_changes_are_written_all_at_once_and_what_cannot_be_is_named(lab: Any) -> None:
    codec = lab.app().Table("t", key_type=int, value_type=int).codec
    assert codec.encode_changes({1: 10, 2: DELETED}) == [(b"1", b"10"), (b"2", None)]
    assert codec.encode_changes({}) == []
    with pytest.raises(EncodeError, match="table 't' cannot write the key <object"):
        codec.encode_changes({1: 10, object(): 20})
