"""What is wrong with the disks of an installation, D01 to D16: decided on frozen facts.

Where a file system is nearly full, what takes most of what can be given back comes first: it is
the culprit, and as urgent as the disk is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentpg.desk.check import Say
from agentpg.desk.doctor.disk.facts import Facts
from agentpg.desk.doctor.disk.findings_files import FILE_CHECKS
from agentpg.desk.doctor.disk.findings_tables import TABLE_CHECKS
from agentpg.desk.doctor.disk.findings_volume import VOLUME_CHECKS
from agentpg.desk.doctor.disk.findings_wal import WAL_CHECKS
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.finding import LEVELS, Finding
from agentpg.language import N_

# What takes less of a file system is not what fills it.
_LEAST_SHARE = 0.05

_ROOM = "D01"

# How much of it goes where a finding tells that apart from what it has found.
_FREED = ("removable_bytes", "going_bytes", "reclaimable_bytes")


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, the culprit first and else in the order of their codes."""
    said = [
        one
        for check in CHECKS
        for one in check.decide(Say(check, policy.thresholds), facts, policy)
    ]
    return tuple(_culprits_first(said))


def is_pressed(finding: Finding) -> bool:
    """Whether it says that a file system is nearly full."""
    return finding.code == _ROOM and finding.level in ("warning", "critical")


def _culprits_first(findings: Sequence[Finding]) -> list[Finding]:
    found = list(findings)
    for room in [one for one in findings if is_pressed(one)]:
        culprit = _culprit(found, room)
        if culprit is None:
            continue
        found = [_blamed(one, culprit) if one is room else one for one in found]
        found.remove(culprit)
        level = max(culprit.level, room.level, key=LEVELS.index)
        found.insert(0, replace(culprit, level=level))
    return found


def _culprit(findings: Sequence[Finding], room: Finding) -> Finding | None:
    """What takes most of the file system that could be given back."""
    suspects = [
        one
        for one in findings
        if one.evidence.get("mount") == room.subject and _amount(one) and one.level != "ok"
    ]
    worst = max(suspects, key=_amount, default=None)
    if worst is None or _amount(worst) < _LEAST_SHARE * room.evidence["size_bytes"]:
        return None
    return worst


def _amount(finding: Finding) -> int:
    """What a step can give back; of what was guessed and not measured, nothing."""
    evidence = finding.evidence
    if evidence.get("measured") is False:
        return 0
    return int(next((evidence[name] for name in _FREED if name in evidence), None) or 0)


def _blamed(room: Finding, culprit: Finding) -> Finding:
    evidence = {**room.evidence, "culprit": culprit.code, "culprit_subject": culprit.subject}
    cause = N_("most of what can be freed is what {culprit} names")
    if culprit.subject:
        cause = N_("most of what can be freed is what {culprit} names, {culprit_subject}")
    return replace(room, evidence=evidence, cause=cause)


_ALL = (*VOLUME_CHECKS, *WAL_CHECKS, *FILE_CHECKS, *TABLE_CHECKS)

CHECKS = tuple(sorted(_ALL, key=lambda check: check.code))
