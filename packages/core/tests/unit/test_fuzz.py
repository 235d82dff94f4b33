"""Bytes that nobody sane has written: every decoder of ours gives an error of ours, soon, or a value."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faust_core.asked import CORRELATION_ID, REPLY_TO
from faust_core.engine._wire import decode_member, decode_plan, encode_hosts, encode_member, encode_plan
from faust_core.engine.plans import MemberInfo, Plan, TaskId, TopicGroup
from faust_core.errors import DecodeError, RebalanceError
from faust_core.table_codec import TableCodec, WindowedCodec
from faust_core.tables.set_codec import SetCodec

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NESTED = [b"[" * 5_000, b'{"a":' * 5_000, b"[" * 5_000 + b"]" * 5_000, b"-" * 5_000, b"9" * 5_000]
member = encode_member(
    MemberInfo(
        "p", (TopicGroup("g", ("in",), True, ("c",)),), active=frozenset({TaskId("g", 0)}), owners={TaskId("g", 0): "t"}
    )
)
plan = encode_plan(Plan(actives=frozenset({TaskId("g", 0)}), fence={TaskId("g", 0): ("t",)}), encode_hosts({}, {}))


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """What was right, with some of it cut out, put in or put elsewhere."""
    return st.builds(
        lambda at, length, other: data[:at] + other + data[at + length :],
        st.integers(0, len(data)),
        st.integers(0, 12),
        st.binary(max_size=12),
    )


def encoded(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """JSON as a stranger would write it, compressed or not."""
    plain = values.map(lambda value: json.dumps(value).encode())
    return plain | plain.map(zlib.compress)


shaped = st.fixed_dictionaries(
    {"v": st.just(1) | json_values},
    optional=dict.fromkeys(
        ["process", "groups", "active", "standby", "offsets", "ends", "owners", "capacity", "serial", "actives",
         "standbys", "warmups", "withheld", "fence", "again", "missing", "error"],
        json_values,
    ),
)  # fmt: skip
garbage = st.binary(max_size=300) | encoded(json_values) | encoded(shaped) | st.sampled_from(NESTED)


@settings(max_examples=150, deadline=None)
@given(garbage | damaged(member))
def test_metadata_of_a_member_is_read_or_refused(data: bytes) -> None:
    with suppress(RebalanceError):
        decode_member(data)


@settings(max_examples=150, deadline=None)
@given(garbage | damaged(plan) | garbage.map(lambda data: len(data).to_bytes(4, "big") + data))
def test_a_plan_is_read_or_refused(data: bytes) -> None:
    with suppress(RebalanceError):
        decode_plan(data)


@pytest.mark.parametrize(
    "codec",
    [
        TableCodec("t", ("json", None), ("json", None)),
        TableCodec("t", ("raw", str), ("json", int)),
        TableCodec("t", ("json", tuple[str, int]), ("json", dict[str, int])),
        WindowedCodec("t", ("json", None), ("json", None)),
        SetCodec("t", ("json", None), ("json", None)),
    ],
    ids=["json", "text", "typed", "windowed", "sets"],
)
@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=200)
    | encoded(json_values)
    | damaged(b'["key",[0.0,60.0]]')
    | damaged(b'[16,"key","element"]')
    | st.sampled_from(NESTED)
)
def test_a_changelog_record_is_read_or_refused(codec: TableCodec, data: bytes) -> None:
    for read in (codec.decode_key, codec.decode_value):
        with suppress(DecodeError):
            read(data)
    for key, value in ((data, data), (data, None), (None, data), (b'"key"', data)):
        with suppress(DecodeError):
            codec.changes([key], [value])


BAD_HEADERS = [
    (b"\xff\xfe", b"1"),
    (b"no such/topic!", b"1"),
    (b"replies", b"\xff\xfe"),
    (b"", b""),
    (b"x" * 300, b"1"),
    (b"a-topic-that-is-not-there", b"1"),
    (None, None),
]


@pytest.mark.parametrize("raises", [False, True], ids=["an answer", "an error"])
async def test_headers_of_a_request_that_nobody_can_answer_stop_nothing(lab, eventually, raises: bool) -> None:
    app = lab.app(on_error="dead_letter")
    seen: list[int] = []

    @app.agent("in")
    async def agent(stream: Any) -> Any:
        async for value in stream:
            seen.append(value)
            if raises:
                raise ValueError("wrong")
            yield value

    for number, (reply_to, correlation_id) in enumerate(BAD_HEADERS):
        lab.put("in", number, headers=[(REPLY_TO, reply_to), (CORRELATION_ID, correlation_id)])
    lab.put("in", len(BAD_HEADERS))
    async with app:
        await eventually(lambda: lab.committed("in") == len(BAD_HEADERS) + 1)
    assert set(seen) == set(range(len(BAD_HEADERS) + 1))


async def test_replies_that_are_none_are_passed_over(lab, eventually) -> None:
    app = lab.app()

    @app.agent("in")
    async def agent(stream: Any) -> Any:
        async for value in stream:
            yield value

    async with app:
        assert await asyncio.wait_for(agent.ask(1), 5) == 1
        for data in [b"", b"null", b"[]", b'"x"', b"{}", b'{"correlation_id": []}', b"\xff", *NESTED]:
            lab.put(app.conf.reply_to, data)
        assert await asyncio.wait_for(agent.ask(2), 5) == 2
