"""What an audit decides by itself: effects of lines, guesses, ciphers, acceptances, pages."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.security.audit.effects import Gate, covers, is_everywhere, network_of
from agentpg.desk.security.audit.facts import Group, HbaLine
from agentpg.desk.security.audit.findings import CHECKS
from agentpg.desk.security.audit.findings_transport import weak_ciphers
from agentpg.desk.security.audit.guessing import judge
from agentpg.desk.security.baseline import Acceptance, Weighed, read_baseline, weigh
from agentpg.desk.security.page import page
from agentpg.desk.security.sarif import sarif
from agentpg.desk.security.undoing import read_undo, remedy_of, write_undo
from agentpg.desk.undo_file import Place
from agentpg.embedded.folder import scram_verifier
from agentpg.errors import BaselineWrong, FileNotRead, UndoUnreadable
from tests.desk.browser import CHROMIUM, measure

pytestmark = pytest.mark.without_server

NOW = datetime(2026, 11, 29, 10, 30, tzinfo=UTC)


def line(text: str, number: int = 1) -> HbaLine:
    kind, databases, users, *rest = text.split()
    address = "" if kind == "local" else rest[0]
    return HbaLine(
        file="/etc/pg_hba.conf",
        number=number,
        kind=kind,
        databases=databases.split(","),
        users=users.split(","),
        address=address,
        netmask="",
        method=rest[-1],
        options=(),
        error="",
    )


def finding(code: str = "A02", level: str = "critical", subject: str = "line 4") -> Finding:
    return Finding(
        code=code,
        level=level,  # type: ignore[arg-type]
        subject=subject,
        sentence="{subject} lets <everybody> in",
        evidence={"address": "10.0.0.0/8"},
        source="CIS 5.4",
        stake="who comes is <believed>",
        remedies=[Remedy(sentence="Change it.", sql="SELECT 1", risk="careful")],
    )


def test_a_mask_is_read_as_the_server_gives_it() -> None:
    v6 = HbaLine("", 1, "host", ["all"], ["all"], "fd00::", "ffff:ffff::", "trust", (), "")
    assert str(network_of(v6)) == "fd00::/32"
    assert is_everywhere(line("host all all 0.0.0.0/0 md5"))
    assert network_of(line("host all all .example.com md5")) is None


@pytest.mark.parametrize(
    ("first", "later", "hides"),
    [
        ("host all all 10.0.0.0/8 md5", "host app kim 10.1.0.0/16 reject", True),
        ("hostssl all all 10.0.0.0/8 md5", "host app kim 10.1.0.0/16 reject", False),
        ("host all all 10.1.0.0/16 md5", "host app kim 10.0.0.0/8 reject", False),
        ("host all all 10.0.0.0/8 md5", "host replication kim 10.1.0.0/16 md5", False),
        ("host app kim,lee 10.0.0.0/8 md5", "host app lee 10.0.0.0/8 md5", True),
        ("local all all md5", "local app kim peer", True),
        ("host all all 10.0.0.0/8 md5", "host all all fd00::/8 md5", False),
    ],
)
def test_a_line_hides_another_only_where_nothing_gets_past(
    first: str, later: str, hides: bool
) -> None:
    assert covers(line(first), line(later)) is hides


def test_who_gets_in_is_told_by_the_first_line_that_fits() -> None:
    lines = [
        line("host all boss 10.1.0.0/16 reject", 1),
        line("host all +staff 10.0.0.0/8 scram-sha-256", 2),
        line("hostssl all all 0.0.0.0/0 cert", 3),
    ]
    gate = Gate(lines, [Group("boss", "deputies"), Group("deputies", "staff")], 15)
    assert [one.number for one in gate.ways("boss", "app")] == [2, 3]
    assert [one.number for one in gate.ways("lee", "app")] == [3]
    only = Gate([line("host all boss 10.0.0.0/8 reject"), lines[1]], gate.groups, 15)
    assert list(only.ways("boss", "app")) == []


def test_passwords_that_everybody_tries_are_guessed_and_others_not() -> None:
    found = judge(
        [
            ("postgres", scram_verifier("postgres", rounds=1)),
            ("kim", scram_verifier("kim123", rounds=1)),
            ("lee", scram_verifier("nEG7-ru2Xw_l0", rounds=1)),
            ("broken", "SCRAM-SHA-256$1:!$!:!"),
            ("none", ""),
        ]
    )
    assert found.guessed == ["postgres", "kim"]
    assert found.tried == 4
    assert [(one.kind, one.rounds) for one in found.stored][-2:] == [
        ("scram-sha-256", 1),
        ("none", None),
    ]


def test_weak_ciphers_are_those_that_no_other_word_takes_out() -> None:
    assert weak_ciphers("HIGH:MEDIUM:+3DES:!aNULL") == ["3DES"]
    assert weak_ciphers("HIGH:!aNULL:!3DES") == []
    assert weak_ciphers("ALL:RC4:!RC4") == ["ALL"]


def test_every_check_has_its_source_and_what_is_at_stake() -> None:
    assert [c.code for c in CHECKS] == [f"A{number:02}" for number in range(1, 57)]
    assert [c.code for c in CHECKS if not (c.source and c.stake and c.threshold and c.proof)] == []


def accepted(**changed: object) -> Acceptance:
    said = {"code": "A02", "owner": "kim", "reason": "a test", "until": date(2026, 11, 29)}
    return Acceptance.model_validate({**said, **changed})


def test_what_is_accepted_is_left_out_until_its_last_day() -> None:
    other = finding(subject="line 9")
    unknown = accepted(code="A50")
    weighed = weigh([finding(), other], [accepted(subject="line 4"), unknown], NOW.date())
    assert weighed.counted == [other]
    assert [by.owner for _, by in weighed.accepted] == ["kim"]
    assert weighed.unused == [unknown]
    late = weigh([finding()], [accepted()], date(2026, 11, 30))
    assert late.counted == [finding()]
    assert [one.code for one in late.expired] == ["A02"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[accepted]]\ncode = "A02"\nowner = "kim"\nreason = "x"', "accepted 1 until"),
        (
            '[[accepted]]\ncode = "A02"\nowner = ""\nreason = "x"\nuntil = 2027-01-01',
            "accepted 1 owner",
        ),
        (
            '[[accepted]]\ncode = "A2"\nowner = "k"\nreason = "x"\nuntil = 2027-01-01',
            "accepted 1 code",
        ),
        ("[[accepted", "declaration"),
        ("accept = 1", "accept"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineWrong, match=said):
        read_baseline(path)
    with pytest.raises(FileNotRead):
        read_baseline(tmp_path / "none.toml")


def weighed() -> Weighed:
    found = [finding(), finding("A45", "warning", "log_connections"), finding("A15", "ok", "")]
    return weigh(found, [accepted(code="A45", until=date(2027, 1, 1))], NOW.date())


def test_sarif_has_accepted_risks_as_suppressed() -> None:
    run = json.loads(sarif(weighed(), CHECKS, "db:5432/app"))["runs"][0]
    [counted, left_out] = run["results"]
    assert (counted["ruleId"], counted["level"]) == ("A02", "error")
    assert "suppressions" not in counted
    assert left_out["suppressions"][0]["justification"] == "a test (kim, until 2027-01-01)"
    assert len(run["tool"]["driver"]["rules"]) == len(CHECKS)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.append(tag)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_every_finding_once_and_nothing_that_runs(language: str) -> None:
    text = page(weighed(), "db:5432/app", NOW, language)
    tags = _Tags()
    tags.feed(text)
    assert not {"script", "everybody", "believed", "img"} & set(tags.seen)
    assert tags.seen.count("article") == 1
    assert "lets &lt;everybody&gt; in" in text
    assert "2027-01-01" in text
    assert ("보안 감사" in text) is (language == "ko")


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_the_page_fits_a_phone_and_a_screen(tmp_path: Path) -> None:
    text = page(weighed(), "db:5432/app", NOW)
    for width in (360, 1100):
        seen = measure(text, tmp_path, width=width)
        assert seen["scroll_width"] <= seen["width"]
        assert seen["beyond"] == []


def test_an_undo_file_takes_back_the_last_change_first_and_nothing_else(tmp_path: Path) -> None:
    changes = [
        Remedy(sentence="", sql="x", undo=f"ALTER SYSTEM RESET log_{n}; SELECT pg_reload_conf()")
        for n in ("a", "b")
    ]
    path = write_undo(tmp_path, changes, NOW, Place())
    assert path is not None
    sql = remedy_of(read_undo(path)).sql
    assert sql.index("log_b") < sql.index("log_a")
    assert write_undo(tmp_path, [Remedy(sentence="", sql="x")], NOW, Place()) is None
    path.write_text(f"{path.read_text(encoding='utf-8')}DROP TABLE tasks;", encoding="utf-8")
    with pytest.raises(UndoUnreadable):
        read_undo(path)
