"""Several workers: whoever is asked, the owner answers, or nobody does."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from faust_core import App
from faust_core.errors import ConfigError, QueryError, QueryUnavailable
from faust_core.protocols.queries import PartitionQuery, QueryOptions, TableQuery

TIMES = {"broker_session_timeout": 0.4, "broker_heartbeat_interval": 0.1, "broker_rebalance_timeout": 2}
KEYS = [f"k{n}" for n in range(40)]


@pytest.fixture
async def two(cluster, request):
    """Two workers that share 40 keys, k0 to k39, whose values are 0 to 39."""
    workers = await cluster.start_two(**getattr(request, "param", {}))
    for n, key in enumerate(KEYS):
        cluster.put(key, n)
    await cluster.processed()
    return workers


async def test_every_worker_answers_for_every_key(cluster, two):
    for worker in two:
        assert [await worker.last.query(key) for key in KEYS] == list(range(40))
        assert (await worker.get("/table/last/k7")).json() == 7


async def test_an_answer_says_where_it_is_from(cluster, two):
    answer = await two[0].last.query_answer("k3")
    assert (answer.value, answer.found, answer.partition) == (3, True, cluster.partition("k3"))
    assert (answer.owner, answer.lag) == (True, 0)
    headers = (await two[1].get("/table/last/k3")).headers
    assert headers["faust-source"] == "owner"
    assert headers["faust-lag"] == "0"
    assert headers["faust-partition"] == str(cluster.partition("k3"))


async def test_a_missing_key_is_a_key_error_or_the_tables_default(cluster, two):
    with pytest.raises(KeyError, match="nobody"):
        await two[0].last.query("nobody")
    answer = await two[0].last.query_answer("nobody")
    assert (answer.found, answer.value) == (False, None)
    assert await two[0].hours.query("nobody") == 0
    response = await two[0].get("/table/last/nobody")
    assert response.status_code == 404
    assert response.json()["error"] == "no_such_key"


async def test_many_keys_are_asked_for_at_once(cluster, two):
    for worker in two:
        found = await worker.last.query_many([*KEYS, "nobody"])
        assert found == {key: n for n, key in enumerate(KEYS)}
        assert (found.owner, found.lag) == (True, 0)


async def test_prefixes_and_ranges_reach_over_all_workers(cluster, two):
    for worker in two:
        assert dict([item async for item in worker.last.query_items()]) == cluster.sent
        assert sorted([item async for item in worker.last.query_items(prefix="k1")]) == sorted(
            (key, n) for key, n in cluster.sent.items() if key.startswith("k1")
        )
        between = [key async for key, _ in worker.last.query_items(start="k2", end="k31")]
        assert sorted(between) == sorted(key for key in KEYS if "k2" <= key < "k31")


async def test_pages_put_together_are_the_whole_table(cluster, two):
    items, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await two[0].last.query_page(limit=7, after=cursor)
        assert len(page.items) <= 7
        items += page.items
        cursor, pages = page.cursor, pages + 1
    assert len(items) == 40
    assert dict(items) == cluster.sent
    assert pages >= 6


async def test_a_key_is_found_where_its_hash_does_not_say(cluster, two):
    """As where a stream is partitioned by something else than the table's key."""
    cluster.put("stray", 7, partition=(cluster.partition("stray") + 1) % 6)
    await cluster.processed()
    for worker in two:
        assert await worker.last.query("stray") == 7
        assert (await worker.last.query_many(["stray", "k1"])) == {"stray": 7, "k1": 1}
        assert await worker.seen.query("stray") == {7}
        with pytest.raises(KeyError):
            await worker.last.query("stray", partition=cluster.partition("stray"))


async def test_windows_are_asked_for_by_time(cluster, two):
    now = time.time()
    for worker in two:
        assert await worker.hours.query("k5") == 5
        assert await worker.hours.query("k5", at=now - 7200) == 0
        found = await worker.hours.query_windows("k5", now - 3 * 3600, now + 1)
        assert list(found.values()) == [5]
        ((start, end),) = found
        assert start <= now <= end + 0.1
        response = await worker.get("/table/hours/k5", params={"from": now - 7200, "to": now + 1})
        assert response.json()["items"] == [{"key": "k5", "window": [start, end], "value": 5}]
    with pytest.raises(QueryError, match="more than 1000 windows"):
        await two[0].hours.query_windows("k5", 0, now)
    with pytest.raises(QueryError, match="empty"):
        await two[0].hours.query_windows("k5", now, now)


async def test_sets_are_answered_whole(cluster, two):
    for n in range(5):
        cluster.put("group", n)
    await cluster.processed()
    for worker in two:
        assert await worker.seen.query("group") == {0, 1, 2, 3, 4}
        assert await worker.seen.query("nobody") == set()
        assert await worker.seen.query_many(["group", "k1", "nobody"]) == {"group": {0, 1, 2, 3, 4}, "k1": {1}}
        assert (await worker.get("/table/seen/group")).json() == [0, 1, 2, 3, 4]
        assert (await worker.get("/table/seen/nobody")).status_code == 404


async def test_what_is_not_committed_yet_is_seen_unless_told_otherwise(cluster):
    workers = await cluster.start_two(broker_commit_interval=60)
    cluster.put("a", 1)
    for worker in workers:
        async with asyncio.timeout(15):
            while not (await worker.last.query_answer("a")).found:  # noqa: ASYNC110  another worker moves on
                await asyncio.sleep(0.01)
        assert [item async for item in worker.last.query_items()] == [("a", 1)]
        assert not (await worker.last.query_answer("a", committed=True)).found
        assert [item async for item in worker.last.query_items(committed=True)] == []
        assert (await worker.get("/table/last/a", params={"committed": 1})).status_code == 404
    for worker in workers:
        await worker.app.commit()
    assert await workers[0].last.query("a", committed=True) == 1


async def test_under_exactly_once_only_what_is_committed_is_seen(cluster):
    (worker,) = [await cluster.start("w1", processing_guarantee="exactly_once", broker_commit_interval=50)]
    cluster.put("a", 1)
    async with asyncio.timeout(15):
        while "a" not in worker.last:  # noqa: ASYNC110  the agent moves on
            await asyncio.sleep(0.01)
    assert not (await worker.last.query_answer("a")).found
    assert (await worker.last.query_answer("a", committed=False)).found
    await worker.app.commit()
    assert await worker.last.query("a") == 1


async def test_a_value_in_an_answer_is_the_askers_own(cluster):
    worker = await cluster.start("w1", broker_commit_interval=60)
    cluster.put("a", 1)
    async with asyncio.timeout(15):
        while "a" not in worker.seen:  # noqa: ASYNC110  the agent moves on
            await asyncio.sleep(0.01)
    (await worker.seen.query("a")).add(99)
    assert await worker.seen.query("a") == {1}


#: Long enough for questions before a crashed worker's partitions are given to the other one.
missed_late = pytest.mark.parametrize("two", [{"broker_session_timeout": 3}], indirect=True, ids=[""])


@missed_late
async def test_a_standby_answers_where_that_will_do(cluster, two):
    first, second = two
    mine = sorted(first.owned())
    keys = [key for key in KEYS if cluster.partition(key) in mine]
    await asyncio.sleep(0.2)  # the standbys follow
    await cluster.crash(first)
    answer = await second.last.query_answer(keys[0], stale=True)
    assert (answer.value, answer.owner, answer.lag) == (cluster.sent[keys[0]], False, 0)
    response = await second.get(f"/table/last/{keys[0]}", params={"stale": 1})
    assert response.headers["faust-source"] == "standby"
    with pytest.raises(QueryUnavailable):
        await second.last.query(keys[0], timeout=0.05)
    # The new owner answers as soon as it is one.
    answer = await second.last.query_answer(keys[0])
    assert (answer.value, answer.owner) == (cluster.sent[keys[0]], True)


async def test_the_lag_of_a_standby_is_told(cluster, two):
    first, second = two
    worker = second.app.worker
    task = next(t for t in worker.rebalancer.tasks.values() if t.state.value == "standby")
    key = next(key for key in KEYS if cluster.partition(key) == task.partition)
    await asyncio.sleep(0.2)
    await worker.restorer.release(task)  # it no longer follows
    for n in (100, 101):
        cluster.put(key, n)
        await cluster.processed()
        await first.app.commit()
    query = TableQuery("app", "last", (PartitionQuery(task.partition, (b'"%s"' % key.encode(),)),), stale=True)
    (answer,) = await worker.queries.local.answer(query)
    assert answer.values == (str(KEYS.index(key)).encode(),)
    assert not answer.owner
    assert answer.lag == 2
    assert await second.last.query(key) == 101


async def test_a_global_table_is_answered_by_any_worker(cluster, eventually):
    cluster.broker.create_topic("rates", 1)
    apps = []
    for name in ("w1", "w2"):
        app = App("rates", broker=cluster.broker.url, broker_client_id=name, broker_commit_interval=0.05, **TIMES)
        rates = app.GlobalTable("rates", key_type=str, value_type=int, partitions=1)

        @app.agent("rates", name="set")
        async def put(stream, rates=rates):
            async for name, rate in stream:
                rates[name] = rate

        apps.append((app, rates))
    async with apps[0][0], apps[1][0]:
        cluster.broker.append("rates", b'["eur", 2]', None, 0)
        for app, rates in apps:
            await eventually(lambda rates=rates: "eur" in rates)
            assert await rates.query("eur") == 2
            assert (await app.served.get_many("rates", ["eur"], QueryOptions())).items[0].value == b"2"


async def test_a_worker_cut_off_for_longer_than_its_session_answers_nothing(cluster, two, eventually):
    first, second = two
    key = next(key for key in KEYS if cluster.partition(key) in first.owned())
    cluster.broker.faults.cut("w1")
    await eventually(lambda: second.owned() == set(range(6)))
    assert cluster.partition(key) in first.owned()  # it does not know
    cluster.put(key, 1000)
    query = TableQuery("app", "last", (PartitionQuery(cluster.partition(key), (b'"%s"' % key.encode(),)),))
    (answer,) = await first.app.worker.queries.local.answer(query)
    assert answer.refusal == "out_of_touch"
    assert (await first.get("/ready")).json()["reason"] == "it has not reached its group for too long"
    with pytest.raises(QueryUnavailable, match="has not reached its group"):
        await first.last.query(key, timeout=0.1)
    async with asyncio.timeout(15):
        while await second.last.query(key) != 1000:  # noqa: ASYNC110  the agent moves on
            await asyncio.sleep(0.01)


@missed_late
async def test_while_a_partition_has_no_owner_the_reason_is_told(cluster, two):
    first, second = two
    key = next(key for key in KEYS if cluster.partition(key) in first.owned())
    await cluster.crash(first)
    response = await second.get(f"/table/last/{key}", params={"timeout": 0.05})
    assert response.status_code == 503
    assert response.json()["error"] == "unreachable"
    assert response.headers["retry-after"] == "1"


async def test_workers_that_serve_nothing_are_named_as_the_reason(cluster, eventually):
    first = await cluster.start("w1")
    second = await cluster.start("w2", web_enabled=False)
    await eventually(cluster.settled)
    for n, key in enumerate(KEYS):
        cluster.put(key, n)
    await cluster.processed()
    theirs = next(key for key in KEYS if cluster.partition(key) in second.owned())
    mine = next(key for key in KEYS if cluster.partition(key) in first.owned())
    assert await second.last.query(mine) == cluster.sent[mine]  # it may ask, all the same
    with pytest.raises(QueryUnavailable, match="serves no HTTP: install faust-web there") as refused:
        await first.last.query(theirs)
    assert refused.value.code == "no_endpoint"


async def test_another_applications_worker_refuses(cluster, two):
    query = TableQuery("other", "last", (PartitionQuery(0, (b'"a"',)),))
    (answer,) = await two[0].app.worker.queries.local.answer(query)
    assert answer.refusal == "other_application"


async def test_asking_before_the_application_runs_says_so(cluster):
    app = App("idle", broker=cluster.broker.url)
    table = app.Table("last")
    with pytest.raises(ConfigError, match="start it first"):
        await table.query("a")


@pytest.mark.parametrize("seed", range(3))
async def test_while_workers_come_go_and_crash_no_answer_is_wrong(cluster, eventually, seed):
    """Each key's number only grows.  What was committed never goes back, and nothing comes that was not sent.

    Under at least once it may go back, where a crash is between the changelog and the commit of the offsets.
    """
    rng = random.Random(seed)
    exactly_once = seed < 2
    options = {
        "table_standby_replicas": seed % 2,
        "query_timeout": 0.5,
        "processing_guarantee": "exactly_once" if exactly_once else "at_least_once",
    }
    await cluster.start("w0", **options)
    seen: dict[str, int] = {}
    counts = {"answered": 0, "unavailable": 0, "stale": 0}
    done = asyncio.Event()

    async def feed():
        n = 0
        while not done.is_set():
            n += 1
            cluster.put(rng.choice(KEYS), n)
            await asyncio.sleep(0.002)

    async def ask():
        while not done.is_set():
            worker = rng.choice(cluster.workers)
            key = rng.choice(KEYS)
            before = seen.get(key, 0)
            stale = rng.random() < 0.2
            try:
                answer = await worker.last.query_answer(key, committed=True, stale=stale)
                many = await worker.last.query_many(KEYS[:5], committed=True)
            except (QueryUnavailable, ConfigError):
                counts["unavailable"] += 1
                continue
            assert (answer.value or 0) <= cluster.sent.get(key, 0)
            if answer.owner:
                assert (answer.value or 0) >= before or not exactly_once, f"{key} went back"
                seen[key] = max(seen.get(key, 0), answer.value or 0)
            else:
                counts["stale"] += 1
            assert all(value <= cluster.sent[k] for k, value in many.items())
            counts["answered"] += 1
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(feed()), *(asyncio.create_task(ask()) for _ in range(4))]
    for step in range(1, 9):
        await asyncio.sleep(rng.random() * 0.3)
        if len(cluster.workers) < 3 and rng.random() < 0.6:
            await cluster.start(f"w{step}", **options)
        elif len(cluster.workers) > 1:
            worker = rng.choice(cluster.workers)
            await (cluster.crash(worker) if rng.random() < 0.5 else cluster.stop(worker))
        for task in tasks:
            if task.done():
                task.result()
    done.set()
    await asyncio.gather(*tasks)
    await cluster.processed()
    await eventually(cluster.settled)
    for worker in cluster.workers:
        # What is committed comes to the stores a moment later, and under exactly once is not seen before.
        for attempts_left in reversed(range(50)):
            found = await worker.last.query_many(KEYS, timeout=5)
            wrong = {key: (n, found.get(key)) for key, n in cluster.sent.items() if found.get(key) != n}
            if not wrong:
                break
            assert attempts_left, f"{worker.name} says {wrong}"
            await asyncio.sleep(0.1)
    assert counts["answered"] > 10, counts
