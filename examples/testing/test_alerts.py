"""Tests of the application: no broker, no waiting."""

import pytest

import faust
from examples.testing.alerts import Alert, Reading, alerts, app, hot_in_a_row, last_seen, readings, watch


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    last_seen.clear()


def test_three_hot_readings_in_a_row_are_an_alert() -> None:
    with faust.TestDriver(app) as driver:
        driver.put(readings, *(Reading(room="attic", degrees=d) for d in (31, 35, 29, 31, 32)))
        assert driver.read_values(alerts) == []
        driver.put(readings, Reading(room="attic", degrees=33))
        assert driver.read_values(alerts) == [Alert(room="attic", reason="hot")]
        assert driver.table(hot_in_a_row) == {"attic": 3}


async def test_a_room_is_silent_after_five_minutes() -> None:
    async with faust.TestDriver(app) as driver:
        await driver.put(readings, Reading(room="hall", degrees=20))
        await driver.advance(300)
        assert driver.read(alerts) == []
        await driver.advance(60)
        (alert,) = driver.read(alerts)
        assert (alert.key, alert.value.reason) == ("hall", "silent")


def test_what_the_agent_raises_is_raised() -> None:
    with faust.TestDriver(app) as driver, pytest.raises(ValueError, match=r"999\.0 degrees are not possible"):
        driver.put(readings, Reading(room="attic", degrees=999))


def test_in_production_it_goes_to_the_dead_letters() -> None:
    with faust.TestDriver(app, raise_errors=False) as driver:
        driver.put(readings, Reading(room="attic", degrees=999), Reading(room="attic", degrees=20))
        (letter,) = driver.dead_letters
        assert letter.error == "attic: 999.0 degrees are not possible"
        assert driver.table(hot_in_a_row) == {"attic": 0}


def test_a_restart_loses_nothing() -> None:
    with faust.TestDriver(app) as driver:
        driver.put(readings, *[Reading(room="attic", degrees=31)] * 2)
        driver.restart()
        driver.put(readings, Reading(room="attic", degrees=31))
        assert driver.read_values(alerts) == [Alert(room="attic", reason="hot")]


async def test_one_agent_alone() -> None:
    async with watch.test_context() as agent:
        event = await agent.put(Reading(room="cellar", degrees=12), headers={"sensor": "s1"})
        assert agent.results[event.message.offset] == Reading(room="cellar", degrees=12)
        assert agent.driver.table("hot-in-a-row") == {"cellar": 0}
