"""When cron lines come true: against a scan of every minute, and on the days that matter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from agentpg.errors import CronNeverTrue, CronWrong, InvalidSchedule, ZoneUnknown
from agentpg.tasks.timetable import Timetable, check_timetable, timetable

pytestmark = pytest.mark.without_server

MINUTE = timedelta(minutes=1)

# Zones with the days on which their clocks were turned, forth and back.
TURNS = {
    "Europe/Berlin": ("2025-03-30", "2025-10-26"),
    "America/New_York": ("2025-03-09", "2025-11-02"),
    "America/Sao_Paulo": ("2018-11-04", "2018-02-18"),
    "America/Havana": ("2024-03-10", "2024-11-03"),
    "Africa/Cairo": ("2024-04-26", "2024-10-31"),
    "Australia/Lord_Howe": ("2025-10-05", "2025-04-06"),
    "Pacific/Apia": ("2011-12-30",),
    "Asia/Seoul": ("2024-02-28",),
    "UTC": ("2023-12-31",),
}


def times(cron: str, zone: str, since: str, count: int) -> list[str]:
    """The next local times, with their offsets."""
    table = timetable(cron, zone)
    start = datetime.fromisoformat(since)
    return [
        f"{t.astimezone(table.zone):%a %d %b %Y %H:%M%z}" for t in islice(table.after(start), count)
    ]


# Daylight saving: what a fixed time does, and what an interval does


def test_a_time_that_spring_skips_fires_at_the_change() -> None:
    assert times("30 2 * * *", "Europe/Berlin", "2025-03-28T12:00Z", 3) == [
        "Sat 29 Mar 2025 02:30+0100",
        "Sun 30 Mar 2025 03:00+0200",
        "Mon 31 Mar 2025 02:30+0200",
    ]


def test_two_skipped_times_and_one_at_the_change_are_one_tick() -> None:
    assert times("15,45 2,3 * * *", "America/New_York", "2025-03-09T05:00Z", 3) == [
        "Sun 09 Mar 2025 03:00-0400",
        "Sun 09 Mar 2025 03:15-0400",
        "Sun 09 Mar 2025 03:45-0400",
    ]


def test_midnight_that_is_skipped_fires_at_one() -> None:
    assert times("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", 2) == [
        "Sun 04 Nov 2018 01:00-0200",
        "Mon 05 Nov 2018 00:00-0200",
    ]


def test_a_time_that_autumn_repeats_fires_the_first_time() -> None:
    expected = ["Sun 26 Oct 2025 02:30+0200", "Mon 27 Oct 2025 02:30+0100"]
    assert times("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00Z", 2) == expected
    # Between the two, and after the second: the tick is not fired again.
    assert times("30 2 * * *", "Europe/Berlin", "2025-10-26T00:45Z", 1) == expected[1:]
    assert times("30 2 * * *", "Europe/Berlin", "2025-10-26T01:31Z", 1) == expected[1:]


@pytest.mark.parametrize(("day", "ticks"), [("2025-03-30", 92), ("2025-10-26", 100)])
def test_a_quarter_of_an_hour_is_one_of_real_time(day: str, ticks: int) -> None:
    """The days of 23 and of 25 hours."""
    table = timetable("*/15 * * * *", "Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=table.zone)
    found = list(islice(table.after(start - MINUTE), ticks + 1))
    assert {b - a for a, b in pairwise(found)} == {timedelta(minutes=15)}
    assert found[-1].astimezone(table.zone) == start + timedelta(days=1)


def test_an_interval_in_hours_follows_the_local_clock() -> None:
    assert times("0 */2 * * *", "Europe/Berlin", "2025-03-29T23:30Z", 2) == [
        "Sun 30 Mar 2025 04:00+0200",
        "Sun 30 Mar 2025 06:00+0200",
    ]


def test_a_zone_without_daylight_saving() -> None:
    assert times("0 7 * * mon", "Asia/Seoul", "2025-03-29T00:00Z", 2) == [
        "Mon 31 Mar 2025 07:00+0900",
        "Mon 07 Apr 2025 07:00+0900",
    ]


# Days that not every month or year has


def test_the_leap_day() -> None:
    assert times("0 12 29 2 *", "UTC", "2024-02-29T12:00Z", 2) == [
        "Tue 29 Feb 2028 12:00+0000",
        "Sun 29 Feb 2032 12:00+0000",
    ]


def test_the_31st_is_in_the_months_that_have_one() -> None:
    assert times("0 0 31 * *", "UTC", "2025-01-01T00:00Z", 4) == [
        "Fri 31 Jan 2025 00:00+0000",
        "Mon 31 Mar 2025 00:00+0000",
        "Sat 31 May 2025 00:00+0000",
        "Thu 31 Jul 2025 00:00+0000",
    ]


def test_a_day_and_a_weekday_are_either() -> None:
    """As every cron has it, where neither is a star."""
    assert times("0 9 13 * fri", "UTC", "2025-06-10T00:00Z", 3) == [
        "Fri 13 Jun 2025 09:00+0000",
        "Fri 20 Jun 2025 09:00+0000",
        "Fri 27 Jun 2025 09:00+0000",
    ]


@pytest.mark.parametrize(
    ("short", "line"),
    [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@Weekly", "0 0 * * sun"),
     ("@monthly", "0 0 1 * *"), (" @yearly ", "0 0 1 1 *")],
)  # fmt: skip
def test_short_forms(short: str, line: str) -> None:
    since = "2025-05-05T05:05Z"
    assert times(short, "UTC", since, 5) == times(line, "UTC", since, 5)


# Everything, against a scan of every minute


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_a_scan_of_every_minute(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        zone = dice.choice(list(TURNS))
        cron = random_line(dice)
        turn = datetime.fromisoformat(dice.choice(TURNS[zone])).replace(tzinfo=UTC)
        start = turn + timedelta(minutes=dice.randint(-1440, 1440))
        until = start + timedelta(days=2)
        table = timetable(cron, zone)
        expected = scan(table, start, until)
        found = []
        for tick in table.after(start):
            if tick > until:
                break
            found.append(tick)
        assert found == expected, f"{cron} in {zone} from {start}"
        # One tick at a time, as a schedule goes, is the same way.
        if expected:
            assert [table.next(t) for t in [start, *expected[:-1]]] == expected
            most = dice.randint(1, 40)
            assert table.newest(expected[0], until, most) == expected[-most:]


def random_line(dice: random.Random) -> str:
    early = dice.random() < 0.7
    return " ".join(
        (
            random_field(dice, 0, 59),
            random_field(dice, 0, 4 if early else 23),
            "*" if dice.random() < 0.7 else random_field(dice, 1, 31),
            "*",
            "*" if dice.random() < 0.8 else random_field(dice, 0, 7),
        )
    )


def random_field(dice: random.Random, low: int, high: int) -> str:
    number = dice.randint(low, high)
    return dice.choice(
        (
            "*",
            f"*/{dice.randint(2, (high - low) // 2)}",
            str(number),
            ",".join(str(dice.randint(low, high)) for _ in range(3)),
            f"{number}-{dice.randint(number, high)}",
        )
    )


def scan(table: Timetable, start: datetime, until: datetime) -> list[datetime]:
    """The rules once more, in the plainest way: look at every minute."""
    minute, hour, *_ = table.line.split()
    if minute.startswith("*") or hour.startswith("*"):
        moment = start.replace(second=0, microsecond=0)
        hits = {m for m in minutes(moment, until) if fits(table, m.astimezone(table.zone))}
    else:
        first = (start.astimezone(table.zone) - timedelta(days=2)).replace(tzinfo=None, second=0)
        last = (until.astimezone(table.zone) + timedelta(days=2)).replace(tzinfo=None)
        hits = {first_coming(table.zone, t) for t in minutes(first, last) if fits(table, t)}
    return sorted(hit for hit in hits if start < hit <= until)


def minutes(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += MINUTE


def first_coming(zone: ZoneInfo, local: datetime) -> datetime:
    while True:
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local:
            return moment
        local += MINUTE


def fits(table: Timetable, local: datetime) -> bool:
    minute, hour, day, month, weekday = table.line.split()
    on_day = local.day in numbers(day, 1, 31)
    on_weekday = local.isoweekday() % 7 in {n % 7 for n in numbers(weekday, 0, 7)}
    both = day.startswith("*") or weekday.startswith("*")
    return (
        local.minute in numbers(minute, 0, 59)
        and local.hour in numbers(hour, 0, 23)
        and local.month in numbers(month, 1, 12)
        and (on_day and on_weekday if both else on_day or on_weekday)
    )


@cache
def numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        extent, _, step = part.partition("/")
        first, _, last = extent.partition("-")
        if extent == "*":
            found |= set(range(low, high + 1, int(step or 1)))
        else:
            found |= set(range(int(first), int(last or first) + 1))
    return found


def test_an_outage_of_years_costs_no_more_than_one_of_hours() -> None:
    """It looks back from now: walking through two years would take a minute."""
    table = timetable("* * * * *", "America/New_York")
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    found = table.newest(now - timedelta(days=730), now, 1000)
    assert (found[0], found[-1], len(found)) == (now - 999 * MINUTE, now, 1000)


# What is wrong


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "it has not five fields"),
        ("7 * *", "it has not five fields"),
        ("0 0 7 * * mon", "it has not five fields"),
        ("60 * * * *", "its minute, the first field, is not a minute"),
        ("0 24 * * *", "its hour, the second field, is not an hour"),
        ("0 0 32 * *", "its day, the third field, is not a day of a month"),
        ("0 0 0 * *", "its day, the third field, is not a day of a month"),
        ("0 0 1 13 *", "its month, the fourth field, is not a month"),
        ("0 0 * * funday", "its weekday, the fifth field, is not a weekday"),
        ("*/0 * * * *", "its minute, the first field, is not a minute"),
        ("5-1 * * * *", "its minute, the first field, is not a minute"),
        ("١ * * * *", "its minute, the first field, is not a minute"),
        ("@reboot", "there is no such short form"),
        ("0 " * 101 + "* * *", "it has not five fields"),
    ],
)
def test_a_wrong_line_is_named_with_the_reason(cron: str, reason: str) -> None:
    with pytest.raises(CronWrong) as raised:
        timetable(cron, "UTC")
    assert str(raised.value) == f"the cron line {cron!r} is wrong: {reason}"
    assert "minute, hour, day, month and weekday" in raised.value.advice()


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * */20 * 1L"])
def test_a_line_that_never_comes_true_is_refused(cron: str) -> None:
    with pytest.raises(CronNeverTrue, match=r"never comes true"):
        check_timetable(cron, "UTC", datetime(2025, 1, 1, tzinfo=UTC))


def test_the_31st_of_february_or_a_monday_comes_true() -> None:
    found = check_timetable("0 0 31 2 mon", "UTC", datetime(2025, 2, 1, tzinfo=UTC))
    assert found == datetime(2025, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("asia/seoul", "Asia/Seoul"),
        ("Seoul", "Asia/Seoul"),
        ("New York", "America/New_York"),
        ("Europe/Belin", "Europe/Berlin"),
    ],
)
def test_an_unknown_zone_comes_with_what_was_meant(name: str, near: str) -> None:
    with pytest.raises(ZoneUnknown) as raised:
        timetable("@daily", name)
    assert str(raised.value) == f"there is no time zone {name!r}"
    assert raised.value.advice() == f"Did you mean {near}?"


@pytest.mark.parametrize(
    "name",
    ["", "+09:00", "../etc/passwd", "/etc/passwd", "x\0y", "한국", "posix/Asia/Seoul", "right/UTC"],
)
def test_what_is_no_zone_at_all(name: str) -> None:
    with pytest.raises(ZoneUnknown):
        timetable("@daily", name)


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules"])
def test_what_is_another_zone_on_each_machine_is_none(name: str) -> None:
    with pytest.raises(ZoneUnknown):
        timetable("@daily", name)


def test_any_text_is_a_line_or_a_clear_error() -> None:
    dice = random.Random(7)
    signs = "0159*/-,#LWmonjan ?@%x"
    for _ in range(500):
        cron = " ".join(
            "".join(dice.choice(signs) for _ in range(dice.randint(1, 5))) for _ in range(5)
        )
        with suppress(InvalidSchedule):
            timetable(cron, "UTC").next(datetime(2025, 1, 1, tzinfo=UTC))
