"""A change of a table that its changelog does not take fails its event, or stops the worker with the reason."""

from __future__ import annotations

import pytest

from faust_core.errors import RecordTooLarge

GUARANTEES = ["at_least_once", "exactly_once"]
MESSAGE = (
    r"a change of table 't', partition 0, has 2\d{3} bytes, and its changelog takes \d+: the one of key b'\"k\"'\. "
    r"Raise max\.message\.bytes of topic app-t-changelog"
)


def make(lab, guarantee, policy="dead_letter", **options):
    app = lab.app(processing_guarantee=guarantee, **options)
    if "producer_max_request_size" not in options:
        lab.broker.create_topic("app-t-changelog", 1, {"cleanup.policy": "compact", "max.message.bytes": "1000"})
    table = app.Table("t", default=str)

    @app.agent("in", name="a", on_error=policy)
    async def agent(stream):
        async for value in stream:
            table["k" if len(value) > 1 else value] = value

    lab.put("in", "1", "x" * 2000, "2")
    return app


@pytest.mark.parametrize("limit", ["broker's", "client's"])
@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_change_that_the_changelog_does_not_take_fails_its_event(lab, eventually, guarantee, limit):
    options = {"producer_max_request_size": 1000} if limit == "client's" else {}
    app = make(lab, guarantee, "skip" if limit == "client's" else "dead_letter", **options)
    async with app:
        await eventually(lambda: lab.committed("in") == 3)
        lab.put("in", "3")
        await eventually(lambda: lab.changelog("t") == {"1": "1", "2": "2", "3": "3"})
        assert dict(app.tables["t"].items()) == {"1": "1", "2": "2", "3": "3"}
    letters = lab.records("app-dead-letter")
    assert len(letters) == (limit == "broker's")
    for letter in letters:
        assert "a change of table 't', partition 0" in dict(letter.headers)["Faust-Error-Message"].decode()


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_under_policy_crash_the_worker_says_which_table_and_key_and_what_to_raise(lab, guarantee):
    app = make(lab, guarantee, "crash")
    await app.start()
    with pytest.raises(RecordTooLarge, match=MESSAGE):
        await app.wait()
    lab.apps.remove(app)
    with pytest.raises(RecordTooLarge):
        await app.stop()
    assert (lab.committed("in") or 0) <= 1


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_a_change_outside_of_events_that_is_too_large_stops_the_worker_with_the_reason(lab, guarantee):
    app = make(lab, guarantee, "skip")

    @app.task
    async def outside():
        app.tables["t"].on(0)["k"] = "x" * 2000

    with pytest.raises(RecordTooLarge, match=MESSAGE):
        async with app:
            await app.wait()
    lab.apps.clear()
