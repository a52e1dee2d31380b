"""One fact is one finding, whichever rooms have seen it."""

from __future__ import annotations

from typing import Any

import pytest

from agentpg.desk.doctor.telling import told_once
from agentpg.desk.finding import Finding, Level

pytestmark = pytest.mark.without_server


def one(code: str, level: Level, subject: str = "", **evidence: Any) -> Finding:
    return Finding(code=code, level=level, subject=subject, sentence="-", evidence=evidence)


def told(*findings: Finding) -> list[tuple[str, str]]:
    """What stays, each finding in a room of its own."""
    left = told_once({str(number): [found] for number, found in enumerate(findings)})
    return [(found.code, found.subject) for room in left.values() for found in room]


def test_what_three_rooms_see_is_told_once() -> None:
    seen = (
        one("S06", "warning", "Worker", pid=7),
        one("D13", "warning", "admin", process=7),
        one("V08", "warning", "admin", process=7),
    )
    assert told(*seen) == [("V08", "admin")]
    assert told(*seen[:2]) == [("S06", "Worker")]
    assert told(one("S06", "ok"), one("D13", "ok"), one("V08", "ok")) == [("V08", "")]


def test_the_worse_of_two_stays() -> None:
    assert told(one("D12", "critical", "t"), one("V09", "info", "t")) == [("D12", "t")]
    assert told(one("D13", "ok"), one("V08", "critical", "s")) == [("V08", "s")]
    assert told(one("D13", "critical", "s"), one("V08", "ok")) == [("D13", "s")]


def test_what_is_about_another_thing_stays() -> None:
    other = (one("D13", "warning", "admin", process=7), one("V08", "warning", "admin", process=8))
    assert len(told(*other)) == 2
    assert len(told(one("D12", "warning", "t"), one("V09", "warning", "u"))) == 2
    assert len(told(one("G06", "warning", "track_activities"), one("V04", "warning", "t"))) == 2
    assert len(told(one("S01", "warning", "t"), one("I01", "warning", "t"))) == 2


def test_what_could_not_be_looked_at_is_never_left_out() -> None:
    assert len(told(one("D13", "unknown"), one("V08", "ok"))) == 2
    assert len(told(one("D13", "ok"), one("V08", "unknown"))) == 2
