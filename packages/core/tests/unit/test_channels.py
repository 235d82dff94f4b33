"""Channels: queues in memory that streams and agents read."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.errors import ConfigError, PartitionsMismatch
from faust_core.events import Message
from faust_core.records import ConsumerRecord


async def read(stream, count):
    """The first values of a stream."""
    found = []
    async for value in stream:
        found.append(value)
        if len(found) == count:
            return found
    return found


async def test_a_channel_is_a_queue(lab):
    channel = lab.app().channel(value_type=int)
    assert channel.empty()
    await channel.put(1)
    sent = await channel.send(key="k", value=2, headers={"h": "v"}, timestamp=5.0)
    assert (await sent).offset == 1
    assert not channel.empty()
    first, second = await channel.get(), await channel.get(timeout=1)
    assert (first.value, first.key) == (1, None)
    assert (second.value, second.key, second.headers) == (2, "k", {"h": b"v"})
    assert second.message.timestamp == 5.0
    with pytest.raises(TimeoutError, match=r"channel-\d+: nothing was put within 0.01 s"):
        await channel.get(timeout=0.01)


async def test_each_reader_gets_everything_that_is_put_while_it_reads(lab):
    channel = lab.app().channel()
    await channel.put("early")
    one, two = channel.stream(), channel.stream()
    assert channel.subscriber_count == 2
    unused = channel.stream()
    for value in "ab":
        await channel.put(value)
    assert await read(one, 3) == ["early", "a", "b"]
    assert await read(two, 2) == ["a", "b"]
    with pytest.raises(ConfigError, match="nothing left for get"):
        await channel.get()
    del unused
    async with one, two:
        assert channel.subscriber_count == 2
    assert channel.subscriber_count == 0


async def test_a_value_is_handed_over_as_it_is(lab):
    channel = lab.app().channel()
    thing = object()
    stream = channel.stream()
    await channel.put(thing)
    assert await read(stream, 1) == [thing]


async def test_put_waits_while_a_reader_is_full(lab):
    channel = lab.app().channel(maxsize=2)
    fast, slow = channel.stream(), channel.stream()
    await channel.put(1)
    await channel.put(2)
    third = asyncio.create_task(channel.put(3))
    assert await read(fast, 2) == [1, 2]
    await asyncio.sleep(0.01)
    assert not third.done()
    assert await read(slow, 1) == [1]
    await asyncio.wait_for(third, 10)
    assert await read(fast, 1) == [3]


async def test_a_reader_that_is_gone_holds_nobody_up(lab):
    channel = lab.app().channel(maxsize=1)
    stream = channel.stream()
    await channel.put(1)
    second = asyncio.create_task(channel.put(2))
    await asyncio.sleep(0)
    del stream
    await asyncio.wait_for(second, 10)


async def test_operators_and_batches_work_as_with_topics(lab):
    channel = lab.app().channel()
    even = channel.stream().filter(lambda n: n % 2 == 0).map(str)
    batches = channel.stream().take(4, within=10)
    for n in range(4):
        await channel.send(key=n, value=n)
    assert await read(even, 2) == ["0", "2"]
    assert await anext(batches) == [0, 1, 2, 3]
    keys = channel.stream().items()
    await channel.send(key=("a", 1), value=9)
    assert await read(keys, 1) == [(("a", 1), 9)]


async def test_a_channel_yields_events_and_takes_them(lab):
    app = lab.app()
    channel, other = app.channel(), app.channel()
    events = aiter(channel)
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    await channel.send(key="k", value="v", headers={"h": "x"})
    event = await waiting
    await other.put(event)
    await event.forward(other, value="forwarded")
    copy, forwarded = await other.get(), await other.get()
    assert (copy.key, copy.value, copy.headers) == ("k", "v", {"h": b"x"})
    assert (forwarded.key, forwarded.value) == ("k", "forwarded")


async def test_an_error_can_be_thrown_into_the_readers(lab):
    channel = lab.app().channel()
    stream = channel.stream()
    await channel.throw(RuntimeError("enough"))
    with pytest.raises(RuntimeError, match="enough"):
        await read(stream, 1)


async def test_a_delivered_record_is_decoded(lab):
    channel = lab.app().channel(key_type=str, value_type=int)
    await channel.deliver(Message(ConsumerRecord("t", 0, 7, 1_000, b"k", b"42", (("h", b"v"),))))
    event = await channel.get()
    assert (event.key, event.value, event.headers, event.message.timestamp) == ("k", 42, {"h": b"v"}, 1.0)


async def test_clones_have_readers_of_their_own(lab):
    channel = lab.app().channel(value_type=int, maxsize=3)
    clone, derived = channel.clone(), channel.derive(maxsize=5)
    assert (clone.maxsize, clone.value_type, derived.maxsize) == (3, int, 5)
    await channel.put(1)
    assert clone.empty()
    with pytest.raises(ConfigError, match="no option size"):
        channel.derive(size=1)
    assert channel.derive_topic(topics=("t",)).topics == ("t",)


def test_what_a_channel_cannot_do_says_so(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="maxsize=0 must be at least 1"):
        app.channel(maxsize=0)
    with pytest.raises(TypeError, match="in memory: it has no topic"):
        app.channel().get_topic_name()
    with pytest.raises(ConfigError, match="isolated_partitions needs a topic"):
        app.agent(app.channel(), isolated_partitions=True)(print)
    with pytest.raises(ConfigError, match="partitions would have to be said of the channel itself"):
        app.agent(app.channel(), partitions=3)


# -- agents


async def test_an_agent_can_process_a_channel(lab, eventually):
    app = lab.app()
    channel = app.channel(value_type=int)
    seen = []

    @app.agent(channel, concurrency=2, sink=[seen.append])
    async def square(stream):
        async for value in stream:
            yield value * value

    await channel.put(1)
    async with app:
        await channel.put(2)
        assert await square.ask(3, timeout=5) == 9
        await eventually(lambda: sorted(seen) == [1, 4, 9])


async def test_an_agents_results_can_go_to_a_channel(lab, eventually):
    app = lab.app()
    channel = app.channel()

    @app.agent("in", sink=[channel])
    async def agent(stream):
        async for value in stream:
            yield value + 1

    lab.put("in", 1)
    async with app:
        assert (await channel.get(timeout=5)).value == 2


async def test_what_an_agent_fails_on_goes_to_the_dead_letter_topic(lab, eventually):
    app = lab.app()
    channel = app.channel()
    seen = []

    @app.agent(channel, name="picky")
    async def picky(stream):
        async for value in stream:
            if not isinstance(value, int):
                raise TypeError("no number")
            seen.append(value)

    async with app:
        for value in (1, "text", {2, 3}, object, 4):
            await channel.send(key="k", value=value)
        await eventually(lambda: seen == [1, 4])
    letters = lab.records("app-dead-letter")
    assert [letter.value for letter in letters] == [
        b'"text"',
        b"[2,3]",
        b"<class 'object'>",
    ]
    assert dict(letters[0].headers)["Faust-Error-Topic"] == str(channel).encode()


async def test_a_failed_value_is_tried_again_by_policy(lab, eventually):
    app = lab.app(on_error="retry")
    channel = app.channel()
    seen = []

    @app.agent(channel)
    async def agent(stream):
        async for value in stream:
            seen.append(value)
            if len(seen) == 1:
                raise ValueError("not yet")

    async with app:
        await channel.put(1)
        await channel.put(2)
        await eventually(lambda: seen == [1, 1, 2])


async def test_what_was_put_is_dealt_with_before_the_application_stops(lab, eventually):
    app = lab.app()
    channel = app.channel()
    seen = []

    @app.agent("in")
    async def first(stream):
        async for value in stream:
            await channel.put(value)

    @app.agent(channel)
    async def second(stream):
        async for value in stream:
            await asyncio.sleep(0.01)
            seen.append(value)
            await app.send("out", value=value)

    lab.put("in", *range(5))
    lab.broker.create_topic("out", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 5)
    assert seen == list(range(5)) == lab.values("out")


async def test_what_is_put_while_the_application_is_stopped_waits_for_its_next_start(lab, eventually):
    app = lab.app()
    channel = app.channel(maxsize=2)
    seen = []

    @app.agent(channel)
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    for value in range(3):
        async with app:
            assert channel.subscriber_count == 1
            await eventually(lambda: seen == list(range(value)))  # noqa: B023  it is awaited here
        assert channel.subscriber_count == 0
        await channel.put(value)


async def test_an_agent_that_is_cancelled_holds_nobody_up(lab, eventually):
    app = lab.app()
    channel = app.channel(maxsize=1)

    @app.agent(channel, concurrency=2)
    async def agent(stream):
        async for _ in stream:
            pass

    async with app:
        agent.cancel()
        await eventually(lambda: channel.subscriber_count == 0)
        await asyncio.wait_for(channel.put(1), 10)


async def test_a_channel_can_be_grouped_into_a_topic_and_change_tables_there(lab, eventually):
    app = lab.app()
    channel = app.channel()
    counts = app.Table("counts", default=int)

    @app.agent(channel)
    async def count(stream):
        async for word in stream.group_by(lambda word: word, name="word"):
            counts[word] += 1

    async with app:
        for word in ("a", "b", "a"):
            await channel.put(word)
        await eventually(lambda: lab.changelog("counts") == {"a": 2, "b": 1})


async def test_a_table_cannot_be_changed_from_a_channel(lab):
    app = lab.app(on_error="crash")
    channel = app.channel()
    table = app.Table("t", default=int)

    @app.agent("in")
    async def fills(stream):
        async for value in stream:
            table[value] += 1

    @app.agent(channel)
    async def agent(stream):
        async for value in stream:
            table[value] += 1

    await app.start()
    await channel.put("k")
    with pytest.raises(PartitionsMismatch, match="the values of a channel have no partition"):
        await app.wait()
    with pytest.raises(PartitionsMismatch):
        await app.stop()


async def test_a_task_can_iterate_a_channel(lab, eventually):
    app = lab.app()
    channel = app.channel()
    seen = []

    @app.task
    async def reads():
        async for value in app.stream(channel):
            seen.append(value)

    async with app:
        await eventually(lambda: channel.subscriber_count == 1)
        await channel.put(1)
        await eventually(lambda: seen == [1])
