"""Joins of streams in running applications: the memory transport, whole agents."""

from __future__ import annotations

import pytest

L, R = "left", "right"


@pytest.fixture
def joining(lab):
    """Make an application whose one agent sends what a join yields to `out`."""

    def make(mode="join", *, worker="w1", keys=str, build=None, app_options=None, topic_options=None, **options):
        app = lab.app(worker, **(app_options or {}))
        left = app.topic(L, key_type=keys, value_type=None, **(topic_options or {}))
        right = app.topic(R, key_type=keys, **(topic_options or {}))
        out = app.topic("out")
        options = {"within": 10, "idle": 0.05, **options}

        @app.agent(left, name="pair")
        async def pair(stream):
            joined = build(stream, right.stream()) if build else getattr(stream, mode)(right.stream(), **options)
            async for value in joined:
                await out.send(value=value)

        app.agent_under_test = pair
        return app

    return make


def put(lab, *records):
    """Write (topic, key, seconds, value)."""
    for topic, key, at, value in records:
        lab.put(topic, value, key=key, timestamp_ms=at * 1000)


@pytest.fixture(autouse=True)
def topics(lab):
    for topic in (L, R, "out"):
        lab.broker.create_topic(topic, 1)


async def outcome(lab, app, records, eventually):
    put(lab, *records)
    async with app:
        for topic in (L, R):
            count = sum(record[0] == topic for record in records)
            await eventually(lambda topic=topic, count=count: not count or lab.committed(topic) == count)
    return lab.values("out")


async def test_records_with_equal_keys_within_the_interval_are_pairs(lab, joining, eventually):
    records = [(L, "a", 100, "l1"), (R, "a", 105, "r1"), (R, "b", 105, "r2"), (L, "a", 110, "l2"), (R, "a", 121, "r3")]
    assert await outcome(lab, joining(), records, eventually) == [["l1", "r1"], ["l2", "r1"]]


async def test_left_and_outer_yield_the_lonely_once_their_window_is_closed(lab, joining, eventually):
    records = [(L, "a", 100, "l1"), (R, "b", 101, "r1"), (L, "c", 110, "l2"), (L, "d", 112, "l3")]
    assert await outcome(lab, joining("outer_join"), records, eventually) == [["l1", None], [None, "r1"]]
