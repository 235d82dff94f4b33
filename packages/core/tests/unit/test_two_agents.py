"""Several agents on one topic: each goes on where it was, after crashes, restarts and aborted transactions."""

from __future__ import annotations

import asyncio
import json

import pytest

from faust_core.errors import NoteRefused
from faust_core.memory import MemoryTransport
from faust_core.registry import register_transport

GUARANTEES = ["at_least_once", "exactly_once"]
COUNT = 40


class Pair:
    """An agent that is fast and one that is not done with anything until it may be."""

    def __init__(self, lab, eventually):
        self.lab = lab
        self.eventually = eventually
        self.slow_may = asyncio.Event()

    def app(self, worker="w1", *, fast="fast", slow="slow", concurrency=1, **options):
        app = self.lab.app(worker, consumer_group_instance_id="one", **options)
        counts = app.Table("counts", default=int)
        out, slowly = app.topic("out"), app.topic("slowly")
        if fast:

            @app.agent("in", name=fast, **options.get("agent", {}))
            async def fast_agent(stream):
                async for value in stream:
                    counts["n"] += 1
                    await out.send(value=value)

        if slow:

            @app.agent("in", name=slow, concurrency=concurrency)
            async def slow_agent(stream):
                async for value in stream:
                    await self.slow_may.wait()
                    await slowly.send(value=value)

        return app

    def note(self):
        """What stands with the committed offset."""
        notes = [note for (topic, _), note in self.lab.broker.group("app").notes.items() if topic == "in"]
        return json.loads(notes[0])["done"] if notes and notes[0] else {}

    async def apart(self, app, fast="fast"):
        """Have the fast one do everything while the slow one is at its first event, then kill the worker."""
        self.lab.put("in", *range(COUNT))
        await app.start()
        await self.eventually(lambda: self.note() == {fast: [COUNT]})
        assert self.lab.committed("in") == 0

    async def crash(self, app):
        self.lab.crash(app)
        await self.lab.crashed(app)


@pytest.fixture(autouse=True)
def pair(lab, eventually):
    for topic in ("out", "slowly", "grouped"):
        lab.broker.create_topic(topic, 1)
    pair = Pair(lab, eventually)
    yield pair
    pair.slow_may.set()


@pytest.mark.parametrize("at_once", [1, 7, 1000])
async def test_a_crash_repeats_of_each_agent_only_what_it_had_not_done(lab, pair, eventually, monkeypatch, at_once):
    monkeypatch.setattr("faust_core.engine.fetch.MAX_POLL_RECORDS", at_once)
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    pair.slow_may.set()
    lab.put("in", "more")
    async with pair.app("w2") as app:
        await eventually(lambda: lab.committed("in") == COUNT + 1)
        assert app.tables["counts"]["n"] == COUNT + 1
    assert lab.values("out") == [*range(COUNT), "more"]
    assert lab.values("slowly") == [*range(COUNT), "more"]
    assert pair.note() == {}


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("step", ["staging", "flushed", "committed", "applied"])
async def test_exactly_once_holds_for_agents_that_are_apart(lab, eventually, step, concurrency):
    def make(worker):
        app = lab.app(
            worker,
            processing_guarantee="exactly_once",
            broker_commit_interval=0.02,
            consumer_group_instance_id="one",
        )
        counts = app.Table("counts", default=int)
        out, grouped = app.topic("out"), app.topic("grouped")

        @app.agent("in", name="fast")
        async def fast(stream):
            async for value in stream:
                counts["fast"] += 1
                await out.send(value=["fast", value])

        @app.agent("in", name="slow", concurrency=concurrency)
        async def slow(stream):
            async for value in stream:
                await asyncio.sleep(0.005 * (value % 3))
                counts["slow"] += 1
                await out.send(value=["slow", value])

        @app.agent("in", name="group")
        async def group(stream):
            async for value in stream.group_by(lambda value: str(value % 2), name="parity"):
                await grouped.send(value=value)

        return app

    app = make("w1")
    lab.put("in", *range(COUNT))
    await app.start()
    lab.crash_at(app, step, nth=4)
    await lab.crashed(app)
    async with make("w2") as app:
        await eventually(lambda: lab.committed("in") == COUNT)
        await eventually(lambda: len(lab.values("grouped")) == COUNT)
        assert dict(app.tables["counts"].items()) == {"fast": COUNT, "slow": COUNT}
    expected = sorted([[who, n] for who in ("fast", "slow") for n in range(COUNT)])
    assert sorted(lab.values("out")) == expected
    assert sorted(lab.values("grouped")) == list(range(COUNT))


async def test_an_aborted_transaction_takes_each_agent_back_to_where_it_was(lab, eventually):
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=0.02)
    out = app.topic("out")

    @app.agent("in")
    async def fast(stream):
        async for value in stream:
            await out.send(value=["fast", value])

    @app.agent("in")
    async def slow(stream):
        async for value in stream:
            await asyncio.sleep(0.005)
            await out.send(value=["slow", value])

    lab.put("in", *range(COUNT))
    async with app:
        for nth in (2, 6, 12):
            await eventually(lambda nth=nth: (lab.committed("in") or 0) >= nth)
            lab.broker.faults.abort_transactions(1)
        await eventually(lambda: lab.committed("in") == COUNT)
    assert sorted(lab.values("out")) == sorted([[who, n] for who in ("fast", "slow") for n in range(COUNT)])


async def test_a_commit_in_doubt_that_moved_only_the_note_is_decided_by_the_note(lab, pair, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.checkpoint.CUT_PATIENCE_S", 0.02)
    app = lab.app(processing_guarantee="exactly_once", broker_commit_interval=0.02)
    counts, out = app.Table("counts", default=int), app.topic("out")

    @app.agent("in", name="fast")
    async def fast(stream):
        async for value in stream:
            counts["n"] += 1
            await out.send(value=value)

    @app.agent("in", name="slow")
    async def slow(stream):
        async for _ in stream.noack().events():
            pass

    async with app:
        for number, applied in enumerate([None, True, False, True, True, False]):
            if applied is not None:
                lab.broker.faults.lose_commit_answers(1, applied=applied)
            lab.put("in", number)
            await eventually(lambda number=number: pair.note() == {"fast": [number + 1]})
            await eventually(lambda number=number: counts["n"] == number + 1)
        await app.commit()
        assert lab.changelog("counts") == {"n": 6}
    assert lab.values("out") == list(range(6))
    assert lab.committed("in") == 0


async def test_a_restart_in_good_order_repeats_nothing(lab, pair, eventually):
    app = pair.app(shutdown_timeout=0.3)
    await pair.apart(app)
    await app.stop()
    pair.slow_may.set()
    async with pair.app("w2"):
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == list(range(COUNT))


async def test_an_agent_that_is_new_begins_at_the_committed_offset(lab, pair, eventually):
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    pair.slow_may.set()
    app = pair.app("w2")
    seen = []

    @app.agent("in", name="new")
    async def new(stream):
        async for value in stream:
            seen.append(value)

    async with app:
        await eventually(lambda: lab.committed("in") == COUNT)
    assert seen == list(range(COUNT))
    assert lab.values("out") == list(range(COUNT))


async def test_an_agent_that_is_gone_holds_nothing_back_and_the_others_repeat_nothing(lab, pair, eventually):
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    async with pair.app("w2", slow=None):
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == list(range(COUNT))


async def test_an_agent_that_was_away_for_a_while_repeats_nothing(lab, pair, eventually):
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    app = pair.app("w2", fast=None)
    async with app:
        lab.put("in", "more")
        await app.commit()
        await pair.crash(app)
    assert pair.note() == {"fast": [COUNT]}
    pair.slow_may.set()
    async with pair.app("w3"):
        await eventually(lambda: lab.committed("in") == COUNT + 1)
    assert lab.values("out") == [*range(COUNT), "more"]


async def test_an_agent_with_another_name_is_another_agent(lab, pair, eventually):
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    pair.slow_may.set()
    async with pair.app("w2", fast="renamed"):
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == [*range(COUNT), *range(COUNT)]


async def test_events_that_were_done_out_of_order_are_not_repeated(lab, pair, eventually):
    waiting = []

    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one")
        out = app.topic("out")

        @app.agent("in", concurrency=3)
        async def agent(stream):
            async for value in stream:
                if value in (0, 3) and len(waiting) < 2:
                    waiting.append(value)
                    await asyncio.Event().wait()
                await out.send(value=value)

        return app

    app = make("w1")
    lab.put("in", *range(10))
    await app.start()
    await eventually(lambda: [0, 1, 3, 4, 10] in pair.note().values())
    await pair.crash(app)
    async with make("w2"):
        await eventually(lambda: lab.committed("in") == 10)
    assert sorted(lab.values("out")) == list(range(10))


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_what_was_acknowledged_out_of_order_does_not_come_again(lab, pair, eventually, guarantee, monkeypatch):
    monkeypatch.setattr("faust_core.engine.checkpoint.CUT_PATIENCE_S", 0.1)
    seen: list[list[int]] = []

    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one", processing_guarantee=guarantee)
        seen.append([])

        @app.agent("in", name="agent")
        async def agent(stream):
            async for event in stream.noack().events():
                seen[-1].append(event.value)
                if event.value not in (2, 5) or len(seen) > 1:
                    event.ack()

        return app

    app = make("w1")
    lab.put("in", *range(8))
    await app.start()
    await eventually(lambda: pair.note() == {"agent": [0, 1, 3, 4, 6]})
    await pair.crash(app)
    async with make("w2"):
        await eventually(lambda: lab.committed("in") == 8)
    assert seen == [list(range(8)), [2, 5]]


async def test_partitions_of_isolated_agents_go_on_where_they_were(lab, pair, eventually):
    lab.broker.create_topic("in", 2)

    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one", topic_partitions=2)
        out = app.topic("out")

        @app.agent("in", isolated_partitions=True, name="alone")
        async def alone(stream):
            async for value in stream:
                await out.send(value=value)

        @app.agent("in", name="slow")
        async def slow(stream):
            async for _ in stream:
                await pair.slow_may.wait()

        return app

    app = make("w1")
    for partition in (0, 1):
        lab.put("in", *range(5), partition=partition)
    await app.start()
    await eventually(lambda: sum("alone" in note for note in lab.broker.group("app").notes.values()) == 2)
    await eventually(lambda: all("[5]" in note for note in lab.broker.group("app").notes.values() if "alone" in note))
    await pair.crash(app)
    pair.slow_may.set()
    async with make("w2"):
        await eventually(lambda: lab.committed("in", 0) == lab.committed("in", 1) == 5)
    assert sorted(lab.values("out")) == sorted([*range(5), *range(5)])


async def test_a_record_attached_to_an_event_is_sent_once_though_another_agent_is_behind(lab, pair, eventually):
    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one")

        @app.agent("in", name="fast")
        async def fast(stream):
            async for event in stream.events():
                event.attach("out", value=event.value)

        @app.agent("in", name="slow")
        async def slow(stream):
            async for _ in stream:
                await pair.slow_may.wait()

        return app

    app = make("w1")
    await pair.apart(app)
    assert lab.values("out") == list(range(COUNT))
    await pair.crash(app)
    pair.slow_may.set()
    async with make("w2"):
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == list(range(COUNT))


async def test_a_stream_that_is_never_committed_has_no_place_in_the_note(lab, pair, eventually):
    app = pair.app()
    seen = []

    @app.agent(app.topic("in", acks=False), name="looks on")
    async def looks_on(stream):
        async for value in stream:
            seen.append(value)

    await pair.apart(app)
    assert seen == list(range(COUNT))
    pair.slow_may.set()
    await app.stop()


async def test_streams_of_one_function_go_on_where_the_last_of_them_was(lab, pair, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.streams.OPEN_S", 0.2)  # nobody reads the agent's own
    seen: dict[str, list[int]] = {"one": [], "two": []}

    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one")

        @app.agent("other", name="reader")
        async def reader(stream):
            async def read(name):
                async for value in app.topic("in").stream():
                    if name == "two":
                        await pair.slow_may.wait()
                    seen[name].append(value)

            await asyncio.gather(read("one"), read("two"))

        return app

    app = make("w1")
    lab.put("other", 1)
    lab.put("in", *range(5))
    await app.start()
    await eventually(lambda: seen["one"] == list(range(5)))
    await pair.crash(app)
    pair.slow_may.set()
    async with make("w2"):
        await eventually(lambda: seen["two"][-5:] == list(range(5)))
    # Which of them is which is not known: none misses anything.
    assert set(seen["one"]) == set(seen["two"]) == set(range(5))


async def test_a_topic_joined_with_itself_repeats_neither_side(lab, pair, eventually):
    def make(worker):
        app = lab.app(worker, consumer_group_instance_id="one", processing_guarantee="exactly_once")
        out = app.topic("out")

        @app.agent("other", name="joins")
        async def joins(_stream):
            both = app.topic("in").stream() & app.topic("in").stream()
            async for value in both:
                await asyncio.sleep(0.002)
                await out.send(value=value)

        return app

    lab.put("other", 1)
    lab.put("in", *range(COUNT))
    app = make("w1")
    await app.start()
    lab.crash_at(app, "applied", nth=3)
    await lab.crashed(app)
    async with make("w2"):
        await eventually(lambda: len(lab.values("out")) >= 2 * COUNT)
        await eventually(lambda: lab.committed("in") == COUNT)
    assert sorted(lab.values("out")) == sorted([*range(COUNT), *range(COUNT)])


@pytest.mark.parametrize("note", ["", "somebody's", '{"v":1,"at":3,"done":{"fast":[30]}}'])
async def test_an_offset_without_a_note_of_its_own_is_where_all_begin(lab, pair, eventually, note):
    lab.put("in", *range(COUNT))
    group = lab.broker.group("app")
    tp = next(log.tp for log in lab.broker.topics["in"].logs)
    group.offsets[tp], group.notes[tp] = 10, note
    pair.slow_may.set()
    async with pair.app():
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == list(range(10, COUNT))
    assert lab.values("slowly") == list(range(10, COUNT))


async def test_a_note_of_records_that_are_gone_is_ignored_and_said(lab, pair, eventually, caplog):
    app = pair.app()
    await pair.apart(app)
    await pair.crash(app)
    pair.slow_may.set()
    lab.broker.delete_topic("in")
    lab.put("in", *range(100, 105))
    async with pair.app("w2"):
        await eventually(lambda: lab.committed("in") == 5)
    assert lab.values("out") == [*range(COUNT), *range(100, 105)]
    assert any("in/0 ends at 5, before what streams had done of it (40)" in line for line in caplog.messages)


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_transport_without_notes_works_as_before_and_exactly_once_says_what_it_lacks(
    lab, pair, eventually, guarantee, caplog
):
    register_transport("noteless", lambda _url, context: NotelessTransport(lab.broker, context))
    app = pair.app(broker="noteless://", processing_guarantee=guarantee)
    pair.slow_may.set()
    lab.put("in", *range(COUNT))
    async with app:
        await eventually(lambda: lab.committed("in") == COUNT)
    assert lab.values("out") == lab.values("slowly") == list(range(COUNT))
    assert not pair.note()
    app = pair.app("w2", broker="noteless://", processing_guarantee=guarantee, concurrency=2)
    held = []

    @app.agent("in", name="holds")
    async def holds(stream):
        async for event in stream.noack().events():
            held.append(event)

    lab.put("in", "more")
    async with app:
        await eventually(lambda: lab.values("out")[-1] == "more")
        await eventually(lambda: said(caplog) or guarantee == "at_least_once")
    assert len(said(caplog)) == (guarantee == "exactly_once")
    assert all("in/0" in line and "keeps no notes" in line and "fast" in line for line in said(caplog))


def said(caplog):
    return [line for line in caplog.messages if "may repeat" in line]


async def test_at_least_once_goes_on_without_notes_where_the_broker_takes_none(lab, pair, eventually, caplog):
    lab.broker.max_note_bytes = 10
    app = pair.app()
    lab.put("in", *range(COUNT))
    async with app:
        await eventually(lambda: any("Going on without notes" in line for line in caplog.messages))
        pair.slow_may.set()
        await eventually(lambda: lab.committed("in") == COUNT)


async def test_exactly_once_ends_with_the_reason_where_the_broker_takes_no_notes(lab, eventually):
    lab.broker.max_note_bytes = 10
    app = lab.app(processing_guarantee="exactly_once")

    @app.agent("in")
    async def fast(stream):
        async for _ in stream:
            pass

    @app.agent("in")
    async def slow(stream):
        async for _ in stream:
            await asyncio.sleep(0.02)

    lab.put("in", *range(COUNT))
    with pytest.raises(NoteRefused, match="max_note_bytes is 10"):
        async with app:
            await app.wait()


class NotelessMembership:
    """A membership as the protocol demands, and nothing beyond."""

    def __init__(self, inner):
        self._inner = inner
        self.join, self.rejoin, self.metadata = inner.join, inner.rejoin, inner.metadata
        self.committed, self.commit, self.leave = inner.committed, inner.commit, inner.leave


class NotelessTransport(MemoryTransport):
    def membership(self, group_id, protocol, /):
        return NotelessMembership(super().membership(group_id, protocol))
