"""Joins of two tables in running applications: by equal keys, and by a key in the left table's values."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faust_core import App
from faust_core.errors import ConfigError, PartitionsMismatch
from faust_core.joins import Values

L, R = "lefts-in", "rights-in"
GUARANTEES = ["at_least_once", "exactly_once"]


def joined_app(lab, join, worker="w1", *, counts=(2, 2), fail=None, on_sent=None, **options):
    """Make an application with tables `lefts` and `rights`, filled from a topic each; changes of `join` go to `out`."""
    app = lab.app(worker, **{"broker_commit_interval": 0.03, **options})
    lefts = app.Table("lefts", key_type=str, partitions=counts[0])
    rights = app.Table("rights", key_type=str, partitions=counts[1])
    out = app.topic("out")

    def filler(table):
        async def fill(stream):
            async for key, value in stream.items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value

        return fill

    app.agent(app.topic(L, key_type=str), name="fill-lefts")(filler(lefts))
    app.agent(app.topic(R, key_type=str), name="fill-rights")(filler(rights))

    @app.agent(join(lefts, rights), name="changes")
    async def changes(stream):
        async for key, pair in stream:
            if fail is not None:
                fail(key, pair)
            sent = await out.send(key=key, value=[key, pair])
            if on_sent is not None:
                await sent
                await on_sent()

    return app


def make_topics(lab, counts=(2, 2)):
    for topic, count in ((L, counts[0]), (R, counts[1]), ("out", 1)):
        lab.broker.create_topic(topic, count)


async def put(lab, topic, key, value):
    """Write a record where its key's hash says."""
    from faust_core.partitioner import partition_for

    count = len(lab.broker.topics[topic].logs)
    lab.put(topic, value, key=key, partition=partition_for(key.encode(), count))


def last(lab):
    """What the changes come to."""
    return {key: pair for key, pair in dict(lab.values("out")).items() if pair is not None}


def recomputed(mode, lefts, rights, on=None):
    pairs = {}
    for key in lefts.keys() | ({} if on else rights.keys()):
        left = lefts.get(key)
        right = rights.get(on(left) if on else key)
        if {
            "join": left is not None and right is not None,
            "left_join": left is not None,
            "outer_join": True,
        }[mode]:
            pairs[key] = [left, right]
    return pairs


async def settled(app, lab, eventually, expected):
    await eventually(lambda: last(lab) == expected)


BY_KEY = ["join", "left_join", "outer_join"]


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("mode", BY_KEY)
async def test_each_change_of_either_table_brings_the_pair_as_it_is_then(lab, eventually, mode, guarantee):
    make_topics(lab)
    app = joined_app(lab, lambda a, b: getattr(a, mode)(b), processing_guarantee=guarantee)
    lefts, rights = {}, {}
    async with app:
        for side, key, value in [(0, "a", 1), (1, "a", 2), (0, "b", 3), (1, "c", 4), (0, "a", 5), (1, "a", None)]:
            state = (lefts, rights)[side]
            if value is None:
                state.pop(key)
            else:
                state[key] = value
            await put(lab, (L, R)[side], key, value)
            await settled(app, lab, eventually, recomputed(mode, lefts, rights))
    of_a = [pair for key, pair in lab.values("out") if key == "a"]
    assert (
        of_a
        == {
            "join": [[1, 2], [5, 2], None],
            "left_join": [[1, None], [1, 2], [5, 2], [5, None]],
            "outer_join": [[1, None], [1, 2], [5, 2], [5, None]],
        }[mode]
    )


async def test_a_pair_that_never_was_is_not_taken_back(lab, eventually):
    make_topics(lab)
    async with joined_app(lab, lambda a, b: a.join(b)):
        await put(lab, L, "a", 1)
        await eventually(lambda: lab.changelog("lefts") == {"a": 1})
        await put(lab, L, "a", None)
        await put(lab, L, "z", 1)
        await put(lab, R, "z", 1)
        await eventually(lambda: last(lab) == {"z": [1, 1]})
    assert lab.values("out") == [["z", [1, 1]]]


async def test_a_value_written_again_is_no_change(lab, eventually):
    make_topics(lab)
    async with joined_app(lab, lambda a, b: a.left_join(b)):
        await put(lab, L, "a", 1)
        await eventually(lambda: last(lab) == {"a": [1, None]})
        await put(lab, L, "a", 1)
        await put(lab, L, "b", 1)
        await eventually(lambda: last(lab).get("b"))
    assert sorted(key for key, _ in lab.values("out")) == ["a", "b"]


async def test_a_joiner_may_make_something_else_and_be_async(lab, eventually):
    async def add(left, right):
        await asyncio.sleep(0)
        return left + right

    make_topics(lab)
    async with joined_app(lab, lambda a, b: a.join(b, joiner=add)):
        await put(lab, L, "a", 1)
        await put(lab, R, "a", 2)
        await eventually(lambda: last(lab) == {"a": 3})


@pytest.mark.parametrize("join", [lambda a, b: a.join(b), lambda a, b: a.left_join(b, on=lambda v: v)])
async def test_a_change_whose_body_raised_is_handed_out_again(lab, eventually, join):
    tried = []

    def fail(key, pair):
        tried.append(key)
        if len(tried) < 3:
            raise ValueError(key)

    make_topics(lab)
    async with joined_app(lab, join, fail=fail, on_error="retry"):
        await put(lab, R, "a", "r")
        await eventually(lambda: lab.changelog("rights"))
        await put(lab, L, "a", "a")
        await eventually(lambda: last(lab) == {"a": ["a", "r"]})
    # Once more than needed where a checkpoint came in between: the pair may have been taken back by then.
    assert tried in (["a"] * 3, ["a"] * 4)


# -- by a key in the left table's values


def customer(order):
    return order["c"]


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("mode", ["join", "left_join"])
async def test_rows_are_joined_by_the_key_that_they_name(lab, eventually, mode, guarantee):
    counts = (2, 3)
    make_topics(lab, counts)
    app = joined_app(lab, lambda a, b: getattr(a, mode)(b, on=customer), counts=counts, processing_guarantee=guarantee)
    lefts, rights = {}, {}
    async with app:
        for topic, key, value in [
            (L, "o1", {"c": "x", "n": 1}),
            (R, "x", "Xenia"),
            (L, "o2", {"c": "x", "n": 2}),
            (R, "x", "Xaver"),
            (L, "o1", {"c": "y", "n": 1}),
            (R, "y", "Yuri"),
            (L, "o3", {"c": None, "n": 3}),
            (L, "o2", {"c": None, "n": 4}),
            (R, "x", None),
            (R, "y", None),
            (R, "y", "Yvo"),
            (L, "o1", None),
        ]:
            state = lefts if topic == L else rights
            if value is None:
                state.pop(key)
            else:
                state[key] = value
            await put(lab, topic, key, value)
            await settled(app, lab, eventually, recomputed(mode, lefts, rights, customer))


async def test_many_rows_of_one_key_are_all_told(lab, eventually):
    make_topics(lab)
    async with joined_app(lab, lambda a, b: a.join(b, on=customer)):
        for number in range(200):
            await put(lab, L, f"o{number}", {"c": "x"})
        await put(lab, R, "x", 1)
        await eventually(lambda: len(last(lab)) == 200)
        await put(lab, R, "x", 2)
        await eventually(lambda: all(pair[1] == 2 for pair in last(lab).values()))


async def test_what_asks_no_more_is_forgotten(lab, eventually):
    make_topics(lab)
    name = "app-lefts-rights-foreign-join-index-changelog"
    async with joined_app(lab, lambda a, b: a.join(b, on=customer)):
        await put(lab, L, "o", {"c": "x"})
        await eventually(lambda: [r.value is None for r in lab.records(name)] == [False])
        await put(lab, L, "o", None)
        await eventually(lambda: [r.value is None for r in lab.records(name)] == [False, True])


async def test_a_key_of_another_type_is_put_aside_with_the_reason(lab, eventually):
    make_topics(lab)
    async with joined_app(lab, lambda a, b: a.join(b, on=lambda value: 7)):
        await put(lab, L, "o", {"c": "x"})
        await eventually(lambda: lab.records("app-dead-letter"))
    headers = dict(lab.records("app-dead-letter")[0].headers)
    assert any(b"on= gives 7, and the keys of the right table are str" in (value or b"") for value in headers.values())


# -- whatever happens between

STEPS = ["staging", "changelog written", "flushed", "committed"]
keys = st.sampled_from(["a", "b", "c"])
changes = st.lists(
    st.one_of(
        st.tuples(st.just(L), keys, st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))),
        st.tuples(st.just(R), keys, st.one_of(st.none(), st.integers(0, 3))),
        st.tuples(
            st.just("crash"), st.sampled_from(["staging", "changelog written", "flushed", "committed"]), st.none()
        ),
        st.tuples(st.just("pause"), st.none(), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=changes,
    guarantee=st.sampled_from(GUARANTEES),
    mode=st.sampled_from([*BY_KEY, "join on", "left_join on"]),
)
@pytest.mark.timeout(120)
def test_changes_come_to_a_recomputation_whatever_happens_between(new_lab, eventually, changes, guarantee, mode):
    mode, _, foreign = mode.partition(" ")
    on = (lambda value: value) if foreign else None

    async def scenario():
        lab = new_lab()
        make_topics(lab, (1, 2 if foreign else 1))
        number = 0

        def start():
            nonlocal number
            number += 1
            return joined_app(
                lab,
                lambda a, b: getattr(a, mode)(b, **({"on": on} if on else {})),
                f"w{number}",
                counts=(1, 2 if foreign else 1),
                processing_guarantee=guarantee,
                consumer_group_instance_id="one",
            )

        lefts, rights = {}, {}
        app = start()
        await app.start()
        for what, key, value in changes:
            if what == "pause":
                await asyncio.sleep(0.05)
            elif what == "crash":
                lab.crash_at(app, key)
                await put(lab, L, "z", "z")
                lefts["z"] = "z"
                await lab.crashed(app)
                app = start()
                await app.start()
            else:
                state = lefts if what == L else rights
                state.pop(key, None)
                if value is not None:
                    state[key] = value
                await put(lab, what, key, value)
        await eventually(lambda: last(lab) == recomputed(mode, lefts, rights, on))
        await asyncio.sleep(0.15)
        assert last(lab) == recomputed(mode, lefts, rights, on)
        if guarantee == "exactly_once":
            of_key = {}
            for key, pair in lab.values("out"):
                assert of_key.get(key) != pair, "each change once"
                of_key[key] = pair
        await lab.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize(
    ("join", "then"),
    [
        (lambda a, b: a.join(b), None),
        (lambda a, b: a.left_join(b), None),
        (lambda a, b: a.join(b, on=lambda value: value), None),
        (lambda a, b: a.join(b, on=lambda value: value), "another"),
    ],
    ids=["join", "left_join", "on, deleted", "on, named another"],
)
async def test_a_pair_that_was_sent_before_a_crash_is_taken_back_where_it_is_gone_after_it(
    lab, eventually, guarantee, join, then
):
    """Nobody has noted that it was handed out: the checkpoint did not come about."""
    make_topics(lab)

    def start(worker, on_sent):
        options = {"processing_guarantee": guarantee, "consumer_group_instance_id": "one"}
        return joined_app(lab, join, worker, on_sent=on_sent, **options)

    async def crash():
        lab.crash(app)
        await asyncio.Event().wait()

    await put(lab, R, "a", "r")
    await put(lab, L, "a", "a")
    app = start("w1", crash)
    await app.start()
    await lab.crashed(app)
    await put(lab, L, "a", then)
    await put(lab, L, "z", "z")
    await put(lab, R, "z", "z")
    async with start("w2", None):
        await eventually(lambda: last(lab) == {"z": ["z", "z"]})


async def test_a_pair_that_was_sent_by_a_body_that_raised_is_taken_back_where_it_is_gone_then(lab, eventually):
    make_topics(lab)
    tried = []

    async def fail():
        tried.append(dict(lab.values("out")))
        if len(tried) == 1:
            await put(lab, L, "a", None)
            await eventually(lambda: not lab.changelog("lefts"))
            raise ValueError

    async with joined_app(lab, lambda a, b: a.join(b), on_sent=fail, on_error="retry"):
        await put(lab, R, "a", "r")
        await put(lab, L, "a", "a")
        await eventually(lambda: lab.values("out")[-1:] == [["a", None]])
    assert len(tried) == 2


# -- misuse


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda app, a: a.join(a), "both are the same table"),
        (lambda app, a: a.join("rights"), "'rights' is no table"),
        (lambda app, a: a.join(app.topic("t").stream()), r"stream\.join\(table\)"),
        (lambda app, a: a.join(app.GlobalTable("g", key_type=str)), "'g' is a global table"),
        (lambda app, a: a.join(app.SetTable("s", key_type=str)), "table of sets"),
        (lambda app, a: a.join(app.Table("w").tumbling(10).table), "'w' has windows"),
        (lambda app, a: a.join(app.Table("w").tumbling(10)), "no table of app.Table"),
        (lambda app, a: a.join(app.Table("i", key_type=int)), "keys of the one are str, of the other int"),
        (lambda app, a: a.join(app.Table("i", key_serializer="raw")), "key_serializer="),
        (lambda app, a: a.join(App("other", broker="memory://").Table("i")), "different applications"),
        (lambda app, a: a.join(app.Table("b"), joiner=3), "joiner= is a function"),
        (lambda app, a: a.join(app.Table("b"), on="customer"), "on= is a field"),
        (lambda app, a: a.outer_join(app.Table("b"), on=str), "on"),
    ],
)
def test_misuse_is_told_apart(make, says):
    app = App("app", broker="memory://")
    table = app.Table("a", key_type=str)
    with pytest.raises((ConfigError, TypeError), match=says):
        make(app, table)


def test_several_actors_are_refused():
    app = App("app", broker="memory://")
    joined = app.Table("a").join(app.Table("b"))
    with pytest.raises(ConfigError, match="read by one actor"):
        app.agent(joined, concurrency=2)(agent)


async def agent(stream):
    async for _ in stream:
        pass


async def test_it_is_read_in_an_agent_only():
    app = App("app", broker="memory://")
    with pytest.raises(ConfigError, match="in an agent"):
        aiter(app.Table("a").join(app.Table("b")))
    with pytest.raises(ConfigError, match="read only"):
        await app.Table("c").join(app.Table("d")).send(value=1)


async def test_tables_of_different_sizes_are_refused_before_the_first_record(lab):
    make_topics(lab, (2, 3))
    app = joined_app(lab, lambda a, b: a.join(b), counts=(2, 3))
    with pytest.raises(PartitionsMismatch, match="table lefts has 2, table rights has 3"):
        await app.start()


async def test_two_agents_cannot_share_the_changes(lab):
    make_topics(lab)
    joined = []

    def join(a, b):
        joined.append(a.join(b))
        return joined[0]

    app = joined_app(lab, join)
    app.agent(joined[0], name="other")(agent)
    with pytest.raises(ConfigError, match="read twice"):
        await app.start()


def test_a_pair_has_names():
    assert Values(1, 2).left == 1
