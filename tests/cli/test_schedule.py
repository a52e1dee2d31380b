"""`agentpg schedule`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server

REPORT = ("report", "0 7 * * mon", "ReportAgent", "weekly_report")


@pytest.fixture
def report(call: Call, installed: Database) -> dict[str, Any]:
    """A schedule, as `add` describes it."""
    called = call("schedule", "add", *REPORT, '{"days": 7}', "--time-zone", "Asia/Seoul", "--json")
    assert called.code == 0, called.err
    document: dict[str, Any] = json.loads(called.out)
    return document


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with connect(database) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def test_adding_one_shows_when_it_fires(call: Call, installed: Database) -> None:
    called = call("schedule", "add", *REPORT, "--time-zone", "Asia/Seoul", "--catch-up", "all")
    assert called.code == 0
    lines = called.out.splitlines()
    assert lines[:3] == [
        "name        report",
        "task        ReportAgent/weekly_report",
        "cron        0 7 * * mon  (Asia/Seoul)",
    ]
    assert "all ticks that were missed, up to a thousand" in called.out
    times = lines[lines.index("Next times") + 1 :]
    assert len(times) == 5
    assert all(time.startswith("  Mon ") and time.endswith(" 07:00 KST") for time in times)


def test_programs_get_all_of_it(report: dict[str, Any]) -> None:
    assert (report["name"], report["state"], report["payload"]) == ("report", "active", {"days": 7})
    assert report["next_times"][0].endswith("T07:00:00+09:00")
    assert len(report["next_times"]) == 5


def test_the_zone_is_the_setting_unless_it_is_given(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_TIME_ZONE", "Europe/Berlin")
    call("schedule", "add", *REPORT)
    call("schedule", "add", "other", *REPORT[1:], "--time-zone", "UTC")
    zones = {s["name"]: s["time_zone"] for s in json.loads(call("schedule", "list", "--json").out)}
    assert zones == {"report": "Europe/Berlin", "other": "UTC"}


def test_a_wrong_zone_in_the_settings(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_TIME_ZONE", "Seoul")
    called = call("schedule", "list")
    assert called.code == 2
    assert "AGENTPG_TIME_ZONE" in called.err
    assert "cannot be 'Seoul': there is no such time zone" in called.err


def test_the_list_fits_a_terminal(call: Call, installed: Database) -> None:
    assert call("schedule", "list").out == "There is no schedule.\n"
    call("schedule", "add", "a-name-that-is-quite-long-for-a-schedule", "*/15 8-18 * * mon-fri",
         "SomeQuiteLongAgent", "some_quite_long_type",
         "--time-zone", "America/Argentina/ComodRivadavia")  # fmt: skip
    call("schedule", "add", *REPORT)
    call("schedule", "pause", "report")
    for language in ("en", "ko"):
        lines = call("schedule", "list", "--lang", language).out.splitlines()
        assert max(cell_width(line) for line in lines) <= 80
        assert "active" in lines[1]
        assert "*/15 8-18" in lines[1]
        assert "paused" in lines[2]


def test_the_list_shows_times_of_the_schedules_own_zone(call: Call, installed: Database) -> None:
    for zone in ("Asia/Seoul", "America/New_York"):
        call("schedule", "add", zone, "30 7 * * *", "A", "t", "--time-zone", zone)
    _, *lines = call("schedule", "list").out.splitlines()
    assert [line.split()[-2] for line in lines] == ["07:30", "07:30"]


def test_show_takes_a_number_of_times(call: Call, report: dict[str, Any]) -> None:
    assert call("schedule", "show", "report", "--next", "12").out.count("07:00 KST") == 12
    assert "Next times" not in call("schedule", "show", "report", "--next", "0").out


def test_pausing_and_resuming(call: Call, report: dict[str, Any], installed: Database) -> None:
    assert call("schedule", "pause", "report").out == "report is paused.\n"
    shown = call("schedule", "show", "report").out
    assert "paused, since" in shown
    assert "Next times, once it is resumed" in shown
    assert "active" in call("schedule", "resume", "report").out
    assert json.loads(call("schedule", "pause", "report", "--json").out)["state"] == "paused"
    assert json.loads(call("schedule", "resume", "report", "--json").out)["state"] == "active"


def test_running_one_now(call: Call, report: dict[str, Any], installed: Database) -> None:
    task_id = call("schedule", "run", "report").out.strip()
    other = json.loads(call("schedule", "run", "report", "--json").out)["id"]
    assert {str(row[0]) for row in ask(installed, "SELECT id FROM tasks")} == {task_id, other}
    assert other in call("schedule", "show", "report").out


def test_removing_one(call: Call, report: dict[str, Any], installed: Database) -> None:
    assert call("schedule", "remove", "report").out == "report is removed.\n"
    called = call("schedule", "remove", "report", "--json")
    assert (called.code, called.out) == (1, "")
    assert "there is no schedule 'report'" in called.err


def test_a_name_that_is_taken(call: Call, report: dict[str, Any]) -> None:
    called = call("schedule", "add", *REPORT)
    assert called.code == 2
    assert called.err.splitlines() == [
        "agentpg: there is a schedule 'report' already",
        "hint: Use another name; `agentpg schedule add --replace` changes the one there is.",
    ]
    replaced = call("schedule", "add", "report", "@daily", *REPORT[2:], "--replace", "--json")
    assert json.loads(replaced.out)["cron"] == "@daily"


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["r", "61 * * * *", "A", "t"], "'61 * * * *' is wrong: its minute", "minute, hour"),
        (["r", "0 0 31 2 *", "A", "t"], "'0 0 31 2 *' never comes true", "has such a day"),
        (["r", "@daily", "A", "t", "--time-zone", "Seoul"], "no time zone 'Seoul'", "Asia/Seoul?"),
        (["", "@daily", "A", "t"], "its name is empty", ""),
        (["r", "@daily", "", "t"], "agent_name is empty", ""),
        (["r", "@daily", "A", "t", "{"], "the payload is not JSON", "@FILE"),
        (["r", "@daily", "A", "t", "--catch-up", "some"], "some", "--help"),
    ],
)
def test_what_cannot_be_kept(
    call: Call, installed: Database, arguments: list[str], said: str, hint: str
) -> None:
    called = call("schedule", "add", *arguments)
    assert (called.code, called.out) == (2, "")
    assert said in called.err
    assert hint in called.err
    assert ask(installed, "SELECT FROM schedules") == []


def test_in_korean(call: Call, installed: Database) -> None:
    called = call("--lang", "ko", "schedule", "add", *REPORT, "--time-zone", "Asia/Seoul")
    assert "다음 실행 시각" in called.out
    assert "  월 20" in called.out
    called = call("--lang", "ko", "schedule", "add", "r", "0 25 * * *", "A", "t")
    assert (
        "cron 식 '0 25 * * *'이(가) 잘못되었습니다: 두 번째 필드가 올바른 시가 아닙니다"
        in called.err
    )


def test_one_that_cannot_fire_says_why(
    call: Call, report: dict[str, Any], installed: Database
) -> None:
    ask(installed, "UPDATE schedules SET problem = 'no such zone', time_zone = 'Mars/Base'")
    called = call("schedule", "show", "report")
    assert called.code == 0
    assert "broken" in called.out
    assert "problem     no such zone" in called.out


def test_status_tells_of_those_that_need_a_look(
    call: Call, report: dict[str, Any], installed: Database
) -> None:
    assert "schedules" not in call("status").out
    for name in ("b", "c"):
        call("schedule", "add", name, *REPORT[1:])
    call("schedule", "pause", "report")
    ask(installed, "UPDATE schedules SET next_at = now() - interval '2 min' WHERE name = 'b'")
    ask(installed, "UPDATE schedules SET problem = 'x', next_at = NULL WHERE name = 'c'")
    assert "1 paused, 1 overdue, 1 broken" in call("status").out
    assert json.loads(call("status", "--json").out)["schedules"] == {
        "total": 3, "paused": 1, "overdue": 1, "broken": 1, "failed": [],
    }  # fmt: skip
