"""Which topics and tables belong together, and how many partitions a table has."""

from __future__ import annotations

import pytest

from faust_core.engine.topology import co_partition, table_partitions
from faust_core.errors import PartitionsMismatch, TopicMissing


def test_without_tables_each_topic_is_a_group_of_its_own():
    groups = co_partition({"a": 2, "b": 2}, {})
    assert {name: (g.partitions, g.topics, g.tables) for name, g in groups.items()} == {
        "a": (2, frozenset("a"), frozenset()),
        "b": (2, frozenset("b"), frozenset()),
    }


def test_with_tables_topics_of_equal_counts_are_one_group():
    groups = co_partition({"a": 2, "b": 2, "c": 3}, {"t": 2, "u": 3})
    assert {name: (g.partitions, g.topics, g.tables) for name, g in groups.items()} == {
        "p2": (2, frozenset("ab"), frozenset("t")),
        "p3": (3, frozenset("c"), frozenset("u")),
    }


def test_a_table_without_a_topic_of_its_count_is_an_error():
    with pytest.raises(PartitionsMismatch, match=r"table 't' has 4 partitions, .*a has 2, b has 3"):
        co_partition({"b": 3, "a": 2}, {"t": 4})


@pytest.mark.parametrize(
    ("declared", "changelog", "topics", "expected"),
    [
        (3, None, {"a": 2}, 3),
        (None, 4, {"a": 2, "b": 4}, 4),
        (3, 3, {"a": 2}, 3),
        (None, None, {"a": 2, "b": 2}, 2),
        (None, None, {"a": 2, "b": 3}, 8),
        (None, None, {}, 8),
    ],
)
def test_a_tables_count(declared, changelog, topics, expected):
    assert table_partitions("t", declared, changelog, topics, 8) == expected


def test_a_declared_count_that_is_not_the_changelogs_is_an_error():
    with pytest.raises(PartitionsMismatch, match="set partitions= to that"):
        table_partitions("t", 3, 4, {}, 8)


def test_a_changelog_with_a_count_that_no_topic_has_is_an_error():
    with pytest.raises(PartitionsMismatch, match=r"exists with 4 partitions, and no topic .* has as many"):
        table_partitions("t", None, 4, {"a": 2}, 8)


async def test_missing_topics_are_created_as_declared(lab):
    app = lab.app(topic_partitions=3)
    app.Table("t")

    @app.agent(app.topic("in", partitions=5, retention=60, compacting=True, deleting=True, config={"x": 1}))
    async def agent(stream):
        async for _ in stream.group_by(lambda v: v, name="one"):
            pass

    @app.agent("other", name="b")
    async def other(stream):
        async for _ in stream.group_by(lambda v: v, name="two", partitions=3).group_by(lambda v: v, name="three"):
            pass

    async with app:
        counts = lab.broker.partition_counts()
    names = {name.partition("-in-")[2] or name: count for name, count in counts.items()}
    assert names == {
        "in": 5,
        "one-repartition": 5,
        "other": 3,
        "b-other-two-repartition": 3,
        "b-b-other-two-repartition-three-repartition": 3,
        "app-t-changelog": 3,
    }
    config = lab.broker.topics["in"].config
    assert (config["cleanup.policy"], config["retention.ms"], config["x"]) == ("compact,delete", "60000", "1")


async def test_a_missing_topic_that_may_not_be_created_is_an_error(lab):
    app = lab.app(topic_allow_declare=False)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    with pytest.raises(TopicMissing, match="'in' does not exist, and topic_allow_declare=False"):
        await app.start()


async def test_a_topic_that_the_broker_refuses_is_an_error(lab):
    app = lab.app()
    lab.broker.faults.refuse_topic("in", "not authorized")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    with pytest.raises(TopicMissing, match="not authorized"):
        await app.start()
