"""One fact, one finding: what several rooms see is told by the one that says most of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from agentpg.desk.finding import LEVELS, Finding

Found: TypeAlias = Mapping[str, Sequence[Finding]]

_OUR_WAYS = ("L15", "A42")

# Checks that look at the same, the one that says most of it first: what keeps dead rows, tables
# that are half empty, whether autovacuum is on, versions of TLS, sessions without it, when
# passwords end, our own connection strings, and damaged pages.
_ALIKE = (
    ("V08", "S06", "D13"),
    ("V09", "D12"),
    ("V04", "G06"),
    ("L11", "A40"),
    ("L14", "A41"),
    ("A16", "W02"),
    _OUR_WAYS,
    ("B10", "S17"),
)

# Of what the log tells of, damage alone is also counted by the server.
_OF_LOG = "S17"
_DAMAGE = "damage"

# Where one of these can't look, neither can the other, for the same reason.
_BLIND_ALIKE = ("S15", "S17")

# One transaction that is open for too long shows in each of these; one that is well in each of its
# own way.
_OF_A_TRANSACTION = ("V08", "S06", "D13", "S05", "S04", "S03")

# What is not counted is no more than an info where the check that misses it says so, too: by the
# setting that both would have.
_NOT_COUNTED = "G12"
_MISSES_COUNTS = ("S10", "S14")


def told_once(found: Found) -> dict[str, list[Finding]]:
    """What the rooms have found, without what another of them says as well, and as badly.

    Of two findings of one thing the worse stays. What could not be looked at stays, too, once for
    each file that could not be read.
    """
    return {
        room: [one for one in findings if not _is_told_elsewhere(one, found)]
        for room, findings in found.items()
    }


def _is_told_elsewhere(one: Finding, found: Found) -> bool:
    if one.level == "unknown":
        return _is_as_blind(one, found)
    if one.code == _NOT_COUNTED and one.level != "ok":
        return _is_missed(one, found)
    codes = _codes_beside(one)
    rivals = (
        other
        for other in _all(found)
        if other.code in codes and other.code != one.code and other.level != "unknown"
        if other.code != _OF_LOG or other.subject == _DAMAGE
    )
    return any(_says_more(other, one, codes) for other in rivals)


def _codes_beside(one: Finding) -> Sequence[str]:
    if one.code in _OF_A_TRANSACTION and one.level != "ok":
        return _OF_A_TRANSACTION
    if one.code == _OF_LOG and one.subject != _DAMAGE:
        return ()
    return next((codes for codes in _ALIKE if one.code in codes), ())


def _is_as_blind(one: Finding, found: Found) -> bool:
    first, second = _BLIND_ALIKE
    return one.code == second and any(
        other.code == first
        and other.level == "unknown"
        and other.evidence.get("why") == one.evidence.get("why")
        for other in _all(found)
    )


def _says_more(other: Finding, one: Finding, codes: Sequence[str]) -> bool:
    if one.level != "ok" and _thing(other) != _thing(one):
        return False
    worse = LEVELS.index(other.level) - LEVELS.index(one.level)
    return worse > 0 or (worse == 0 and codes.index(other.code) < codes.index(one.code))


def _thing(one: Finding) -> object:
    """What a finding is about: a process, where it is about one, or else what it names."""
    if one.code == "B10":
        return _DAMAGE
    # A setting of ours is named with or without the prefix of its variable.
    name = one.subject.removeprefix("AGENTPG_").lower() if one.code in _OUR_WAYS else one.subject
    return one.evidence.get("process") or one.evidence.get("pid") or name


def _is_missed(one: Finding, found: Found) -> bool:
    """Whether checks that could not look name all the settings that this one would have."""
    settings = set(one.evidence.get("proposals") or (one.subject,))
    said = " ".join(
        remedy.sql
        for other in _all(found)
        if other.code in _MISSES_COUNTS and other.level == "unknown"
        for remedy in other.remedies
    )
    return all(f" {setting} " in said for setting in settings)


def _all(found: Found) -> Iterator[Finding]:
    return (one for findings in found.values() for one in findings)
