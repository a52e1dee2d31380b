"""Risks that somebody has accepted: by whom, why, and until when.

    [[accepted]]
    code = "A26"
    subject = "admin"
    owner = "kim@example.com"
    reason = "one machine, one user"
    until = 2027-03-31

Without a subject it is for all that the check says. From the day after `until` on the risk counts
again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentpg.desk.finding import Finding
from agentpg.errors import BaselineWrong, FileNotRead
from agentpg.language import N_


class Acceptance(BaseModel):
    """One accepted risk."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    code: str = Field(pattern=r"^[A-Z]\d\d$")
    subject: str | None = None
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    until: date

    def fits(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return finding.code == self.code and self.subject in (None, finding.subject)


class _Baseline(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    accepted: tuple[Acceptance, ...] = Field(default=(), strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What counts, and what was accepted.

    `expired` are acceptances that have ended though what they accept is still there; `unused` fit
    nothing any more.
    """

    counted: Sequence[Finding]
    accepted: Sequence[tuple[Finding, Acceptance]]
    expired: Sequence[Acceptance]
    unused: Sequence[Acceptance]


def read_baseline(path: Path) -> tuple[Acceptance, ...]:
    """What was accepted. Raises FileNotRead and BaselineWrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileNotRead(getattr(error, "strerror", None) or str(error), path=path) from None
    try:
        return _Baseline.model_validate(tomllib.loads(text)).accepted
    except RecursionError:
        raise BaselineWrong(N_("it is nested too deeply"), path=path) from None
    except tomllib.TOMLDecodeError as error:
        raise BaselineWrong(str(error), path=path) from None
    except ValidationError as error:
        raise BaselineWrong(_first(error), path=path) from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, and where: accepted 2, until."""
    said = error.errors()[0]
    where = [str(part + 1) if isinstance(part, int) else part for part in said["loc"]]
    return f"{' '.join(where)}: {said['msg']}"


def weigh(findings: Sequence[Finding], accepted: Sequence[Acceptance], today: date) -> Weighed:
    """Tell what counts from what was accepted; ok needs no acceptance."""
    valid = [one for one in accepted if one.until >= today]
    counted: list[Finding] = []
    left_out: list[tuple[Finding, Acceptance]] = []
    for finding in findings:
        by = next((one for one in valid if finding.level != "ok" and one.fits(finding)), None)
        if by is None:
            counted.append(finding)
        else:
            left_out.append((finding, by))
    amiss = [finding for finding in findings if finding.level != "ok"]
    used = [one for one in accepted if any(one.fits(finding) for finding in amiss)]
    return Weighed(
        counted=counted,
        accepted=left_out,
        expired=[one for one in used if one.until < today],
        unused=[one for one in accepted if one not in used],
    )
