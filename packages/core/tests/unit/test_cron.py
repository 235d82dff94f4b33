from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faust_core.cron import Cron
from faust_core.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
MINUTE = dt.timedelta(minutes=1)


def at(text: str, zone: str = "UTC") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", "2024-05-01 12:00", "2024-05-01 12:01"),
        ("* * * * *", "2024-05-01 12:00:30", "2024-05-01 12:01"),
        ("*/15 * * * *", "2024-05-01 12:50", "2024-05-01 13:00"),
        ("5/20 * * * *", "2024-05-01 12:26", "2024-05-01 12:45"),
        ("0 9-17/4 * * *", "2024-05-01 13:00", "2024-05-01 17:00"),
        ("30 4 1,15 * *", "2024-05-01 04:30", "2024-05-15 04:30"),
        ("0 0 29 feb *", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("0 0 29 2 *", "2096-03-01", "2104-02-29 00:00"),
        ("0 12 * * mon-fri", "2024-05-03 12:00", "2024-05-06 12:00"),
        ("0 12 * * 7", "2024-05-03", "2024-05-05 12:00"),
        ("0 12 * * SUN", "2024-05-03", "2024-05-05 12:00"),
        ("0 12 * * 0-0", "2024-05-06", "2024-05-12 12:00"),
        ("0 12 * * sat-sun", "2024-05-04 12:00", "2024-05-05 12:00"),
        ("0 0 13 * fri", "2024-05-01", "2024-05-03 00:00"),
        ("0 0 13 * fri", "2024-05-10", "2024-05-13 00:00"),
        ("0 0 * jan,dec *", "2024-01-31", "2024-12-01 00:00"),
        ("@hourly", "2024-05-01 12:10", "2024-05-01 13:00"),
        ("@daily", "2024-05-01 12:10", "2024-05-02 00:00"),
        ("@weekly", "2024-05-01", "2024-05-05 00:00"),
        ("@Monthly", "2024-05-01", "2024-06-01 00:00"),
        ("@yearly", "2024-05-01", "2025-01-01 00:00"),
    ],
)
def test_the_next_time_is_the_one_that_cron_means(expression: str, after: str, expected: str) -> None:
    assert Cron(expression).next_after(at(after)) == at(expected)


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * foo *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * mon-fr", "day of week"),
        ("*/0 * * * *", "minute"),
        ("*/x * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("0 0 30 2 *", "day of month"),
        ("0 0 31 4,6 *", "day of month"),
        ("* * * *", "5 fields"),
        ("@sometimes", "5 fields"),
        ("", "5 fields"),
    ],
)
def test_a_bad_expression_is_an_error_that_names_the_field(expression: str, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        Cron(expression)


def test_an_unknown_zone_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="Europe/Atlantis"):
        Cron("@daily", "Europe/Atlantis")


def test_the_result_is_in_the_zone_of_the_schedule() -> None:
    result = Cron("0 8 * * *", BERLIN).next_after(at("2024-07-01 05:00"))
    assert result.isoformat() == "2024-07-01T08:00:00+02:00"
    assert Cron("0 8 * * *", "Europe/Berlin").next_after(dt.datetime(2024, 7, 1, 5)) == result  # noqa: DTZ001
    assert Cron("0 8 * * *").next_after(at("2024-07-01 12:00", "Europe/Berlin")) == at("2024-07-02 08:00")


def test_a_schedule_shows_its_expression_and_zone() -> None:
    assert repr(Cron("@daily", "Europe/Berlin")) == "Cron('@daily', Europe/Berlin)"


def all_times(cron: Cron, start: dt.datetime, end: dt.datetime) -> list[str]:
    times = []
    while (start := cron.next_after(start)) < end:
        times.append(start.isoformat())
    return times


def test_a_time_that_the_clocks_skip_comes_at_the_end_of_the_gap() -> None:
    start, end = at("2024-03-30 12:00"), at("2024-04-01 12:00")
    assert all_times(Cron("30 2 * * *", BERLIN), start, end) == [
        "2024-03-31T03:00:00+02:00",
        "2024-04-01T02:30:00+02:00",
    ]
    assert all_times(Cron("0,30 2,3 31 * *", BERLIN), start, end) == [
        "2024-03-31T03:00:00+02:00",
        "2024-03-31T03:30:00+02:00",
    ]


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    assert all_times(Cron("30 2 * * *", BERLIN), at("2024-10-26 12:00"), at("2024-10-28 12:00")) == [
        "2024-10-27T02:30:00+02:00",
        "2024-10-28T02:30:00+01:00",
    ]


def test_a_schedule_of_all_hours_goes_on_through_the_turn_of_the_clocks() -> None:
    spring = all_times(Cron("*/30 * * * *", BERLIN), at("2024-03-31 00:15"), at("2024-03-31 02:15"))
    autumn = all_times(Cron("*/30 * * * *", BERLIN), at("2024-10-27 00:15"), at("2024-10-27 02:15"))
    for times in (spring, autumn):
        moments = [dt.datetime.fromisoformat(t) for t in times]
        assert len(moments) == 4
        assert all(b - a == 30 * MINUTE for a, b in pairwise(moments))


def test_a_day_that_a_zone_left_out_does_not_stop_the_schedule() -> None:
    times = all_times(Cron("0 12 * * *", "Pacific/Apia"), at("2011-12-29", "Pacific/Apia"), at("2012-01-01"))
    assert times[:3] == ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"]


def field(first: int, last: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last).map(str)
    span = st.tuples(st.integers(first, last), st.integers(first, last)).map(lambda r: f"{min(r)}-{max(r)}")
    step = st.tuples(st.one_of(span, st.just("*")), st.integers(1, 20)).map(lambda s: f"{s[0]}/{s[1]}")
    return st.one_of(st.just("*"), st.lists(st.one_of(number, span, step), min_size=1, max_size=3).map(",".join))


expressions = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join)
moments = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001


def matches(expression: str, moment: dt.datetime) -> bool:
    """Read a cron expression another way: number by number."""

    def fits(text: str, number: int, first: int, last: int) -> bool:
        for part in text.split(","):
            span, _, step = part.partition("/")
            low, _, high = (span if span != "*" else f"{first}-{last}").partition("-")
            top = int(high or (last if step else low))
            if number in range(int(low), top + 1, int(step or 1)):
                return True
        return False

    minute, hour, day, month, weekday = expression.split()
    number = moment.isoweekday() % 7
    in_week = fits(weekday, number, 0, 6) or (number == 0 and fits(weekday, 7, 0, 6))
    in_month = fits(day, moment.day, 1, 31)
    either = not day.startswith("*") and not weekday.startswith("*")
    return (
        fits(minute, moment.minute, 0, 59)
        and fits(hour, moment.hour, 0, 23)
        and fits(month, moment.month, 1, 12)
        and ((in_month or in_week) if either else (in_month and in_week))
    )


@given(expressions, moments, st.sampled_from(ZONES))
@settings(deadline=None)
def test_the_next_time_is_later_and_matches(expression: str, after: dt.datetime, zone: str) -> None:
    try:
        result = Cron(expression, zone).next_after(after)
    except OverflowError:
        return  # a day of the month and of the week that never come together
    assert result > after
    assert result.second == result.microsecond == 0
    before = (result.astimezone(dt.UTC) - MINUTE).astimezone(ZoneInfo(zone))
    after_a_gap = (result.utcoffset() or dt.timedelta()) > (before.utcoffset() or dt.timedelta())
    assert matches(expression, result) or after_a_gap


@given(field(0, 59), field(0, 23), moments, st.sampled_from(ZONES))
@settings(deadline=None, max_examples=50)
def test_no_time_in_between_matches(minute: str, hour: str, after: dt.datetime, zone: str) -> None:
    expression = f"{minute} {hour} * * *"
    result = Cron(expression, zone).next_after(after)
    between = after.replace(second=0, microsecond=0) + MINUTE
    while between < result:
        local = between.astimezone(ZoneInfo(zone))
        repeated = local.fold == 1 and not hour.startswith("*")
        assert repeated or not matches(expression, local), local
        between += MINUTE
