"""Topics: how they are described, sent to, found and made."""

from __future__ import annotations

import asyncio
import time

import pytest

from faust_core.errors import ConfigError, TopicMissing

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


async def test_a_pattern_reads_what_matches_and_new_topics_within_seconds(lab, eventually):
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


async def test_a_pattern_waits_for_its_first_topic(lab, eventually):
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
    assert time.monotonic() - started < 2


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


# -- records that cannot be decoded


BAD = {
    "undecodable": (b"{", ["Expecting", "truncated"]),
    "wrong type": (b'{"n":"x"}', ["$.n", "n:", "$[...]", "n"]),
    "null": (None, ["null"]),
    "large": (b'"' + b"x" * 1_048_576 + b'"', ["dict", "object"]),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("policy", ["raise", "skip", "dead_letter"])
async def test_each_bad_record_goes_the_way_of_the_policy_and_says_where_it_stands(
    lab, eventually, caplog, bad, policy
):
    app = lab.app(on_decode_error=policy)
    data, reasons = BAD[bad]
    seen = []

    @app.agent(app.topic("in", value_type=dict[str, int], value_serializer="json"))
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", {"n": 1}, data, {"n": 2})
    if policy == "raise":
        await app.start()
        with pytest.raises(Exception, match="in/0 at offset 1") as raised:
            await app.wait()
        assert any(reason in str(raised.value) for reason in reasons)
        lab.apps.remove(app)
        with pytest.raises(Exception, match="in/0 at offset 1"):
            await app.stop()
        assert seen == [{"n": 1}]
        assert lab.committed("in") in {None, 0, 1}
        return
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert seen == [{"n": 1}, {"n": 2}]
    assert "in/0 at offset 1" in caplog.text
    letters = lab.records("app-dead-letter")
    if policy == "skip":
        assert letters == []
        return
    [letter] = letters
    headers = dict(letter.headers)
    place = (headers["Faust-Error-Topic"], headers["Faust-Error-Partition"], headers["Faust-Error-Offset"])
    assert place == (b"in", b"0", b"1")
    assert any(reason.encode() in headers["Faust-Error-Message"] for reason in reasons)
    assert letter.value == (None if bad == "large" else data)


@pytest.mark.parametrize("policy", ["skip", "dead_letter"])
async def test_a_key_that_cannot_be_decoded_goes_the_way_of_the_policy(lab, eventually, caplog, policy):
    app = lab.app(on_decode_error=policy)
    seen = []

    @app.agent(app.topic("in", key_type=int, key_serializer="json"))
    async def agent(stream):
        async for item in stream.items():
            seen.append(item)

    lab.put("in", 1, key="no")
    lab.put("in", 2)
    lab.put("in", 3, key="7")
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert seen == [(None, 2), (7, 3)]
    assert "cannot decode the key of in/0 at offset 0" in caplog.text
    assert len(lab.records("app-dead-letter")) == (policy == "dead_letter")


async def test_a_record_too_large_to_send_fails_its_event_only(lab, eventually):
    app = lab.app(producer_max_request_size=8000)
    out = app.topic("out")
    lab.broker.create_topic("out", 1)

    @app.agent("in")
    async def agent(stream):
        async for n in stream:
            await out.send(value="x" * n)

    lab.put("in", 10, 9000, 20)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert [len(v) for v in lab.values("out")] == [10, 20]
    headers = dict(lab.records("app-dead-letter")[0].headers)
    assert (headers["Faust-Error-Offset"], headers["Faust-Error-Type"]) == (b"1", b"RecordTooLarge")


@pytest.mark.parametrize("hook", ["on_decode_error", "on_value_decode_error"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_topic_may_deal_with_bad_records_itself(lab, eventually, hook, is_async):
    app = lab.app()
    topic = app.topic("in", value_type=int, value_serializer="json")
    seen, told = [], []

    def note(error, message):
        told.append((error.offset, message.value))
        return message.value != b'"second"'  # False leaves it to the setting

    async def note_async(error, message):
        return note(error, message)

    setattr(topic, hook, note_async if is_async else note)

    @app.agent(topic)
    async def agent(stream):
        async for value in stream:
            seen.append(value)

    lab.put("in", "first", "second", 3)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert (seen, told) == ([3], [(0, b'"first"'), (1, b'"second"')])
    assert lab.values("app-dead-letter") == ["second"]
