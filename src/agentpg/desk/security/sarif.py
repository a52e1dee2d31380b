"""Findings as SARIF 2.1.0, which code hosts show beside the code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from agentpg.desk.check import Check
from agentpg.desk.finding import Finding
from agentpg.desk.security.baseline import Acceptance, Weighed

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS = {"critical": "error", "warning": "warning", "unknown": "warning", "info": "note"}


def sarif(weighed: Weighed, checks: Sequence[Check], target: str) -> str:
    """The document; accepted risks are in it as suppressed."""
    rules = [
        {
            "id": check.code,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": check.stake or check.title},
            "properties": {"source": check.source},
        }
        for check in checks
    ]
    driver = {"name": "agentpg", "version": version("agentpg"), "rules": rules}
    run = {"tool": {"driver": driver}, "results": list(_results(weighed, target))}
    return json.dumps(
        {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2
    )


def _results(weighed: Weighed, target: str) -> Iterator[dict[str, Any]]:
    for finding in weighed.counted:
        if finding.level != "ok":
            yield _result(finding, target)
    for finding, acceptance in weighed.accepted:
        yield {**_result(finding, target), "suppressions": [_suppression(acceptance)]}


def _result(finding: Finding, target: str) -> dict[str, Any]:
    name = "/".join(part for part in (target, finding.subject) if part)
    return {
        "ruleId": finding.code,
        "level": _LEVELS[finding.level],
        "message": {"text": finding.message()},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": name}]}],
    }


def _suppression(acceptance: Acceptance) -> dict[str, str]:
    until = acceptance.until.isoformat()
    return {
        "kind": "external",
        "justification": f"{acceptance.reason} ({acceptance.owner}, until {until})",
    }
