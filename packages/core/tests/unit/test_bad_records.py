"""Bad records against each policy: what becomes of them, and that the message says where they stand."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import re
from contextlib import suppress

import pytest

from faust_core.errors import ConfigError, EncodeError, RecordTooLarge, TransportError

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


async def test_a_record_without_a_key_has_the_key_none_whatever_the_key_type(lab, eventually):
    app = lab.app()
    seen = []

    @app.agent(app.topic("in", key_type=int, key_serializer="json"))
    async def agent(stream):
        async for event in stream.events():
            seen.append((event.key, event.value))

    lab.put("in", 1)
    async with app:
        await eventually(lambda: seen == [(None, 1)])
    assert lab.records("app-dead-letter") == []


async def test_a_good_value_of_a_mebibyte_is_a_value_like_any_other(lab, eventually):
    app = lab.app(producer_max_request_size=4 << 20)
    lab.broker.create_topic("in", 1, {"max.message.bytes": str(2 << 20)})
    seen = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            seen.append(len(value))

    lab.put("in", "x" * (1 << 20))
    async with app:
        await eventually(lambda: seen == [1 << 20])


@pytest.mark.parametrize("policy", ["skip", "dead_letter", "retry", "crash"])
async def test_a_record_over_the_limit_fails_its_event_by_the_agents_policy(lab, eventually, caplog, policy):
    app = lab.app(producer_max_request_size=8000, error_retries=2)
    out = app.topic("out")
    lab.broker.create_topic("out", 1)

    @app.agent("in", name="a", on_error=policy)
    async def agent(stream):
        async for n in stream:
            await out.send(value="x" * n)

    lab.put("in", 10, 9000, 20)
    if policy == "crash":
        await app.start()
        with pytest.raises(RecordTooLarge, match="9002 bytes for out is over the limit of 8000"):
            await app.wait()
        lab.apps.remove(app)
        with pytest.raises(RecordTooLarge):
            await app.stop()
        assert (lab.committed("in") or 0) <= 1
        return
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
    assert [len(v) for v in lab.values("out")] == [10, 20]
    assert "in/0 at offset 1" in caplog.text or "in/0 offset 1" in caplog.text
    letters = lab.records("app-dead-letter")
    assert [letter.value for letter in letters] == ([] if policy == "skip" else [b"9000"])
    if letters:
        headers = dict(letters[0].headers)
        assert (headers["Faust-Error-Offset"], headers["Faust-Error-Type"]) == (b"1", b"RecordTooLarge")
        assert b"over the limit of 8000" in headers["Faust-Error-Message"]


# -- keys of group_by


@pytest.mark.parametrize("policy", ["skip", "dead_letter", "retry", "crash"])
async def test_a_key_of_group_by_that_fails_goes_the_way_of_the_agents_policy(lab, eventually, caplog, policy):
    app = lab.app(on_error="skip" if policy == "dead_letter" else "dead_letter", error_retries=1)
    seen = []

    @app.agent("in", name="a", on_error=policy)
    async def agent(stream):
        async for value in stream.group_by(lambda value: value["id"], name="id"):
            seen.append(value["id"])

    lab.put("in", {"id": "a"}, {"no": 1}, {"id": "b"})
    if policy == "crash":
        with pytest.raises(KeyError, match="id"):  # noqa: PT012  it may fail as early as in its start
            await app.start()
            await app.wait()
        lab.apps.remove(app)
        with suppress(KeyError):
            await app.stop()
        return
    async with app:
        await eventually(lambda: seen == ["a", "b"])
        await eventually(lambda: lab.committed("in") == 3)
    assert "a → a-in-id-repartition" in caplog.text
    letters = lab.values("app-dead-letter")
    assert letters == ([] if policy == "skip" else [{"no": 1}])


async def test_the_agents_error_function_is_told_of_a_key_that_fails(lab, eventually):
    app = lab.app()
    told = []

    @app.agent("in", name="a", on_error=lambda agent, error: told.append((agent.name, type(error))))
    async def agent(stream):
        async for _ in stream.group_by(lambda value: value["id"], name="id").group_by(lambda v: v["x"], name="x"):
            pass

    lab.put("in", 1, {"id": 1})
    async with app:
        await eventually(lambda: told == [("a", TypeError), ("a", KeyError)])
        await eventually(lambda: len(lab.records("app-dead-letter")) == 2)


async def test_values_whose_key_is_none_stay_together(lab, eventually):
    app = lab.app(topic_partitions=4)
    seen = []

    @app.agent("in", name="a")
    async def agent(stream):
        async for event in stream.group_by(lambda value: None, name="none").events():
            seen.append((event.key, event.message.partition))

    lab.broker.create_topic("in", 4)
    for n in range(8):
        lab.put("in", n, partition=n % 4)
    async with app:
        await eventually(lambda: len(seen) == 8)
    assert set(seen) == {(None, 0)}


# -- what cannot be sent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"headers": {"h": 1}}, "header 'h' of a record for out is a int: give text, bytes or None"),
        ({"headers": [(1, "h")]}, "a header whose name is 1, not text"),
        ({"headers": [("h",)]}, "the headers of a record for out cannot be written"),
        ({"headers": 7}, "the headers of a record for out cannot be written"),
        ({"timestamp": "now"}, "the timestamp of a record for out is 'now': give epoch seconds"),
        ({"timestamp": -1}, "give epoch seconds"),
        ({"timestamp": dt.datetime(2026, 1, 1)}, "a datetime with a time zone"),  # noqa: DTZ001  the point
        ({"value": object()}, "cannot write a object to out as json"),
        ({"key": object()}, "cannot write the key"),
    ],
)
async def test_what_cannot_be_sent_says_what_is_wrong_with_it(lab, arguments, message):
    app = lab.app(key_serializer="json")
    lab.broker.create_topic("out", 1)
    async with app:
        for send in (app.topic("out").send, functools.partial(app.send, "out")):
            with pytest.raises(EncodeError, match=message):
                await send(**arguments)
        with pytest.raises(EncodeError, match=message):
            app.topic("out").send_soon(**arguments)
    assert lab.records("out") == []


async def test_a_channel_that_is_none_is_refused(lab):
    app = lab.app()
    with pytest.raises(ConfigError, match="to a topic, its name or an agent, not to 3"):
        await app.send(3, value=1)
    with pytest.raises(ConfigError, match="not to <object"):
        app.stream("in").echo(object())


# -- what only the broker knows to be wrong


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("policy", ["skip", "dead_letter", "retry", "crash"])
@pytest.mark.parametrize("what", ["too large", "no partition", "no topic"])
async def test_a_record_that_the_broker_refuses_fails_its_event_by_the_agents_policy(
    lab, eventually, guarantee, policy, what
):
    app = lab.app(processing_guarantee=guarantee, error_retries=1)
    table = app.Table("t", default=int)
    out = app.topic("out")
    lab.broker.create_topic("out", 1, {"max.message.bytes": "1000"})

    @app.agent("in", name="a", on_error=policy)
    async def agent(stream):
        async for n in stream:
            if n != 2:
                await out.send(value=n)
            elif what == "too large":
                await out.send(value="x" * 2000)
            elif what == "no partition":
                await out.send(value=n, partition=7)
            else:
                await app.send("missing", value=n)
            table["n"] += 1

    lab.put("in", 1, 2, 3)
    message = {
        "too large": r"over the limit of topic out, max\.message\.bytes=1000",
        "no partition": "topic 'out' has no partition 7: it has 1",
        "no topic": "topic 'missing' does not exist: create it, or declare it",
    }[what]
    if policy == "crash":
        await app.start()
        with pytest.raises(TransportError, match=message):
            await app.wait()
        lab.apps.remove(app)
        with pytest.raises(TransportError, match=message):
            await app.stop()
        assert (lab.committed("in") or 0) <= 1
        return
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        await eventually(lambda: lab.changelog("t") == {"n": 2})
    sent = [value for value in lab.values("out") if value]
    assert set(sent) == {1, 3}
    if guarantee == "exactly_once":
        assert sent == [1, 3]
    letters = lab.records("app-dead-letter")
    assert [letter.value for letter in letters] == ([] if policy == "skip" else [b"2"])
    if letters:
        assert re.search(message, dict(letters[0].headers)["Faust-Error-Message"].decode())


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("how", ["attach", "setting"])
async def test_an_attached_record_that_the_broker_refuses_fails_its_event(lab, eventually, guarantee, how):
    app = lab.app(processing_guarantee=guarantee, stream_publish_on_commit=how == "setting")
    lab.broker.create_topic("out", 1, {"max.message.bytes": "1000"})

    @app.agent("in", name="a")
    async def agent(stream):
        async for event in stream.events():
            value = "x" * event.value
            if how == "attach":
                event.attach("out", value=value)
            else:
                await app.send("out", value=value)

    lab.put("in", 1, 2000, 2)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        await eventually(lambda: lab.values("app-dead-letter") == [2000])
    assert set(lab.values("out")) == {"x", "xx"}
    if guarantee == "exactly_once":
        assert len(lab.values("out")) == 2


async def test_a_limit_that_was_raised_meanwhile_is_noticed(lab, eventually, monkeypatch):
    monkeypatch.setattr("faust_core.engine.checked_sends.FRESH_S", 0.05)
    app = lab.app(on_error="retry", error_retries=50)

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            await app.send("later", value=value)

    lab.put("in", 1, 2)
    async with app:
        await asyncio.sleep(0.2)
        lab.broker.create_topic("later", 1)
        await eventually(lambda: set(lab.values("later")) == {1, 2})
        await eventually(lambda: lab.committed("in") == 2)
    assert lab.records("app-dead-letter") == []


async def test_a_copy_of_group_by_that_the_broker_refuses_fails_its_event(lab, eventually):
    app = lab.app()
    lab.broker.create_topic("copies", 1, {"max.message.bytes": "1000"})
    seen = []

    @app.agent("in", name="a")
    async def agent(stream):
        async for value in stream.through("copies"):
            seen.append(value)

    lab.put("in", "a", "x" * 2000, "b")
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        await eventually(lambda: seen[-1:] == ["b"])
    assert set(seen) == {"a", "b"}
    assert [len(value) for value in lab.values("app-dead-letter")] == [2000]


async def test_what_a_timer_sends_in_vain_stops_no_worker(lab, eventually, caplog):
    app = lab.app()
    lab.broker.create_topic("out", 1, {"max.message.bytes": "1000"})
    errors = []

    @app.timer(0.02)
    async def send():
        try:
            await app.topic("out").send(value="x" * 2000)
        except RecordTooLarge as exc:
            errors.append(exc)

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            pass

    lab.put("in", 1)
    async with app:
        await eventually(lambda: len(errors) >= 2)
        await eventually(lambda: lab.committed("in") == 1)
    assert "a record was refused" in caplog.text
