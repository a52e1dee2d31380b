"""One fact, one finding: what several rooms see is told by the one that says most of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from agentpg.desk.finding import LEVELS, Finding

Found: TypeAlias = Mapping[str, Sequence[Finding]]

# Checks that look at the same, the one that says most of it first: what keeps dead rows, tables
# that are half empty, and whether autovacuum is on.
_ALIKE = (("V08", "S06", "D13"), ("V09", "D12"), ("V04", "G06"))


def told_once(found: Found) -> dict[str, list[Finding]]:
    """What the rooms have found, without what another of them says as well, and as badly.

    Of two findings of one thing the worse stays. What could not be looked at always stays.
    """
    return {
        room: [one for one in findings if not _is_told_elsewhere(one, found)]
        for room, findings in found.items()
    }


def _is_told_elsewhere(one: Finding, found: Found) -> bool:
    codes = next((codes for codes in _ALIKE if one.code in codes), ())
    if not codes or one.level == "unknown":
        return False
    rivals = (
        other
        for findings in found.values()
        for other in findings
        if other.code in codes and other.code != one.code and other.level != "unknown"
    )
    return any(_says_more(other, one, codes) for other in rivals)


def _says_more(other: Finding, one: Finding, codes: Sequence[str]) -> bool:
    if one.level != "ok" and _thing(other) != _thing(one):
        return False
    worse = LEVELS.index(other.level) - LEVELS.index(one.level)
    return worse > 0 or (worse == 0 and codes.index(other.code) < codes.index(one.code))


def _thing(one: Finding) -> object:
    """What a finding is about: a process, where it is about one, or else what it names."""
    return one.evidence.get("process") or one.evidence.get("pid") or one.subject
