"""Topics: how they are described, sent to, found and made."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from faust_core.errors import ConfigError, TopicMissing
from tests.services.patience import PATIENCE

# -- sending


async def test_awaiting_twice_tells_the_offset(lab):
    app = lab.app()
    topic = app.topic("out")
    lab.broker.create_topic("out", 1)
    async with app:
        assert (await (await topic.send(value=1))).offset == 0
        await topic.send(value=2)
        sent = [await topic.send(value=n) for n in range(3)]
        assert [m.offset for m in await asyncio.gather(*sent)] == [2, 3, 4]
        task = asyncio.create_task(topic.send(value=5))
        assert (await (await task)).offset == 5


async def test_a_result_that_is_dropped_asks_for_no_report(lab):
    app = lab.app()
    topic = app.topic("out")
    lab.broker.create_topic("out", 1)
    asked = []
    async with app:
        producer = app.active_producer
        send = producer.send

        def noted(*args):
            asked.append(args[-1] is not None)
            send(*args)

        producer.send = noted
        await topic.send(value=1)
        kept = await topic.send(value=2)
        if True:
            await topic.send(value=3)
        await kept
        await app.send(topic, value=4)
    assert asked[:3] == [False, True, False]


async def test_one_record_may_have_other_codecs(lab):
    app = lab.app()
    topic = app.topic("out", value_serializer="json")
    lab.broker.create_topic("out", 1)
    async with app:
        await topic.send(key="k", value="text", key_serializer="json", value_serializer="raw")
        topic.send_soon(value="text", value_serializer="raw")
        await topic.send(value="text")
    assert [(r.key, r.value) for r in lab.records("out")] == [
        (b'"k"', b"text"),
        (None, b"text"),
        (None, b'"text"'),
    ]


async def test_an_event_is_forwarded_as_it_is_and_sent_anew(lab, eventually):
    app = lab.app(key_serializer="json")

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            assert event.app is app
            assert event.message.serialized_key_size == 3
            assert event.message.serialized_value_size == len(b'{"a":  1}')
            await event.forward("as-it-is")
            await event.forward("changed", key=None, value=b"v", headers={"x": "y"}, timestamp=2)
            metadata = await (await event.send("anew", timestamp=3))
            assert metadata.offset == 0

    lab.put("in", b'{"a":  1}', key='"k"', headers=[("h", b"1")])
    for name in ("as-it-is", "changed", "anew"):
        lab.broker.create_topic(name, 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    [same], [changed], [anew] = lab.records("as-it-is"), lab.records("changed"), lab.records("anew")
    assert (same.key, same.value, list(same.headers)) == (b'"k"', b'{"a":  1}', [("h", b"1")])
    assert (changed.key, changed.value, list(changed.headers)) == (None, b"v", [("x", b"y")])
    assert (anew.key, anew.value, list(anew.headers), anew.timestamp_ms) == (b'"k"', b'{"a":1}', [("h", b"1")], 3000)


# -- sent when the event is done


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_with_publish_on_commit_a_failed_event_sends_nothing(lab, eventually, guarantee):
    app = lab.app(stream_publish_on_commit=True, processing_guarantee=guarantee)
    out = app.topic("out")
    lab.broker.create_topic("out", 1)
    metadata = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            await out.send(value=value, callback=lambda sent: metadata.append(sent.result()))
            await out.send(value=-value, force=True)
            if value == 2:
                raise ValueError("two")

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert sorted(lab.values("out")) == [-3, -2, -1, 1, 3]
    assert len(metadata) == 2


async def test_waiting_inside_an_event_for_what_its_end_sends_is_an_error(lab, eventually):
    app = lab.app(stream_publish_on_commit=True)
    lab.broker.create_topic("out", 1)
    errors = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            try:
                await (await app.topic("out").send(value=value))
            except RuntimeError as exc:
                errors.append(str(exc))

    lab.put("in", 1)
    async with app:
        await eventually(lambda: errors)
        await eventually(lambda: lab.values("out") == [1])
    assert "would never end" in errors[0]


async def test_a_send_outside_of_an_event_is_not_held_back(lab):
    app = lab.app(stream_publish_on_commit=True)
    lab.broker.create_topic("out", 1)
    async with app:
        assert (await (await app.topic("out").send(value=1))).offset == 0


# -- describing


class Plain:
    key_type = str
    value_type = int
    key_serializer = "raw"
    value_serializer = "json"
    allow_empty = True


async def test_a_schema_gives_types_and_codecs_and_what_stands_beside_it_wins(lab):
    app = lab.app()
    topic = app.topic("t", schema=Plain())
    assert (topic.key_type, topic.value_type, topic.allow_empty) == (str, int, True)
    assert (topic.key_serializer, topic.value_serializer) == ("raw", "json")
    assert app.topic("t", schema=Plain, value_type=str).value_type is str
    assert app.topic("t", value_type=bytes).derive(schema=Plain()).value_type is int


async def test_names_and_patterns_say_what_they_are_not(lab):
    app = lab.app()
    assert app.topic("a").get_topic_name() == "a"
    with pytest.raises(ValueError, match="a, b"):
        app.topic("a", "b").get_topic_name()
    with pytest.raises(TypeError, match="no single topic"):
        app.topic(pattern="a.*").get_topic_name()
    for arguments, message in [
        (((), {}), "a name or a pattern"),
        ((("a",), {"pattern": "b"}), "not both"),
        (((), {"pattern": "("}), "not a regular expression"),
        ((("a",), {"maxsize": 0}), "maxsize=0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            app.topic(*arguments[0], **arguments[1])


async def test_topics_are_derived_with_other_names_and_options(lab):
    app = lab.app()
    topic = app.topic("a", "b", value_type=int, value_serializer="json", partitions=3)
    assert topic.derive_topic(prefix="x-", suffix="-y").topics == ("x-a-y", "x-b-y")
    derived = topic.derive_topic(topics=["c"], suffix="-z", value_type=str, retention=10)
    assert (derived.topics, derived.value_type, derived.partitions, derived.retention) == (("c-z",), str, 3, 10)
    pattern = app.topic(pattern="a.*", maxsize=7).derive_topic(value_type=int)
    assert (pattern.pattern.pattern, pattern.maxsize, pattern.value_type) == ("a.*", 7, int)
    with pytest.raises(ValueError, match="prefix or suffix"):
        app.topic(pattern="a.*").derive_topic(prefix="x")
    with pytest.raises(ConfigError, match="no option partitons"):
        topic.derive(partitons=3)


# -- patterns


async def test_a_pattern_reads_what_matches_and_new_topics_within_seconds(lab, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.1)
    app = lab.app()
    seen = []

    @app.agent(app.topic(pattern=r"orders-.*"))
    async def agent(stream):
        async for event in stream.events():
            seen.append((event.message.topic, event.value))

    lab.put("orders-de", 1)
    lab.put("not-orders-de", 2)
    lab.put("orders-x-changelog", 3)
    async with app:
        await eventually(lambda: seen == [("orders-de", 1)])
        lab.put("orders-fr", 4)
        await eventually(lambda: seen == [("orders-de", 1), ("orders-fr", 4)])
        await eventually(lambda: lab.committed("orders-fr") == 1)


async def test_a_pattern_waits_for_its_first_topic(lab, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.1)
    app = lab.app()
    seen = []

    @app.agent(app.topic(pattern=r"later-\d"))
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    async with app:
        lab.put("later-1", 1)
        await eventually(lambda: seen == [1])


# -- making topics


async def test_a_missing_topic_that_may_not_be_made_is_an_error_after_a_moment(lab, monkeypatch):
    monkeypatch.setattr("faust_core.engine.topics.MISSING_WAIT_S", 0.3)
    app = lab.app(topic_allow_declare=False)

    @app.agent("absent")
    async def agent(stream):
        async for _ in stream:
            pass

    started = time.monotonic()
    with pytest.raises(TopicMissing, match="'absent' does not exist"):
        await app.start()
    assert time.monotonic() - started < 2 * PATIENCE


async def test_a_topic_that_others_make_in_time_is_read(lab, eventually):
    app = lab.app(topic_allow_declare=False)
    seen = []

    @app.agent("soon")
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    asyncio.get_running_loop().call_later(0.2, lab.put, "soon", 1)
    async with app:
        await eventually(lambda: seen == [1])


@pytest.mark.parametrize(
    ("allowed", "internal", "made"), [(True, False, True), (False, False, False), (False, True, True)]
)
async def test_a_declared_output_with_partitions_is_made_at_start(lab, allowed, internal, made):
    app = lab.app(topic_allow_declare=allowed)
    app.topic("out", partitions=3, internal=internal, compacting=True)
    app.topic("unsaid")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    lab.put("in", 1)
    async with app:
        counts = lab.broker.partition_counts(["out", "unsaid"])
    assert counts == ({"out": 3} if made else {})


async def test_maxsize_bounds_what_waits(lab, eventually):
    app = lab.app()
    go = asyncio.Event()

    @app.agent(app.topic("in", maxsize=10))
    async def agent(stream):
        async for _ in stream:
            await go.wait()

    @app.agent("other")
    async def other(stream):
        async for _ in stream:
            pass

    lab.put("in", *range(5))
    async with app:
        for _ in range(20):
            lab.put("in", *range(50))
            lab.put("other", 1)
            await asyncio.sleep(0.01)
        [queues] = [list(s.queues()) for s in app.worker.fetcher.subscriptions() if s.topic.name == "in"]
        assert queues[0].queued < 300
        go.set()
        await eventually(lambda: lab.committed("in") == 1005)


# -- records attached to an event


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_what_is_attached_is_sent_when_its_event_is_done_and_never_if_it_fails(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee)
    out = app.topic("out")
    lab.broker.create_topic("out", 1)
    places = []
    go = asyncio.Event()

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            event.attach(out, callback=lambda sent: places.append(sent.result().offset))
            event.attach("out", key="k", value=event.value * 10, headers={"a": "b"}, timestamp=2)
            if event.value == 2:
                raise ValueError(event.value)
            if event.value == 3 and guarantee == "at_least_once":
                await go.wait()

    lab.put("in", 1, 2, 3, headers=[("h", b"x")])
    async with app:
        if guarantee == "at_least_once":  # the other one waits for what is in flight
            await eventually(lambda: lab.values("out") == [1, 10])
            await asyncio.sleep(0.1)
            assert lab.values("out") == [1, 10]
        go.set()
        await eventually(lambda: lab.values("out") == [1, 10, 3, 30])
        await eventually(lambda: len(places) == 2)
    first, second = lab.records("out")[:2]
    assert (first.key, list(first.headers)) == (None, [("h", b"x")])
    assert (second.key, list(second.headers), second.timestamp_ms) == (b"k", [("a", b"b")], 2000)


async def test_an_attachment_of_a_topic_without_acks_is_sent_when_its_event_is_done(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("out", 1)

    @app.agent(app.topic("in", acks=False))
    async def agent(stream):
        async for event in stream.events():
            event.attach("out")

    async with app:
        lab.put("in", 1, 2)
        await eventually(lambda: lab.values("out")[-1:] == [2])


async def test_an_event_that_is_never_committed_takes_no_attachment(lab):
    app = lab.app()
    async with app:
        async for event in app.stream([1]).events():
            with pytest.raises(ConfigError, match="its offset is never committed"):
                event.attach("out")


async def test_an_attachment_that_is_too_large_fails_its_event(lab, eventually):
    app = lab.app(producer_max_request_size=8000)

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            event.attach("out", value="x" * 9000)

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.values("app-dead-letter") == [1])
    assert lab.records("out") == []


async def test_send_soon_waits_for_its_event_too_where_sends_do(lab, eventually):
    app = lab.app(stream_publish_on_commit=True)
    out = app.topic("out")
    lab.broker.create_topic("out", 1)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            out.send_soon(value=value)
            out.send_soon(value=-value, force=True)
            raise ValueError

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert lab.values("out") == [-1]


# -- what is known of a record that was sent


async def test_a_sent_record_is_like_a_future(lab, eventually, caplog):
    app = lab.app()
    topic = app.topic("out")
    lab.broker.create_topic("out", 1)
    told = []

    async def tell(sent):
        told.append(sent.result().offset)
        raise ValueError("from an async callback")

    def fail(sent):
        raise ValueError("from a callback")

    async with app:
        sent = await topic.send(value=1, callback=tell)
        assert not sent.done()
        with pytest.raises(asyncio.InvalidStateError):
            sent.result()
        sent.add_done_callback(lambda sent: told.append(sent.exception()))
        await sent
        assert (sent.done(), sent.result().offset, sent.exception()) == (True, 0, None)
        await (await topic.send(value=2, callback=fail))
        await eventually(lambda: told == [None, 0] or told == [0, None])
        await eventually(lambda: "from an async callback" in caplog.text)
        with pytest.raises(asyncio.InvalidStateError, match="no report was asked for"):
            topic.send_soon(value=3).result()
    assert "the callback of a record for out raised" in caplog.text
    assert "from a callback" in caplog.text


# -- several topics, names, counts


async def test_a_topic_may_stand_for_several(lab, eventually):
    app = lab.app()
    topic = app.topic("one", "two")
    seen = []

    @app.agent(topic)
    async def agent(stream):
        async for event in stream.events():
            seen.append((event.message.topic, event.value))

    lab.put("one", 1)
    lab.put("two", 2)
    async with app:
        await topic.send(value=3)
        await eventually(lambda: sorted(seen) == [("one", 1), ("one", 3), ("two", 2)])


async def test_a_topic_that_is_named_when_sending_is_made_once(lab, eventually):
    app = lab.app()
    declared = len(app.topics)

    @app.agent("in")
    async def agent(stream):
        async for event in stream.events():
            await event.forward("out")
            await event.send("out")

    lab.put("in", *range(20))
    lab.broker.create_topic("out", 1)
    async with app:
        await eventually(lambda: len(lab.records("out")) == 40)
    assert len(app.topics) == declared
    assert app.channel_named("out") is app.channel_named("out")


async def test_another_number_of_partitions_than_declared_is_said(lab, caplog):
    app = lab.app()

    @app.agent(app.topic("in", partitions=3))
    async def agent(stream):
        async for _ in stream:
            pass

    lab.put("in", 1)
    async with app:
        pass
    assert "topic in has 1 partitions, and is declared with 3 here" in caplog.text


@pytest.mark.parametrize(
    "options", [{"partitions": 0}, {"partitions": True}, {"replicas": -1}, {"maxsize": 1.5}, {"retention": -5}]
)
def test_an_option_that_cannot_be_is_refused(lab, options):
    [name] = options
    with pytest.raises(ConfigError, match=f"topic t: {name}="):
        lab.app().topic("t", **options)


def test_how_a_topic_shall_be_made(lab):
    app = lab.app(topic_replication_factor=2)
    topic = app.topic("t", retention=dt.timedelta(days=1), compacting=True, deleting=True, config={"segment.ms": 5})
    spec = topic.spec("t", 4)
    assert (spec.name, spec.partitions, spec.replication_factor) == ("t", 4, 2)
    assert spec.config == {"cleanup.policy": "compact,delete", "retention.ms": "86400000", "segment.ms": "5"}
    assert app.topic("t", retention=-1, replicas=3).spec("t", 1).config == {"retention.ms": "-1"}


async def test_two_workers_read_a_new_topic_of_a_pattern_once(lab, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.1)
    seen = []

    def make(worker):
        app = lab.app(worker)

        @app.agent(app.topic(pattern=r"logs-.*"), name="read")
        async def read(stream):
            async for event in stream.events():
                seen.append((event.message.topic, event.message.partition, event.value))

        return app

    lab.broker.create_topic("logs-a", 2)
    async with make("w1"), make("w2"):
        lab.broker.create_topic("logs-b", 2)
        for topic in ("logs-a", "logs-b"):
            for partition in range(2):
                lab.put(topic, 1, partition=partition)
        expected = sorted((topic, partition, 1) for topic in ("logs-a", "logs-b") for partition in range(2))
        await eventually(lambda: sorted(seen) == expected)
        await eventually(lambda: lab.committed("logs-b", 0) == lab.committed("logs-b", 1) == 1)


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_events_of_a_new_topic_of_a_pattern_may_change_tables(lab, eventually, monkeypatch, guarantee):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.1)
    app = lab.app(processing_guarantee=guarantee)
    counts = app.Table("counts", default=int)

    @app.agent(app.topic(pattern=r"sales-.*"))
    async def count(stream):
        async for value in stream:
            counts[value] += 1

    lab.put("sales-a", "x", "y")
    async with app:
        await eventually(lambda: lab.changelog("counts") == {"x": 1, "y": 1})
        lab.put("sales-b", "x")
        await eventually(lambda: lab.changelog("counts") == {"x": 2, "y": 1})
        await eventually(lambda: lab.committed("sales-b") == 1)
        lab.put("sales-a", "y")
        await eventually(lambda: lab.changelog("counts") == {"x": 2, "y": 2})


async def test_a_pattern_that_matches_nothing_yet_may_have_a_table(lab, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.late_topics.PATTERN_S", 0.1)
    app = lab.app()
    counts = app.Table("counts", default=int)

    @app.agent(app.topic(pattern=r"sales-.*"))
    async def count(stream):
        async for value in stream:
            counts[value] += 1

    async with app:
        lab.put("sales-a", "x")
        await eventually(lambda: lab.changelog("counts") == {"x": 1})
