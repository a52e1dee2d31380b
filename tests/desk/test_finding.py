"""Findings: what a check says, and which of several is the worst."""

from __future__ import annotations

import pytest

from agentpg.desk.finding import Finding, Level, Remedy, at_or_above, worst

pytestmark = pytest.mark.without_server


def finding(level: Level, code: str = "B01") -> Finding:
    return Finding(
        code=code,
        level=level,
        subject="nightly",
        sentence="the backup {subject} is {age_seconds} s old",
        evidence={"age_seconds": 90},
        remedies=[Remedy(sentence="Make one.", command="agentpg backup create")],
    )


def test_its_message_has_the_subject_and_the_evidence() -> None:
    assert finding("ok").message() == "the backup nightly is 90 s old"


def test_its_message_is_said_in_another_language() -> None:
    korean = {"the backup {subject} is {age_seconds} s old": "백업 {subject}: {age_seconds}초"}
    assert finding("ok").message(lambda text: korean[text]) == "백업 nightly: 90초"


def test_its_document_is_plain_data() -> None:
    document = finding("warning").document()
    assert document["level"] == "warning"
    assert document["message"] == "the backup nightly is 90 s old"
    assert document["remedies"][0]["command"] == "agentpg backup create"


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([], "ok"),
        (["ok", "info"], "info"),
        (["ok", "unknown", "warning"], "unknown"),
        (["unknown", "critical", "ok"], "critical"),
    ],
)
def test_unknown_is_never_ok(levels: list[Level], expected: Level) -> None:
    assert worst([finding(level) for level in levels]) == expected


def test_the_worst_come_first() -> None:
    found = [finding("warning", "B01"), finding("ok", "B02"), finding("critical", "B03")]
    assert [one.code for one in at_or_above(found, "warning")] == ["B03", "B01"]
