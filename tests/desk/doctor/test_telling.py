"""One fact is one finding, whichever rooms have seen it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentpg.desk.doctor.telling import told_once
from agentpg.desk.finding import Finding, Level, Remedy

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


def test_a_transaction_that_is_open_too_long_is_told_once() -> None:
    idle = one("S04", "critical", "Worker", pid=7)
    assert told(idle, one("V08", "warning", "admin", process=7)) == [("S04", "Worker")]
    long = one("S03", "warning", "Report", pid=8)
    assert told(long, one("V08", "warning", "admin", process=8)) == [("V08", "admin")]
    assert len(told(long, one("V08", "warning", "admin", process=9))) == 2
    prepared = (one("S05", "warning", "tx"), one("V08", "critical", "tx"))
    assert told(*prepared) == [("V08", "tx")]
    assert len(told(one("S03", "ok"), one("S04", "ok"), one("V08", "ok"))) == 3


def test_what_is_not_counted_is_told_by_the_check_that_misses_it() -> None:
    why = Remedy(sentence="-", sql="ALTER SYSTEM SET shared_preload_libraries = 'x'")
    missing = replace(one("S10", "unknown"), remedies=(why,))
    both = {"shared_preload_libraries": "x", "track_io_timing": "on"}
    libraries = one("G12", "info", "shared_preload_libraries")
    assert told(missing, libraries) == [("S10", "")]
    assert len(told(missing, one("G12", "info", proposals=both))) == 2
    assert told(one("S10", "ok"), libraries)[1:] == [("G12", "shared_preload_libraries")]


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


def test_our_own_connections_and_damage_are_told_once() -> None:
    lax = (one("L15", "warning", "AGENTPG_DSN_ADMIN"), one("A42", "warning", "dsn_admin"))
    assert told(*lax) == [("L15", "AGENTPG_DSN_ADMIN")]
    assert len(told(lax[0], one("A42", "warning", "dsn_backup"))) == 2
    pages, logged = one("B10", "critical", "agentic_ai"), one("S17", "warning", "damage")
    assert told(pages, logged) == [("B10", "agentic_ai")]
    assert told(one("B10", "ok"), logged) == [("S17", "damage")]
    assert len(told(pages, one("S17", "warning", "no room"))) == 2
    assert len(told(one("B10", "ok"), one("S17", "warning", "no room"))) == 2


def test_a_log_that_cannot_be_read_is_told_once() -> None:
    unread = (one("S15", "unknown", why="denied"), one("S17", "unknown", why="denied"))
    assert told(*unread) == [("S15", "")]
    assert len(told(unread[0], one("S17", "unknown", why="another language"))) == 2
    assert len(told(one("S15", "info"), unread[1])) == 2
