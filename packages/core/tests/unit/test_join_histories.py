"""Joins of streams in running applications, whatever happens between, against all that is written at once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faust_core.partitioner import partition_for

L, R = "left", "right"
PARTITIONS = 2
WITHIN = 2
#: All records of a history come within this time, in any order: none of them is late.
SPAN = 10
FLUSH_AT = 1000


def joined_app(lab, mode, guarantee, number):
    app = lab.app(
        f"w{number}",
        broker_commit_interval=0.02,
        processing_guarantee=guarantee,
        consumer_group_instance_id="one",  # a successor takes its place at once
        table_cache_size=4,
    )
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")

    @app.agent(left, name="pair")
    async def pair(stream):
        joined = getattr(stream, mode)(right.stream(), within=WITHIN, grace=SPAN, idle=0.1)
        async for value in joined:
            await out.send(value=value)

    return app


def put(lab, topic, key, seconds, value):
    partition = partition_for(key.encode(), PARTITIONS)
    lab.put(topic, value, key=key, partition=partition, timestamp_ms=int(seconds * 1000))


def recomputed(mode, records):
    """All pairs of equal keys whose times are near each other, and whoever has none."""
    sides = {topic: [one for one in records if one[0] == topic] for topic in (L, R)}
    pairs = [(a, b) for a in sides[L] for b in sides[R] if a[1] == b[1] and abs(a[2] - b[2]) <= WITHIN]
    found = [[a[3], b[3]] for a, b in pairs]
    if mode in {"left_join", "outer_join"}:
        found += [[a[3], None] for a in sides[L] if not any(a is one for one, _ in pairs)]
    if mode == "outer_join":
        found += [[None, b[3]] for b in sides[R] if not any(b is one for _, one in pairs)]
    return Counter(map(str, found))


topics = st.sampled_from([L, R])
keys = st.sampled_from(["a", "b", "d"])  # in both partitions
times = st.integers(0, 4 * SPAN).map(lambda quarter: quarter / 4)
steps = st.sampled_from(["staging", "changelog written", "flushed", "committed", "applied"])
histories = st.lists(
    st.one_of(
        st.tuples(topics, keys, times),
        st.tuples(topics, keys, times),
        st.tuples(topics, keys, times),
        st.tuples(st.just("crash"), steps, st.just(0)),
        st.tuples(st.just("pause"), st.none(), st.just(0)),
    ),
    max_size=24,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=histories,
    mode=st.sampled_from(["join", "left_join", "outer_join"]),
    guarantee=st.sampled_from(["at_least_once", "exactly_once"]),
)
@pytest.mark.timeout(120)
def test_pairs_are_those_of_a_recomputation_whatever_happens_between(new_lab, eventually, history, mode, guarantee):
    async def scenario():
        lab = new_lab()
        for topic in (L, R, "out"):
            lab.broker.create_topic(topic, PARTITIONS)
        records = []
        app = joined_app(lab, mode, guarantee, 0)
        await app.start()
        for number, (what, key, at) in enumerate(history, 1):
            if what == "pause":
                await asyncio.sleep(0.03)
            elif what == "crash":
                lab.crash_at(app, key)
                records.append((L, "a", 0, -number))  # something to commit
                put(lab, *records[-1])
                await lab.crashed(app)
                app = joined_app(lab, mode, guarantee, number)
                await app.start()
            else:
                records.append((what, key, at, number))
                put(lab, *records[-1])
        expected = recomputed(mode, records)

        def all_read():
            ends = [(topic, p, log.end) for topic in (L, R) for p, log in enumerate(lab.broker.topics[topic].logs)]
            return all((lab.committed(topic, p) or 0) == end for topic, p, end in ends)

        await eventually(all_read)
        for topic in (L, R):
            for key in ("a", "d"):
                put(lab, topic, key, FLUSH_AT, f"last of {key}")
        await eventually(all_read)
        await app.stop()
        found = Counter(str(pair) for pair in lab.values("out") if "last" not in str(pair))
        if guarantee == "exactly_once":
            assert found == expected
        assert found.keys() == expected.keys()
        await lab.aclose()

    asyncio.run(scenario())
