"""Several workers of one application: who owns what, and that nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
import random

import pytest

GUARANTEES = ["at_least_once", "exactly_once"]
TIMES = {"broker_session_timeout": 0.3, "broker_heartbeat_interval": 0.1, "broker_rebalance_timeout": 2}


def owned(*apps):
    """The partitions of topic `in` that each worker runs."""
    return [
        sorted(tp.partition for task in app.worker.rebalancer.running() for tp in task.inputs if tp.topic == "in")
        for app in apps
        if app.worker is not None
    ]


def settled(partitions, *apps):
    """Whether every partition is owned once, and shared evenly."""
    shares = owned(*apps)
    sizes = [len(share) for share in shares]
    return sorted(p for share in shares for p in share) == list(range(partitions)) and (max(sizes) - min(sizes) <= 1)


@pytest.fixture
def counting(make_counting):
    return make_counting(partitions=6, keys=12)


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_worker_that_joins_takes_its_share_and_the_others_go_on(
    lab, counting, counting_app, eventually, guarantee
):
    options = {"processing_guarantee": guarantee, "topic_partitions": 6, **TIMES}
    first, second = counting_app("w1", **options), counting_app("w2", **options)
    async with first:
        counting.put(120)
        await eventually(counting.all_committed)
        tasks = dict(first.worker.rebalancer.tasks)
        async with second:
            for _ in range(20):
                counting.put(12)
                await asyncio.sleep(0.005)
            await eventually(lambda: settled(6, first, second))
            kept = [task for task_id, task in first.worker.rebalancer.tasks.items() if tasks.get(task_id) is task]
            assert len([task for task in kept if not task.closed]) == 3
            counting.put(60)
            await eventually(counting.all_committed)
        await eventually(lambda: settled(6, first))
        counting.put(60)
        await eventually(counting.all_committed)
        assert dict(first.tables["counts"].items()) == counting.expected
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_worker_that_crashes_is_replaced(lab, counting, counting_app, eventually, guarantee):
    options = {"processing_guarantee": guarantee, "topic_partitions": 6, **TIMES}
    first, second = counting_app("w1", **options), counting_app("w2", **options)
    await first.start()
    async with second:
        await eventually(lambda: settled(6, first, second))
        for _ in range(20):
            counting.put(12)
            await asyncio.sleep(0.002)
        await eventually(counting.all_committed)
        counting.put(50)
        await asyncio.sleep(0.005)
        lab.crash(first)
        counting.put(50)
        await lab.crashed(first)
        await eventually(lambda: settled(6, second))
        await eventually(counting.all_committed)
        assert set(second.tables["counts"]) == set(counting.expected)
    if guarantee == "exactly_once":
        assert counting.counts == counting.expected
        assert counting.outputs == counting.expected_outputs
    else:
        # Outputs that were sent before the crash are sent again; a state may be one checkpoint ahead.
        assert all(counting.counts[key] >= n for key, n in counting.expected.items())
        assert set(counting.expected_outputs) <= set(counting.outputs)


async def test_workers_without_a_partition_wait_for_one(lab, eventually):
    apps = []
    seen = []
    for worker in ("w1", "w2", "w3"):
        app = lab.app(worker, topic_partitions=2, **TIMES)

        @app.agent("in")
        async def agent(stream, worker=worker):
            async for value in stream:
                seen.append((worker, value))

        apps.append(app)
        await app.start()
    await eventually(lambda: sorted(map(len, owned(*apps))) == [0, 1, 1])
    lab.put("in", 1, partition=0)
    lab.put("in", 2, partition=1)
    await eventually(lambda: sorted(value for _, value in seen) == [1, 2])
    await apps[0].stop()
    await eventually(lambda: sorted(map(len, owned(*apps[1:]))) == [1, 1])
    lab.put("in", 3, partition=0)
    lab.put("in", 4, partition=1)
    await eventually(lambda: sorted(value for _, value in seen) == [1, 2, 3, 4])
    await apps[1].stop()
    await apps[2].stop()


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_come_and_go_lose_nothing(lab, counting, counting_app, eventually, guarantee, seed):
    rng = random.Random(seed)
    options = {"processing_guarantee": guarantee, "topic_partitions": 6, "table_standby_replicas": seed % 2, **TIMES}
    running = []
    for step in range(8):
        if len(running) < 3 and (not running or rng.random() < 0.6):
            app = counting_app(f"w{step}", group=seed == 2, **options)
            await app.start()
            running.append(app)
        elif len(running) > 1:
            await running.pop(rng.randrange(len(running))).stop()
        for _ in range(rng.randrange(1, 6)):
            counting.put(rng.randrange(1, 30))
            await asyncio.sleep(0.003)
    await eventually(lambda: settled(6, *running), 12)
    await eventually(counting.all_committed)
    if seed == 2:
        await eventually(lambda: counting.all_committed("count-in-key-repartition"))
    for app in running:
        await app.stop()
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_to_workers_exactly_once_is_exact(lab, counting, counting_app, eventually, seed):
    """Workers join, leave, crash, lose their sessions and have their transactions aborted."""
    rng = random.Random(seed)
    options = {
        "processing_guarantee": "exactly_once",
        "topic_partitions": 6,
        "table_standby_replicas": rng.randrange(3),
        "group": seed % 2 == 1,
        "pause_s": rng.choice([0, 0.002]),
        **TIMES,
    }
    running = []
    for step in range(14):
        what = rng.random()
        if not running or (len(running) < 3 and what < 0.45):
            app = counting_app(f"w{step}", **options)
            await app.start()
            running.append(app)
        elif what < 0.75 and len(running) > 1:
            app = running.pop(rng.randrange(len(running)))
            if what < 0.6:
                await app.stop()
            else:
                lab.crash(app)
                await lab.crashed(app)
        elif what < 0.85:
            lab.broker.end_session(rng.choice(running).conf.broker_client_id)
        else:
            lab.broker.faults.abort_transactions(1)
        for _ in range(rng.randrange(1, 6)):
            counting.put(rng.randrange(1, 30))
            await asyncio.sleep(0.003)
    await eventually(counting.all_committed)
    if options["group"]:
        await eventually(lambda: counting.all_committed("count-in-key-repartition"))
    for app in running:
        await app.stop()
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_applications_are_told_what_they_get_and_lose(lab, eventually):
    told = {"w1": [], "w2": []}
    apps = {}
    for worker in told:
        app = apps[worker] = lab.app(worker, topic_partitions=2, **TIMES)

        @app.agent("in")
        async def agent(stream):
            async for _ in stream:
                pass

        @app.on_partitions_assigned.connect
        async def assigned(app, partitions, worker=worker):
            told[worker] += [("+", tp.partition) for tp in partitions]

        @app.on_partitions_revoked.connect
        async def revoked(app, partitions, worker=worker):
            told[worker] += [("-", tp.partition) for tp in partitions]

    await apps["w1"].start()
    assert sorted(told["w1"]) == [("+", 0), ("+", 1)]
    await apps["w2"].start()
    await eventually(lambda: len(told["w1"]) == 3 and len(told["w2"]) == 1)
    assert told["w1"][2] == ("-", told["w2"][0][1])
    await apps["w2"].stop()
    await apps["w1"].stop()


async def test_only_one_worker_is_the_leader(lab, eventually):
    apps = []
    for worker in ("w1", "w2"):
        app = lab.app(worker, topic_partitions=2, **TIMES)

        @app.agent("in")
        async def agent(stream):
            async for _ in stream:
                pass

        apps.append(app)
        await app.start()
    await eventually(lambda: settled_names(apps))
    leader = next(app for app in apps if app.is_leader())
    (other,) = [app for app in apps if app is not leader]
    await leader.stop()
    await eventually(other.is_leader)
    assert not leader.is_leader()
    await other.stop()


def settled_names(apps):
    return sorted(map(len, owned(*apps))) == [1, 1] and sum(app.is_leader() for app in apps) == 1


async def test_a_revoked_partitions_slow_item_is_repeated_by_its_next_owner(lab, eventually):
    """What it has changed by then is dropped with the partition: it is counted once."""
    go = asyncio.Event()
    seen = []
    apps = []
    for worker in ("w1", "w2"):
        app = lab.app(worker, topic_partitions=2, **TIMES)
        table = app.Table("t", default=int)

        @app.agent("in", concurrency=2)
        async def agent(stream, worker=worker, table=table):
            async for value in stream:
                seen.append((worker, value))
                table[value] += 1
                if worker == "w1":
                    await go.wait()

        apps.append(app)
    lab.broker.create_topic("in", 2)
    lab.put("in", "a", partition=0)
    lab.put("in", "b", partition=1)
    await apps[0].start()
    await eventually(lambda: len(seen) == 2)
    await apps[1].start()
    await eventually(lambda: settled(2, *apps))
    await eventually(lambda: len(seen) == 3)
    go.set()
    await eventually(lambda: lab.changelog("t") == {"a": 1, "b": 1})
    await eventually(lambda: (lab.committed("in", 0), lab.committed("in", 1)) == (1, 1))
    for app in apps:
        await app.stop()
    assert lab.changelog("t") == {"a": 1, "b": 1}
