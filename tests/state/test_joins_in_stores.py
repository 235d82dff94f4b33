"""Joins in each store: of streams, of tables and by a foreign key, with a worker killed in between."""

from __future__ import annotations

from collections import Counter

import pytest

from faust_core.partitioner import partition_for

PARTITIONS = 2
INPUTS = ("left", "right", "orders", "customers", "notes")


def make_worker(cluster, name, guarantee):
    app = cluster.worker(
        name,
        disk="one",
        processing_guarantee=guarantee,
        topic_partitions=PARTITIONS,
        consumer_group_instance_id="one",
        table_standby_replicas=0,
        table_cache_size=4,  # so that the store is asked
    )
    left, right = (app.topic(topic, key_type=str) for topic in ("left", "right"))

    @app.agent(left, name="pair")
    async def pair(stream):
        async for value in stream.outer_join(right.stream(), within=10, grace=20, idle=0.1):
            await app.send("pairs", value=value)

    def filled(topic):
        table = app.Table(topic, key_type=str)

        @app.agent(app.topic(topic, key_type=str), name=f"fill-{topic}")
        async def fill(stream):
            async for key, value in stream.items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value

        return table

    orders, customers, notes = map(filled, INPUTS[2:])

    @app.agent(orders.join(customers, on=lambda order: order), name="deliver")
    async def deliver(stream):
        async for key, found in stream:
            await app.send("deliveries", key=key, value=[key, found])

    @app.agent(orders.outer_join(notes), name="annotate")
    async def annotate(stream):
        async for key, found in stream:
            await app.send("annotations", key=key, value=[key, found])

    return app


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.timeout(60)
async def test_joins_come_to_a_recomputation_in_every_store(cluster, eventually, guarantee):
    for topic in INPUTS:
        cluster.broker.create_topic(topic, PARTITIONS)
    for topic in ("pairs", "deliveries", "annotations"):
        cluster.broker.create_topic(topic, 1)

    def put(topic, key, value, at=0.0):
        cluster.put(topic, value, key=key, at=at, partition=partition_for(key.encode(), PARTITIONS))

    def last(topic):
        return {key: found for key, found in dict(cluster.values(topic)).items() if found is not None}

    tables = {topic: {} for topic in INPUTS[2:]}
    expected = Counter()
    for life in range(3):
        app = make_worker(cluster, f"w{life}", guarantee)
        await app.start()
        changes = [("orders", f"o{n}", f"c{(n + life) % 5}") for n in range(8)]
        changes += [("customers", f"c{n}", None if n == life else f"name {life}") for n in range(4)]
        changes += [("notes", f"o{n}", None if n == life else f"note {life}") for n in range(2, 6)]
        for topic, key, value in changes:
            tables[topic].pop(key, None)
            if value is not None:
                tables[topic][key] = value
            put(topic, key, value)
        for n in range(30):
            key = f"k{n % 10}"
            side = "left" if n < 15 else "right"
            put(side, key, f"{side} {life} {n}", at=1000 * life + n / 10)
        expected += Counter(
            str([f"left {life} {a}", f"right {life} {b}"]) for a in range(15) for b in range(15, 30) if a % 10 == b % 10
        )
        # The half of each life is done by the one after it.
        await eventually(lambda: cluster.values("pairs"))
        await cluster.kill(app)
    app = make_worker(cluster, "last", guarantee)
    put("left", "alone", "alone", at=2000)
    expected[str(["alone", None])] += 1
    await app.start()
    await eventually(lambda: cluster.all_committed(*INPUTS))
    for side in ("left", "right"):
        for n in range(10):
            put(side, f"end{n}", "end", at=9000)
    await eventually(lambda: cluster.all_committed(*INPUTS))
    o, c, n = (tables[topic] for topic in INPUTS[2:])
    await eventually(lambda: last("deliveries") == {key: [who, c[who]] for key, who in o.items() if who in c})
    await eventually(lambda: last("annotations") == {key: [o.get(key), n.get(key)] for key in o.keys() | n.keys()})
    found = Counter(str(pair) for pair in cluster.values("pairs") if "end" not in pair)
    if guarantee == "exactly_once":
        assert found == expected
    assert found.keys() == expected.keys()
