"""Windows in each store: they close once, also where a standby or a successor takes them over, and late is late."""

from __future__ import annotations

from collections import Counter

import pytest

T0 = 1_000_000_000
SIZE = 10
PARTITIONS = 2
GUARANTEES = ["at_least_once", "exactly_once"]


def make_worker(cluster, name, guarantee, **options):
    """Count events by key and window; send each final result, from an agent to `out` and from a callback to `calls`."""
    app = cluster.worker(name, processing_guarantee=guarantee, topic_partitions=PARTITIONS, **options)

    async def close(at, value):
        await app.send("calls", value=shown(at, value))

    counts = app.Table("t", default=int, on_window_close=close).tumbling(SIZE, expires=30, grace=0, key_index=True)
    app.counts = counts

    @app.agent("in", name="count")
    async def count(stream):
        async for key in stream:
            if key == "look":
                await app.send("looks", value=sorted(counts.items().current()))
            else:
                counts[key] += 1

    @app.agent(counts.closed(), name="send")
    async def send(stream):
        async for at, value in stream:
            await app.send("out", value=shown(at, value))

    return app


def shown(at, value):
    key, (start, _end) = at
    return [key, round(start) - T0, value]


def make_topics(cluster):
    cluster.broker.create_topic("in", PARTITIONS)
    for topic in ("out", "calls", "looks"):
        cluster.broker.create_topic(topic, 1)


class Events:
    """Events that are sent, and what must come of them."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.windows = Counter()

    def put(self, *events, late=False):
        """Write (key, seconds) to the partition that the key's number says."""
        for key, at in events:
            self.cluster.put("in", key, at=T0 + at, partition=int(key[-1]))
            if not late:
                self.windows[key, at // SIZE * SIZE] += 1

    def look(self, at, partition):
        self.cluster.put("in", "look", at=T0 + at, partition=partition)


def check(cluster, expected, guarantee):
    """Each window once, as it was when it closed; at least once, some may be there again."""
    for topic in ("out", "calls"):
        found = [tuple(value) for value in cluster.values(topic)]
        if guarantee == "exactly_once":
            assert sorted(found) == sorted((key, start, count) for (key, start), count in expected.items())
        most = Counter()
        for key, start, count in found:
            most[key, start] = max(most[key, start], count)
        assert most.keys() == expected.keys()
        assert most >= expected


def closed_before(windows, seconds):
    return Counter({at: count for at, count in windows.items() if at[1] + SIZE <= seconds})


def is_closed(cluster, expected):
    return all({(key, start) for key, start, _ in cluster.values(t)} == expected.keys() for t in ("out", "calls"))


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.timeout(60)
async def test_windows_are_closed_once_where_a_standby_takes_them_over(cluster, eventually, guarantee):
    make_topics(cluster)
    events = Events(cluster)
    options = {"table_standby_replicas": 1}
    workers = [make_worker(cluster, f"w{n}", guarantee, **options) for n in range(2)]
    for worker in workers:
        await worker.start()
    await eventually(lambda: all(len(cluster.owners(worker)) == 1 for worker in workers))
    at = 0
    for turn in range(3):
        # Half of a window before the worker is killed, half of it after.
        events.put(*((f"{key}{p}", at + second) for second in (1, 4, 8, 11, 13) for key in "ab" for p in (0, 1)))
        if turn == 1:
            await eventually(lambda: cluster.all_committed("in"))
        await cluster.kill(workers.pop(0))
        events.put(*((f"{key}{p}", at + second) for second in (14, 17) for key in "ac" for p in (0, 1)))
        await eventually(lambda: cluster.all_committed("in"))
        await eventually(lambda at=at: is_closed(cluster, closed_before(events.windows, at + 17)))
        workers.append(make_worker(cluster, f"w{turn + 2}", guarantee, **options))
        await workers[-1].start()
        await eventually(lambda: all(len(cluster.owners(worker)) == 1 for worker in workers))
        at += 20
    check(cluster, closed_before(events.windows, at - 3), guarantee)

    # The successors know the time: what comes for a window that others have closed is late.
    before = [worker.counts.late_events for worker in workers]
    events.put(("a0", 1), ("a1", 2), ("a1", at - 11), late=True)
    events.look(at - 4, 0)
    await eventually(lambda: cluster.all_committed("in"))
    assert sum(worker.counts.late_events for worker in workers) - sum(before) >= 3
    # And which keys a window has.
    last = {key: n for (key, start), n in events.windows.items() if start == at - 10 and key[-1] == "0"}
    assert cluster.values("looks") == [sorted([key, n] for key, n in last.items())]
    check(cluster, closed_before(events.windows, at - 3), guarantee)


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("ending", ["stopped", "killed"])
@pytest.mark.timeout(60)
async def test_windows_are_closed_once_where_a_worker_is_started_again(cluster, eventually, guarantee, ending):
    make_topics(cluster)
    events = Events(cluster)
    for life in range(3):
        at = 10 * life
        options = {"table_standby_replicas": 0, "consumer_group_instance_id": "one"}
        app = make_worker(cluster, f"w{life}", guarantee, disk="one", **options)
        await app.start()
        events.put(*((f"{key}{p}", at + second) for second in (2, 9) for key in "ab" for p in (0, 1)))
        await eventually(lambda: cluster.all_committed("in"))
        await eventually(lambda at=at: is_closed(cluster, closed_before(events.windows, at + 9)))
        events.put(("b0", at + 1 - 10), ("b1", at - 9), late=True)
        await eventually(lambda: cluster.all_committed("in"))
        assert app.counts.late_events >= 2  # once more where a session ends early
        if ending == "killed":
            await cluster.kill(app)
        else:
            await app.stop()
    check(cluster, closed_before(events.windows, 29), guarantee)
