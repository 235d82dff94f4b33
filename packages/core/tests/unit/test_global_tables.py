"""Global tables: every worker has all partitions, restored before its agents begin, and follows them."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.errors import ConfigError, NotOwned, PartitionsMismatch
from faust_core.memory.store import MemoryBackend
from faust_core.registry import register_store


def rates_app(lab, worker="w1", **options):
    """`rates` changes a global table, `orders` reads it; they have 1 and 2 partitions."""
    lab.broker.create_topic("rates", 1)
    lab.broker.create_topic("orders", 2)
    app = lab.app(worker, **options)
    table = app.GlobalTable("rates", key_type=str, value_type=int, partitions=1)
    seen = app.seen = []

    @app.agent("rates", name="change")
    async def change(stream):
        async for name, rate in stream:
            if rate is None:
                table.pop(name, None)
            else:
                table[name] = rate

    @app.agent("orders", name="read")
    async def read(stream):
        async for name in stream:
            seen.append((name, table.get(name), len(table)))

    return app


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_every_worker_reads_what_one_of_them_writes(lab, eventually, guarantee):
    first, second = (rates_app(lab, name, processing_guarantee=guarantee) for name in ("w1", "w2"))
    async with first, second:
        lab.put("rates", ["eur", 2], ["usd", 3])
        await eventually(
            lambda: [dict(a.tables["rates"].items()) for a in (first, second)] == [{"eur": 2, "usd": 3}] * 2
        )
        lab.put("rates", ["eur", 5], ["usd", None])
        await eventually(lambda: [dict(a.tables["rates"].items()) for a in (first, second)] == [{"eur": 5}] * 2)
        lab.put("orders", "eur", partition=0)
        lab.put("orders", "eur", partition=1)
        await eventually(lambda: first.seen + second.seen == [("eur", 5, 1)] * 2)
        assert sum(len(a.tables["rates"].local_partitions) for a in (first, second)) == 1
    assert len(first.tables["rates"]) == 0


async def test_a_worker_has_all_of_it_before_its_first_event(lab, eventually):
    app = rates_app(lab)
    async with app:
        lab.put("rates", *([f"r{n}", n] for n in range(500)))
        await eventually(lambda: lab.committed("rates") == 500)
    lab.put("orders", "r499")
    again = rates_app(lab)
    recovered = []
    again.tables["rates"].on_recover(lambda: recovered.append(len(again.tables["rates"])))
    async with again:
        await eventually(lambda: again.seen)
    assert again.seen == [("r499", 499, 500)]
    assert recovered == [500]


async def test_the_owner_can_change_what_the_last_owner_wrote(lab, eventually):
    lab.put("in", "a", "a")

    def make(worker):
        app = lab.app(worker)
        table = app.GlobalTable("t", default=int)

        @app.agent("in", name="count")
        async def count(stream):
            async for key in stream:
                table[key] += 1

        return app

    for total in (2, 4, 6):
        app = make(f"w{total}")
        async with app:
            await eventually(lambda: lab.committed("in") == total)  # noqa: B023
            assert app.tables["t"]["a"] == total
        lab.put("in", "a", "a")
    assert lab.changelog("t") == {"a": 6}


async def test_ownership_moves_between_workers_that_both_follow(lab, eventually):
    lab.broker.create_topic("in", 4)

    def make(worker):
        app = lab.app(worker)
        table = app.GlobalTable("t", default=int)

        @app.agent("in", name="count")
        async def count(stream):
            async for key in stream:
                table[key] += 1

        return app

    first, second = make("w1"), make("w2")
    for partition in range(4):
        lab.put("in", *[f"k{partition}"] * 10, partition=partition)
    async with first:
        await eventually(lambda: sum(first.tables["t"].values()) == 40)
        async with second:
            await eventually(lambda: len(second.tables["t"].local_partitions) == 2)
            for partition in range(4):
                lab.put("in", *[f"k{partition}"] * 10, partition=partition)
            expected = {f"k{partition}": 20 for partition in range(4)}
            await eventually(lambda: dict(first.tables["t"].items()) == dict(second.tables["t"].items()) == expected)
        await eventually(lambda: len(first.tables["t"].local_partitions) == 4)
        for partition in range(4):
            lab.put("in", f"k{partition}", partition=partition)
        await eventually(lambda: dict(first.tables["t"].items()) == {f"k{n}": 21 for n in range(4)})
    assert lab.changelog("t") == {f"k{n}": 21 for n in range(4)}


async def test_an_agent_of_another_partition_count_may_not_change_it(lab, eventually):
    app = rates_app(lab)
    table = app.tables["rates"]

    @app.agent("orders", name="wrong", on_error="crash")
    async def wrong(stream):
        async for name in stream:
            table[name] = 1

    await app.start()
    lab.put("orders", "x")
    with pytest.raises(PartitionsMismatch, match="table 'rates' is not partitioned like"):
        await app.wait()
    with pytest.raises(PartitionsMismatch):
        await app.stop()


async def test_a_key_of_another_partition_is_not_deleted_silently(lab, eventually):
    lab.broker.create_topic("in", 2)
    app = lab.app()
    table = app.GlobalTable("t")
    errors = []

    @app.agent("in", on_error=lambda _agent, error: errors.append(error))
    async def agent(stream):
        async for key, op in stream:
            if op == "set":
                table[key] = 1
            else:
                del table[key]

    lab.put("in", ["a", "set"], partition=0)
    async with app:
        await eventually(lambda: "a" in table)
        lab.put("in", ["a", "del"], partition=1)
        await eventually(lambda: errors)
        assert isinstance(errors[0], NotOwned)
        assert "'a' in another partition than app-t-changelog/1" in str(errors[0])
        lab.put("in", ["a", "del"], partition=0)
        await eventually(lambda: "a" not in table)


async def test_a_changelog_of_another_application_can_be_followed(lab, eventually):
    writer = rates_app(lab)
    reader = lab.app("r", id="other")
    copy = reader.GlobalTable("copy", changelog_topic="app-rates-changelog", key_type=str, value_type=int)
    async with writer, reader:
        lab.put("rates", ["eur", 2])
        await eventually(lambda: dict(copy.items()) == {"eur": 2})
        assert (copy["eur"], "eur" in copy, "x" in copy) == (2, True, False)


class SharedBackend(MemoryBackend):
    shared = True


async def test_a_global_table_is_never_kept_in_a_store_that_workers_share(lab):
    register_store("shared", lambda _url, _context: SharedBackend())
    app = lab.app(store="shared://")
    app.GlobalTable("t", store="shared://")
    with pytest.raises(ConfigError, match="table 't' is global: every worker keeps a copy"):
        await app.start()
    app = rates_app(lab, store="shared://")
    async with app:
        assert app.worker.stores._backends.of("rates").shared is False


async def test_changes_that_are_taken_back_are_not_seen(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=30)
    table = app.GlobalTable("t", default=int)
    lab.put("in", "a")

    @app.agent("in")
    async def agent(stream):
        async for key in stream:
            table[key] += 1

    async with app:
        await eventually(lambda: table["a"] == 1)
        await app.worker.commits.rewind()
        await eventually(lambda: table["a"] == 1)
        await asyncio.sleep(0)
    assert lab.changelog("t") == {"a": 1}


def test_options_that_a_global_table_does_not_have(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="a global table is changed in the partition of the event"):
        app.GlobalTable("t", use_partitioner=True)
    assert app.GlobalTable("t", synchronize_all_active_partitions=True).is_global
