"""`agentpg doctor`: what it says, and how it ends."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.cli.doctor import exit_code
from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.desk.backup.inspection.findings import CHECKS
from agentpg.desk.finding import Finding, Level
from agentpg.errors import ServerBusy
from tests.cli.conftest import Call
from tests.desk.backup.watched import Watched

HOUR = timedelta(hours=1)


@pytest.fixture
def watched(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    """The database of the test, with an empty repository and a key for new backups."""
    place = tmp_path / "repository"
    for name, value in {
        "DSN": database.dsn,
        "BACKUP_REPOSITORY": str(place),
        "BACKUP_RECIPIENTS": "age1" + "q" * 58,
    }.items():
        monkeypatch.setenv(f"AGENTPG_{name}", value)
    return Watched(database, place)


def test_without_a_backup_it_says_what_to_do(call: Call, watched: Watched) -> None:
    called = call("doctor", "backup")
    assert called.code == 5
    assert "B01 critical: there is no backup" in called.out
    assert "      agentpg backup create\n" in called.out
    assert "B10" not in called.out, "what is well is not shown"


def test_what_is_well_is_shown_when_asked_for(call: Call, watched: Watched) -> None:
    watched.healthy()
    called = call("doctor", "--all")
    assert [code for code in (f"B{n:02}" for n in range(1, 20)) if code not in called.out] == []


def test_what_is_info_is_a_line_each_where_all_rooms_are_looked_at(
    call: Call, watched: Watched
) -> None:
    watched.healthy()
    rooms = call("doctor").out
    assert re.search(r"^A\d\d info: ", rooms, re.MULTILINE)
    assert "at stake" not in rooms[rooms.index(" info: ") :]
    for said in (call("doctor", "security").out, call("doctor", "--all").out):
        assert "at stake" in said[said.index(" info: ") :]


def test_what_could_not_be_looked_at_ends_with_6(call: Call, watched: Watched) -> None:
    watched.healthy()
    # The role may not see where the data is; pages without checksums are a warning.
    called = call("doctor", "backup", "--fail-on", "critical")
    assert called.code == 6
    assert "B15 unknown" in called.out


def test_json_has_numbers_and_remedies(call: Call, watched: Watched) -> None:
    watched.backup(60 * HOUR)
    called = call("doctor", "backup", "--json")
    document = json.loads(called.out)
    assert called.code == 5
    [first, *_] = document["rooms"]["backup"]
    assert (first["code"], first["level"]) == ("B01", "critical")
    assert first["evidence"]["age_seconds"] == pytest.approx(216_000, abs=60)
    assert first["remedies"][0]["command"] == "agentpg backup create"
    assert document["levels"]["critical"] >= 1
    assert next(iter(document["levels"])) == "critical"


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(
    call: Call, watched: Watched, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    watched.backup(60 * HOUR)
    called = call("--lang", lang, "doctor", "--all")
    assert called.code == 5
    too_long = [line for line in called.out.splitlines() if cell_width(line) > columns]
    # Commands and SQL are to be copied, and stay in one line.
    assert [line for line in too_long if not line.startswith("      ")] == []
    if lang == "ko":
        assert "백업" in called.out
        assert "B01 critical" in called.out


def test_what_stands_before_the_room_holds_for_it(call: Call, watched: Watched) -> None:
    watched.backup(60 * HOUR)
    called = call("doctor", "--json", "--fail-on", "critical", "backup")
    assert list(json.loads(called.out)["rooms"]) == ["backup"]
    assert called.code == 5


def test_where_the_server_is_away_one_room_says_why_and_others_say_unknown(
    call: Call, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "host=127.0.0.1 port=1 user=admin dbname=agentic_ai")
    called = call("doctor")
    assert called.code == 5
    assert called.err == ""
    assert re.search(r"^C0[45] critical: nothing listens at 127.0.0.1:1", called.out)
    # All for the one reason, which is said once.
    said = " ".join(called.out.split())
    reason = "unknown: it could not be looked at: cannot reach the database"
    assert re.search(rf"H01–H11 T01–T16 B05–B11 ([\w–]+ )*{reason}", said)
    assert said.count(reason) == 1
    assert "GRANT" not in called.out, "no right helps then"
    # In the reader's language, and within the width.
    korean = call("--lang", "ko", "doctor").out
    assert "데이터베이스 127.0.0.1:1/agentic_ai에 연결할 수 없습니다" in " ".join(korean.split())
    lines = [line for line in korean.splitlines() if not line.startswith("      ")]
    assert max(map(cell_width, lines)) <= 80


@pytest.mark.parametrize("wrong", ["rubbish", "postgresql://a:b@c@d/e"])
def test_a_connection_string_that_nobody_can_read_is_a_finding(
    call: Call, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", wrong)
    called = call("doctor")
    assert (called.code, called.err) == (5, "")
    assert re.search(r"^C01 critical: ", called.out)
    assert "c@d" not in called.out, "which may be the rest of a password"
    document = json.loads(call("doctor", "--json").out)
    assert document["target"] == ""
    assert document["rooms"]["connection"][0]["code"] == "C01"
    assert {one["level"] for one in document["rooms"]["tasks"]} == {"unknown"}


def test_a_room_that_fails_says_unknown_of_everything(
    call: Call, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*said: object) -> None:
        raise ServerBusy("there is no memory left", target="here")

    monkeypatch.setattr("agentpg.desk.doctor.backup.examine", fail)
    called = call("doctor", "backup")
    assert called.code == 6
    codes = f"{CHECKS[0].code}–{CHECKS[-1].code}"
    assert f"{codes} unknown: " in " ".join(called.out.split())
    assert called.out.count("no memory left") == 1


def test_before_the_first_backup_one_finding_says_so(call: Call, watched: Watched) -> None:
    document = json.loads(call("doctor", "backup", "--json").out)
    said = {one["code"]: one["level"] for one in document["rooms"]["backup"]}
    assert said["B01"] == "critical"
    assert not {"B02", "B03", "B04", "B12", "B13", "B17", "B18"} & set(said)


def test_what_is_safe_is_done_after_asking_and_looked_at_again(
    call: Call, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_BACKUP_RECIPIENTS", "")
    assert call("doctor", "backup", "--yes").code == 2
    # Nobody can be asked here.
    asked = call("doctor", "--fix", "backup")
    assert asked.code == 2
    assert "  → B01: Make a backup now.\n      agentpg backup create\n" in asked.out
    done = call("doctor", "backup", "--fix", "--yes")
    assert "  ✓ Make a backup now: done, and B01 says nothing any more" in done.out
    assert "critical" not in done.out.rstrip().splitlines()[-1]
    document = json.loads(call("doctor", "backup", "--fix", "--yes", "--json").out)
    # The second backup, and the drill of one.
    assert [(one["codes"], one["state"]) for one in document["fixes"]] == [
        (["B02"], "helped"),
        (["B03"], "helped"),
    ]
    assert document["fixes"][1]["command"] == "agentpg backup drill"
    again = call("doctor", "backup", "--fix", "--yes")
    assert "There is nothing that could be done here." in again.err


def test_what_a_room_marks_as_safe_is_done(call: Call, installed: Database) -> None:
    with connect(installed) as connection:
        connection.execute(
            "CREATE TABLE fresh WITH (autovacuum_enabled = off)"
            " AS SELECT n FROM generate_series(1, 30000) AS n"
        )
    done = call("doctor", "vacuum", "--fix", "--yes", "--json")
    fixes = {one["sql"] or one["command"]: one["state"] for one in json.loads(done.out)["fixes"]}
    assert fixes == {
        "agentpg tune vacuum agentic_ai.fresh": "helped",
        "ANALYZE agentic_ai.fresh": "helped",
    }
    # What may have its reason is not undone.
    codes = [one["code"] for one in json.loads(done.out)["rooms"]["vacuum"]]
    assert "V04" in codes


def test_nothing_of_a_connection_is_fixed(call: Call, watched: Watched) -> None:
    called = call("doctor", "--fix", "connection")
    assert called.code == 2
    assert "nothing of this room is mended by --fix" in called.err


def test_a_room_that_is_none_is_wrong_usage(call: Call) -> None:
    assert call("doctor", "kitchen").code == 2


@pytest.mark.parametrize(
    ("levels", "fail_on", "code"),
    [
        ([], "warning", 0),
        (["ok", "info"], "warning", 0),
        (["info"], "info", 5),
        (["warning"], "critical", 0),
        (["unknown"], "critical", 6),
        (["unknown", "warning"], "warning", 5),
        (["unknown", "warning"], "critical", 6),
        (["unknown", "critical"], "critical", 5),
    ],
)
def test_findings_win_over_what_is_unknown(levels: list[Level], fail_on: Level, code: int) -> None:
    findings = [Finding(code="B01", level=one, subject="", sentence="") for one in levels]
    assert exit_code(findings, fail_on) == code
