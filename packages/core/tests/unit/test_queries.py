"""Questions to tables in one process: what is read, what is refused, what pages look like."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.engine import local_queries
from faust_core.errors import AnswerTooLarge, ConfigError, QueryError, QueryUnavailable
from faust_core.protocols.queries import PartitionQuery, QueryOptions, Scan, TableQuery
from faust_core.table_codec import TableCodec
from faust_core.tables.selection import select, up_to


def keeping_app(lab, **options):
    """`[key, value]` in, `table[key] = value`; a value of None deletes."""
    lab.broker.create_topic("in", 1)
    app = lab.app()
    table = app.Table("t", **options)

    @app.agent("in", name="keep")
    async def keep(stream):
        async for key, value in stream:
            key = tuple(key) if isinstance(key, list) else key
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value

    return app, table


async def keys_of(table, **criteria):
    return [key async for key, _ in table.query_items(**criteria)]


async def test_a_question_needs_no_http_where_the_key_is_here(lab, eventually):
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", ["a", 1], ["b", [2]])
        await eventually(lambda: len(table) == 2)
        assert app.worker.member.endpoint is None
        assert await table.query("b") == [2]
        assert await table.query_many(["a", "b", "c"]) == {"a": 1, "b": [2]}
        assert sorted(await keys_of(table)) == ["a", "b"]
        (await table.query("b")).append(3)
        assert table["b"] == [2]
    with pytest.raises(ConfigError, match="runs: start it first"):
        await table.query("a")


async def test_a_scan_sees_changes_over_what_is_stored(lab, eventually):
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", ["a", 1], ["b", 1], ["c", 1])
        await eventually(lambda: lab.committed("in") == 3)
        await app.commit()  # it is in the store as well
        async with app.worker.commits.committing:  # no checkpoint from here on
            lab.put("in", ["a", 2], ["b", None], ["bb", 2], ["d", 2])
            await eventually(lambda: "d" in table)
            assert [item async for item in table.query_items()] == [("a", 2), ("bb", 2), ("c", 1), ("d", 2)]
            assert await keys_of(table, prefix="b") == ["bb"]
            assert [item async for item in table.query_items(committed=True)] == [("a", 1), ("b", 1), ("c", 1)]
            pages, cursor = [], None
            while True:
                page = await table.query_page(limit=1, after=cursor)
                pages += page.items
                cursor = page.cursor
                if cursor is None:
                    break
            assert pages == [("a", 2), ("bb", 2), ("c", 1), ("d", 2)]
            assert await table.query("a", committed=True) == 1
            with pytest.raises(KeyError):
                await table.query("b")
            assert await table.query("b", committed=True) == 1


async def test_a_scan_that_finds_little_comes_back_before_it_has_seen_all(lab, eventually, monkeypatch):
    monkeypatch.setattr(local_queries, "MAX_SCANNED", 10)
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", *([n, n] for n in range(100)))
        await eventually(lambda: lab.committed("in") == 100)
        await app.commit()  # it is in the store as well
        page = await table.query_page(start=40, end=42)
        assert page.cursor is not None
        assert sorted(await keys_of(table, start=40, end=42)) == [40, 41]


async def test_keys_of_all_kinds_have_prefixes_and_ranges(lab, eventually):
    app, table = keeping_app(lab)
    keys = [
        "",
        " a",
        "!",
        "a",
        "ab",
        'a"',
        "a\\",
        "ä",
        "é",
        "日本",
        "日",
        "\U0001f600",
        1,
        2,
        10,
        ["x", 1],
        ["x", 2],
        ["y", 1],
    ]
    async with app:
        lab.put("in", *([key, 1] for key in keys))
        await eventually(lambda: len(table) == len(keys))
        everything = [tuple(key) if isinstance(key, list) else key for key in keys]
        texts = [key for key in everything if isinstance(key, str)]
        for prefix in ("", "a", "ä", "日", 'a"', " ", "\U0001f600"):
            assert sorted(await keys_of(table, prefix=prefix)) == sorted(k for k in texts if k.startswith(prefix))
        assert sorted(await keys_of(table, prefix=("x",))) == [("x", 1), ("x", 2)]
        for start, end in [("", "b"), ("a", "ab"), ("a", "ä"), ("日", "日本"), ("ä", "é"), ("b", "a")]:
            assert sorted(await keys_of(table, start=start, end=end)) == sorted(k for k in texts if start <= k < end)
        assert sorted(await keys_of(table, start=2)) == [2, 10]
        assert sorted(await keys_of(table, end=("x", 2))) == [("x", 1)]
        assert sorted(await keys_of(table, prefix="a", end="ab")) == ["a", 'a"', "a\\"]
        with pytest.raises(QueryError, match="a prefix is text"):
            await keys_of(table, prefix=5)


@given(
    keys=st.lists(st.text(max_size=4)),
    start=st.none() | st.text(max_size=3),
    end=st.none() | st.text(max_size=3),
    prefix=st.none() | st.text(max_size=2),
    serializer=st.sampled_from(["json", "raw"]),
)
def test_the_bounds_for_the_store_never_leave_out_what_matches(keys, start, end, prefix, serializer):
    given_ = {"start": start, "end": end, "prefix": prefix}
    if any("\ud800" <= c <= "\udfff" for text in [*keys, *filter(None, given_.values())] for c in text):
        return
    codec = TableCodec("t", (serializer, str), ("json", None))
    criteria = {name: codec.encode_key(text) for name, text in given_.items() if text is not None}
    rows = select(codec, serializer, criteria)
    for key in keys:
        wanted = (
            (start is None or start <= key)
            and (end is None or key < end)
            and (prefix is None or key.startswith(prefix))
        )
        data = codec.encode_key(key)
        inside = rows.first <= data and (rows.last is None or data < rows.last)
        assert (rows.matches is None or rows.matches(key)) == wanted
        assert inside or not wanted


def test_the_end_of_a_prefix():
    assert up_to(b"ab") == b"ac"
    assert up_to(b"a\xff\xff") == b"b"
    assert up_to(b"\xff") is None
    assert up_to(b"") is None


async def test_what_is_no_key_of_the_table_is_refused(lab, eventually):
    app, table = keeping_app(lab, key_type=int)
    async with app:
        for wrong in ("a", None, 1.5, object(), [1]):
            with pytest.raises(QueryError, match="is no key of table 't'"):
                await table.query(wrong)
        with pytest.raises(QueryError, match="partitions 0 to 0, not 1"):
            await table.query(1, partition=1)
        for timeout in (0, -1, 10_000, float("nan")):
            with pytest.raises(QueryError, match="a time-out is more than 0"):
                await table.query(1, timeout=timeout)
        for limit in (0, -1, 10_001):
            with pytest.raises(QueryError, match="1 to 10000 items"):
                await table.query_page(limit=limit)
        for cursor in ("", "x", "ä", "OTk6", "LTE6", "MDs" * 3 + "="):
            with pytest.raises(QueryError, match="is no cursor"):
                await table.query_page(after=cursor)
        with pytest.raises(QueryError, match="more than the 10000"):
            await table.query_many(range(10_001))


async def test_an_answer_that_would_be_too_large_is_refused(lab, eventually):
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", *([f"k{n}", "x" * 1000] for n in range(10)))
        await eventually(lambda: len(table) == 10)
        keys = tuple(b'"k%d"' % n for n in range(10))
        with pytest.raises(AnswerTooLarge, match="10 keys of table 't' are more than 5000 bytes"):
            await app.worker.queries.local.answer(TableQuery("app", "t", (PartitionQuery(0, keys),), max_bytes=5000))


async def test_reading_does_not_hold_the_event_loop_up(lab, eventually):
    """A store that takes its time is read on a thread."""
    import time

    app, table = keeping_app(lab)
    async with app:
        lab.put("in", ["a", 1])
        await eventually(lambda: lab.committed("in") == 1)
        await app.commit()  # it is in the store as well
        part = table.copy_of(0)
        inner, entered = part.store, asyncio.Event()
        loop = asyncio.get_running_loop()

        class Slow:
            def __getattr__(self, name):
                return getattr(inner, name)

            def get_many(self, keys):
                loop.call_soon_threadsafe(entered.set)
                time.sleep(0.3)
                return inner.get_many(keys)

        part.store = Slow()
        try:
            asking = asyncio.create_task(table.query("a"))
            await entered.wait()
            assert not asking.done()
            assert await asking == 1
        finally:
            part.store = inner


async def test_a_partition_that_moves_while_it_is_read_is_not_answered_for(lab, eventually):
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", ["a", 1])
        await eventually(lambda: lab.committed("in") == 1)
        await app.commit()  # it is in the store as well
        part = table.copy_of(0)
        inner = part.store
        loop = asyncio.get_running_loop()

        class Moving:
            def __getattr__(self, name):
                return getattr(inner, name)

            def get_many(self, keys):
                values = inner.get_many(keys)
                asyncio.run_coroutine_threadsafe(give_up(), loop).result()
                return values

        async def give_up():
            app.worker.rebalancer.stop_all()

        part.store = Moving()
        (answer,) = await app.worker.queries.local.answer(TableQuery("app", "t", (PartitionQuery(0, (b'"a"',)),)))
        part.store = inner
        assert answer.refusal == "not_owner"
        assert answer.values == ()
        with pytest.raises(QueryUnavailable):
            await table.query("a", timeout=0.05)


async def test_a_worker_that_restores_answers_when_it_is_done(lab, eventually):
    app, table = keeping_app(lab)
    async with app:
        lab.put("in", *([f"k{n}", n] for n in range(50)))
        await eventually(lambda: lab.committed("in") == 50)
    again, table = keeping_app(lab)
    starting = asyncio.create_task(again.start())
    answers = []
    while not starting.done():
        try:
            answers.append(await table.query("k7", timeout=0.02))
        except (ConfigError, QueryUnavailable) as exc:
            answers.append(type(exc).__name__)
        await asyncio.sleep(0)
    await starting
    assert {a for a in answers if a != 7} <= {"ConfigError", "QueryUnavailable"}
    assert await table.query("k7") == 7
    await again.stop()


async def test_a_scan_of_another_worker_is_answered_by_its_criteria_alone(lab, eventually):
    app, _ = keeping_app(lab)
    async with app:
        lab.put("in", ["a", 1], ["b", 2])
        await eventually(lambda: lab.committed("in") == 2)
        ask = app.worker.queries.local.answer
        scan = Scan({"prefix": b'"b"'}, None, 10)
        (answer,) = await ask(TableQuery("app", "t", (PartitionQuery(0, scan=scan),)))
        assert answer.rows == ((b'"b"', b"2"),)
        with pytest.raises(QueryError, match="not by colour"):
            await ask(TableQuery("app", "t", (PartitionQuery(0, scan=Scan({"colour": b"1"})),)))
        with pytest.raises(QueryError):
            await ask(TableQuery("app", "t", (PartitionQuery(0, scan=Scan({"prefix": b"{"})),)))
        (answer,) = await ask(TableQuery("app", "t", (PartitionQuery(99, (b'"a"',)),)))
        assert answer.refusal == "not_owner"


async def test_windowed_tables_and_sets_refuse_what_they_cannot_answer(lab, eventually):
    lab.broker.create_topic("in", 1)
    app = lab.app()
    hours = app.Table("hours", default=int).tumbling(3600)
    groups = app.SetTable("groups", key_type=str)

    @app.agent("in")
    async def keep(stream):
        async for key in stream:
            hours[key] += 1
            groups[key].add(1)

    async with app:
        with pytest.raises(QueryError, match="is no time"):
            await hours.query("a", at="noon")
        with pytest.raises(QueryError, match="ask it by key and time"):
            await keys_of(hours.table, prefix=("a", (0.0, 1.0)))
        with pytest.raises(QueryError, match="has sets: ask it by key"):
            groups.query_page()
        with pytest.raises(QueryError, match="is no key of table 'groups'"):
            await groups.query(5)
        with pytest.raises(QueryError, match="has sets"):
            await app.served.page("groups", {}, 10, None, QueryOptions())
        assert await groups.query("nobody") == set()


async def test_sessions_and_sliding_windows_are_found_by_time(lab, eventually):
    lab.broker.create_topic("in", 1)
    app = lab.app()
    visits = app.Table("visits", default=int).session(10, 3600)
    recent = app.Table("recent", default=int).sliding(5, 0, 3600)
    hops = app.Table("hops", default=int).hopping(10, 5, 3600)

    @app.agent("in")
    async def keep(stream):
        async for key in stream:
            visits[key] += 1
            recent[key] += 1
            hops[key] += 1

    async with app:
        for second in (1000, 1004, 1008, 1030):
            lab.put("in", "a", timestamp_ms=second * 1000)
        lab.put("in", "b", timestamp_ms=1_030_000)
        await eventually(lambda: lab.committed("in") == 5)
        await app.commit()  # it is in the store as well
        for committed in (True, False):
            assert await visits.query("a", at=1005, committed=committed) == 3
            assert await visits.query("a", at=1018, committed=committed) == 3
            assert await visits.query("a", at=1019, committed=committed) == 0
            assert await visits.query_windows("a", 1001, 1040, committed=committed) == {
                (1000.0, 1008.0): 3,
                (1030.0, 1030.0): 1,
            }
            assert await visits.query_windows("a", 1009, 1030, committed=committed) == {}
            assert await recent.query("a", at=1008, committed=committed) == 2
            assert await recent.query("a", at=1005, committed=committed) == 2
            assert await recent.query("a", at=1020, committed=committed) == 0
            with pytest.raises(QueryError, match="ask for one of them"):
                await recent.query_windows("a", 1000, 1040)
            found = await hops.query_windows("a", 1000, 1010, committed=committed)
            assert {start: n for (start, _), n in found.items()} == {995.0: 2, 1000.0: 3, 1005.0: 1}
            assert await hops.query("a", at=1004, committed=committed) == 3
            keys = {key for key, _ in (await visits.table.query_page(committed=committed)).items}
            assert keys == {("a", (1000.0, 1008.0)), ("a", (1030.0, 1030.0)), ("b", (1030.0, 1030.0))}
        answer = await app.served.windows("recent", "a", 1008.0, None, QueryOptions())
        assert [(item.value, item.window) for item in answer.items] == [(b"2", (1003.0, 1008.0))]


async def test_a_worker_that_stops_refuses_questions_and_cancels_nobody(lab, eventually):
    app, _ = keeping_app(lab)
    async with app:
        lab.put("in", *([f"k{n}", n] for n in range(100)))
        await eventually(lambda: lab.committed("in") == 100)
        await app.commit()  # it is in the store as well
        local = app.worker.queries.local
        query = TableQuery("app", "t", (PartitionQuery(0, tuple(b'"k%d"' % n for n in range(100))),))
        asking = [asyncio.create_task(local.answer(query)) for _ in range(50)]
        await asyncio.sleep(0)
        local.close()
        answers = [answer for task in asking for answer in await task]
        assert {answer.refusal for answer in answers} <= {None, "moved"}
        ((late,),) = [await local.answer(query)]
        assert late.refusal == "moved"
