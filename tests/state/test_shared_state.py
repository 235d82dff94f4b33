"""State in a store that workers share is used only for the very changelog that it is a copy of."""

from __future__ import annotations

import json

import pytest
import redis

#: Local stores have a note in their directory: see test_local_state.py.
pytestmark = [pytest.mark.redis, pytest.mark.parametrize("cluster", ["redis"], indirect=True)]


def make_worker(cluster, name):
    app = cluster.worker(name, topic_partitions=2)
    counts = app.Table("counts", default=int)
    app.counts = counts

    @app.agent("in")
    async def count(stream):
        async for key in stream:
            counts[key] += 1

    return app


async def run(cluster, eventually, name):
    app = make_worker(cluster, name)
    async with app:
        await eventually(lambda: cluster.all_committed("in") and len(cluster.owners(app)) == 2)
        return dict(app.counts.items())


def recreate(cluster):
    """Delete the changelog, and make another of its name that grows past the old one."""
    topic = f"{cluster.app_id}-counts-changelog"
    cluster.broker.delete_topic(topic)
    cluster.broker.create_topic(topic, 2, {"cleanup.policy": "compact"})
    for n in range(100):
        cluster.put(topic, n, key=json.dumps(f"x{n}"), partition=n % 2)


def notes(cluster):
    with redis.Redis.from_url(cluster.store) as client:
        return [client.hget(f"faust:{{{cluster.app_id}:counts:{n}}}:meta", "note") for n in range(2)]


@pytest.fixture(autouse=True)
def events(cluster):
    cluster.broker.create_topic("in", 2)
    for n in range(20):
        cluster.put("in", f"k{n % 5}", partition=n % 2)


async def test_what_was_noted_is_trusted(cluster, eventually, caplog):
    caplog.set_level("INFO")
    counted = await run(cluster, eventually, "w1")
    noted = notes(cluster)
    assert all(json.loads(note)[0] == f"{cluster.app_id}-counts-changelog" for note in noted)
    caplog.clear()
    assert await run(cluster, eventually, "w2") == counted
    assert notes(cluster) == noted
    assert "0 records in" in caplog.text
    assert "rebuilt" not in caplog.text


async def test_a_changelog_that_was_made_anew_and_grew_past_the_old_one_is_noticed(cluster, eventually, caplog):
    await run(cluster, eventually, "w1")
    recreate(cluster)
    assert await run(cluster, eventually, "w2") == {f"x{n}": n for n in range(100)}
    assert "one of the same name that was deleted: it is deleted and rebuilt" in caplog.text


async def test_state_without_a_note_is_rebuilt(cluster, eventually, caplog):
    """As it was written before there were notes, or by something else."""
    counted = await run(cluster, eventually, "w1")
    with redis.Redis.from_url(cluster.store) as client:
        for n in range(2):
            client.hdel(f"faust:{{{cluster.app_id}:counts:{n}}}:meta", "note")
    assert await run(cluster, eventually, "w2") == counted
    assert "one that nothing is noted of: it is deleted and rebuilt" in caplog.text
    assert None not in notes(cluster)
