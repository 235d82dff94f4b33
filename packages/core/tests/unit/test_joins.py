"""Joins of streams in running applications: the memory transport, whole agents."""

from __future__ import annotations

import pytest

from faust_core import App
from faust_core.errors import ConfigError, PartitionsMismatch

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


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("step", ["staging", "changelog written", "flushed", "committed", "applied"])
async def test_a_crash_at_any_step_loses_no_pair_and_under_exactly_once_repeats_none(
    lab, joining, eventually, step, guarantee
):
    options = {"processing_guarantee": guarantee, "consumer_group_instance_id": "one"}
    app = joining("outer_join", app_options=options)
    first = [(L, "a", 100, "l1"), (R, "b", 101, "r1"), (R, "a", 102, "r2"), (L, "c", 105, "l2"), (L, "x", 112, "l3")]
    put(lab, *first)
    await app.start()
    lab.crash_at(app, step)
    await lab.crashed(app)
    second = [(R, "c", 113, "r3"), (L, "x", 140, "l4"), (R, "x", 140, "r4")]
    app = joining("outer_join", worker="w2", app_options=options)
    await outcome(lab, app, second, lambda _: eventually(lambda: lab.committed(L) == 4 and lab.committed(R) == 4))
    found = lab.values("out")
    expected = [["l1", "r2"], [None, "r1"], ["l2", "r3"], ["l3", None], ["l4", "r4"]]
    assert sorted(map(str, {str(pair) for pair in found})) == sorted(map(str, expected))
    if guarantee == "exactly_once":
        assert len(found) == len(expected)


async def test_a_pair_whose_body_raised_is_handed_out_again_and_no_other(lab, eventually):
    app = lab.app(on_error="retry")
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")
    tried = []

    @app.agent(left)
    async def pair(stream):
        async for one, other in stream.join(right.stream(), within=10, idle=0.05):
            tried.append(other)
            if len(tried) == 2:
                raise ValueError
            await out.send(value=[one, other])

    records = [(R, "a", 100, "r1"), (R, "a", 101, "r2"), (L, "a", 102, "l1")]
    assert await outcome(lab, app, records, eventually) == [["l1", "r1"], ["l1", "r2"]]
    assert tried == ["r1", "r2", "r2"]


async def test_records_without_a_key_or_a_value_are_left_out_and_counted(lab, eventually):
    app = lab.app()
    left, right, out = app.topic(L, key_type=str), app.topic(R, key_type=str), app.topic("out")
    joined = []

    @app.agent(left)
    async def pair(stream):
        joined.append(stream.join(right.stream(), within=10, idle=0.05))
        async for value in joined[0]:
            await out.send(value=value)

    records = [(L, None, 100, "l"), (L, "a", 100, None), (L, "a", 100, "l1"), (R, "a", 100, "r"), (L, "a", 80, "late")]
    assert await outcome(lab, app, records, eventually) == [["l1", "r"]]
    assert joined[0].dropped == {"null_key": 1, "null_value": 1, "late": 1}


async def test_on_sends_sides_with_other_keys_through_a_topic(lab, eventually):
    app = lab.app()
    left, right, out = app.topic(L), app.topic(R, key_type=str), app.topic("out")

    @app.agent(left, name="pair")
    async def pair(stream):
        async for one, other in stream.join(right.stream(), within=10, on=(lambda v: v["id"], None), idle=0.05):
            await out.send(value=[one["n"], other])

    put(lab, (L, None, 100, {"id": "a", "n": 1}), (R, "a", 100, "r"), (L, None, 101, {"id": "b", "n": 2}))
    async with app:
        await eventually(lambda: lab.values("out") == [[1, "r"]])


async def test_a_key_of_its_own_repairs_topics_of_different_sizes(lab, eventually):
    lab.broker.create_topic("wide", 4)
    app = lab.app()
    left, right, out = app.topic("wide"), app.topic(R, key_type=str), app.topic("out")

    @app.agent(left, name="pair")
    async def pair(stream):
        async for one, other in stream.group_by(lambda v: v, name="v").join(right.stream(), within=10, idle=0.05):
            await out.send(value=[one, other])

    put(lab, (R, "a", 100, "r"))
    for partition in range(4):
        lab.put("wide", "a", partition=partition, timestamp_ms=100_000)
    async with app:
        await eventually(lambda: lab.values("out") == [["a", "r"]] * 4)
    assert len(lab.broker.topics["pair-wide-v-repartition"].logs) == 1


async def test_topics_of_different_sizes_are_refused_before_the_first_record(lab, joining):
    lab.broker.create_topic("wide", 4)
    app = lab.app()
    wide = app.topic("wide", key_type=str)

    @app.agent(app.topic(L, key_type=str))
    async def pair(stream):
        async for _ in stream.join(wide.stream(), within=1):
            raise AssertionError

    put(lab, (L, "a", 1, "l"))
    with pytest.raises(PartitionsMismatch, match=r"topic left has 1, topic wide has 4.*group_by"):
        await app.start()


async def test_streams_side_by_side_yield_the_values_of_both(lab, joining, eventually):
    records = [(L, "a", 100, "l1"), (R, "b", 101, "r1"), (L, None, 102, "l2")]
    app = joining(build=lambda stream, right: stream & right)
    assert sorted(await outcome(lab, app, records, eventually)) == ["l1", "l2", "r1"]


async def test_streams_side_by_side_are_joined_by_a_field_of_each(lab, eventually):
    app = lab.app()
    left, right, out = app.topic(L), app.topic(R), app.topic("out")

    def field(name):
        return lambda value: value[name]

    @app.agent(left, name="pair")
    async def pair(stream):
        both = stream & right.stream()
        async for one, other in both.join(field("id"), field("of"), within=10, idle=0.05):
            await out.send(value=[one["n"], other["n"]])

    put(lab, (L, None, 100, {"id": "a", "n": 1}), (R, None, 100, {"of": "a", "n": 2}))
    # Functions have no name of their own, so each side's is made of the side.
    async with app:
        await eventually(lambda: lab.values("out") == [[1, 2]])


# -- with a table


def beside_table(lab, join, *, table="Table", **options):
    app = lab.app()
    users = getattr(app, table)("users", key_type=str, **options)
    out = app.topic("out")

    @app.agent(app.topic(R, key_type=str), name="fill")
    async def fill(stream):
        async for key, value in stream.items():
            users[key] = value

    @app.agent(app.topic(L, key_type=str), name="look")
    async def look(stream):
        async for value in join(stream, users):
            await out.send(value=value)

    return app


@pytest.mark.parametrize("table", ["Table", "GlobalTable"])
@pytest.mark.parametrize(
    ("mode", "found"), [("join", [[1, "Ada"], [2, None]]), ("left_join", [[1, "Ada"], [2, None]]),
                        ("inner_join", [[1, "Ada"]])],
)  # fmt: skip
async def test_a_record_is_joined_with_what_the_table_has_then(lab, eventually, table, mode, found):
    put(lab, (R, "ada", 1, "Ada"))
    async with beside_table(lab, lambda stream, users: getattr(stream, mode)(users), table=table):
        await eventually(lambda: lab.committed(R) == 1)
        put(lab, (L, "ada", 1, 1), (L, "eve", 1, 2))
        await eventually(lambda: lab.committed(L) == 2)
    assert lab.values("out") == found


async def test_a_key_from_the_value_looks_into_a_global_table_without_a_detour(lab, eventually):
    put(lab, (R, "ada", 1, "Ada"))
    join = lambda stream, users: stream.join(users, on=lambda v: v["who"], joiner=lambda v, user: user)  # noqa: E731
    async with beside_table(lab, join, table="GlobalTable"):
        await eventually(lambda: lab.committed(R) == 1)
        put(lab, (L, "x", 1, {"who": "ada"}))
        await eventually(lambda: lab.values("out") == ["Ada"])
    assert not [name for name in lab.broker.topics if "repartition" in name]


async def test_a_key_from_the_value_goes_through_a_topic_to_a_sharded_table(lab, eventually):
    put(lab, (R, "ada", 1, "Ada"))

    def join(stream, users):
        by_user = stream.group_by(lambda v: v["who"], name="who")
        return by_user.join(users, joiner=lambda v, user: user)

    async with beside_table(lab, join):
        await eventually(lambda: lab.committed(R) == 1)
        put(lab, (L, "x", 1, {"who": "ada"}))
        await eventually(lambda: lab.values("out") == ["Ada"])


async def test_a_table_of_another_size_is_refused_before_the_first_record(lab):
    lab.broker.create_topic("wide", 4)
    app = lab.app()
    users = app.Table("users", key_type=str, partitions=4)

    @app.agent(app.topic("wide", key_type=str))
    async def fill(stream):
        async for key, value in stream.items():
            users[key] = value

    @app.agent(app.topic(L, key_type=str))
    async def look(stream):
        async for _ in stream.join(users):
            raise AssertionError

    with pytest.raises(PartitionsMismatch, match="topic left has 1, table users has 4"):
        await app.start()


# -- misuse


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda s, o, app: s.join(o), "needs within="),
        (lambda s, o, app: s.join(o, within=-1), "from 0 on, not -1"),
        (lambda s, o, app: s.join(o, within="10"), "from 0 on, not '10'"),
        (lambda s, o, app: s.join(o, within=1, grace=float("inf")), "grace"),
        (lambda s, o, app: s.join(o, within=1, idle=-1), "idle is a number"),
        (lambda s, o, app: s.join(o, within=1, joiner="sum"), "joiner= is a function"),
        (lambda s, o, app: s.join(), "needs the other side"),
        (lambda s, o, app: s.join("right", within=1), "neither a stream nor a table"),
        (lambda s, o, app: s.join(s, within=1), "the same stream"),
        (lambda s, o, app: s.join(s.filter(bool), within=1), "the same stream"),
        (lambda s, o, app: s.join(s.join(o, within=1), within=1), "joined already"),
        (lambda s, o, app: s.join(o, within=1, on=(str, str, str)), "a tuple of one for each"),
        (lambda s, o, app: s.join(o, within=1, on=(None, None)), "names no key"),
        (lambda s, o, app: s.join(o, str, within=1), "a join by fields"),
        (lambda s, o, app: (s & o).join(str, within=1), "a field of each, not 1"),
        (lambda s, o, app: (s & o).join(str, str, within=1, on=str), "not both"),
        (lambda s, o, app: s.combine(), "one other stream"),
        (lambda s, o, app: s.join(app.topic("i", key_type=int).stream(), within=1), "keys of left are str"),
        (lambda s, o, app: s.join(app.topic("i", key_serializer="json").stream(), within=1), "same key_serializer="),
        (lambda s, o, app: s.join(App("b", broker="memory://").topic("t").stream(), within=1), "different app"),
        (lambda s, o, app: s.join(app.Table("t"), within=1), "within has no meaning"),
        (lambda s, o, app: s.outer_join(app.Table("t")), "join, left_join or inner_join"),
        (lambda s, o, app: s.join(app.Table("t", key_type=int)), "the table's are int"),
        (lambda s, o, app: s.join(app.Table("t").tumbling(10)), "windowed table"),
        (lambda s, o, app: s.join(app.Table("t"), on=str, joiner=1), "joiner= is a function"),
        (lambda s, o, app: s.join(App("b", broker="memory://").Table("t")), "different app"),
    ],
)  # fmt: skip
def test_misuse_is_told_apart(make, says):
    app = App("app", broker="memory://")
    left, right = app.topic(L, key_type=str).stream(), app.topic(R, key_type=str).stream()
    with pytest.raises(ConfigError, match=says):
        make(left, right, app)


def test_something_else_is_no_partner():
    app = App("app", broker="memory://")
    with pytest.raises(TypeError, match="unsupported operand"):
        app.topic(L).stream() & 3


async def test_take_of_pairs_is_refused(lab):
    app = lab.app()
    left, right = app.topic(L).stream(), app.topic(R).stream()
    for stream in (left.join(right, within=1).filter(bool), left & right):
        with pytest.raises(ConfigError, match="take\\(\\) cannot collect"):
            await anext(aiter(stream.take(10, 1)))
