"""An audit as one page for people: to read on a screen, to print, to hand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from agentpg.desk.finding import LEVELS, Finding, Level
from agentpg.desk.security.baseline import Acceptance, Weighed
from agentpg.desk.templates import template
from agentpg.language import N_, Translate, translation

# The checks in groups that belong together, by what they are about.
_SECTIONS: Mapping[str, tuple[str, Sequence[str]]] = {
    "addresses": (N_("Who may come from where"), ("A01-A13",)),
    "logins": (N_("How people prove who they are"), ("A14-A22", "A54")),
    "roles": (N_("What roles may do"), ("A23-A33", "A56")),
    "objects": (N_("Functions, views, rows and extensions"), ("A34-A38",)),
    "transport": (N_("The network and the files"), ("A39-A44",)),
    "logging": (N_("What is written down"), ("A45", "A46", "A48", "A49", "A52", "A53", "A55")),
    "releases": (N_("Releases and settings"), ("A47", "A50", "A51")),
}

# What a benchmark asks for, and no question to a server can answer.
BY_HAND = (
    ("CIS 1.1, 1.2", N_("Packages come from sources that are trusted, and no more than needed.")),
    ("CIS 1.3", N_("The server's unit is enabled, and starts with the machine.")),
    ("CIS 4.1, 4.2", N_("Nobody logs in as the server's account; sudo to it is recorded.")),
    ("CIS 4.4", N_("Roles of people who have left can't log in any more.")),
    ("CIS 6.7", N_("OpenSSL runs in FIPS mode, where a policy asks for that.")),
    ("CIS 7.3, 8.1", N_("Backups are made and proved: `agentpg doctor backup` looks.")),
    ("PGDSAT 1.3.5", N_("The disks of the data and of the backups are encrypted.")),
)

_MOST_URGENT = 12
_MOST_VALUES = 6
_LONGEST_VALUE = 120

_RISKS = {
    "safe": N_("safe"),
    "careful": N_("with care"),
    "destroys": N_("does not come back"),
    "manual": "",
}


@dataclass(frozen=True, slots=True)
class _Section:
    key: str
    title: str
    findings: Sequence[Mapping[str, object]]
    well: Sequence[Mapping[str, object]]


def page(weighed: Weighed, target: str, now: datetime, language: str = "en") -> str:
    """The whole page in "en" or "ko"; it needs no script and no other file."""
    say = translation(language)
    sections = list(_sections(weighed.counted, say))
    counts = Counter(finding.level for finding in weighed.counted)
    return template("security.html.j2").render(
        language=language,
        title=say(N_("Security audit")),
        target=target,
        made=say(N_("made {when}")).format(when=f"{now:%Y-%m-%d %H:%M %Z}"),
        summary=_summary(counts, say),
        cards=[(level, counts[level]) for level in reversed(LEVELS)],
        accepted_count=len(weighed.accepted),
        urgent=list(_urgent(sections)),
        sections=sections,
        accepted=[_accepted(one, by, say) for one, by in weighed.accepted],
        expired=[by.model_dump(mode="json") for by in weighed.expired],
        by_hand=[(source, say(text)) for source, text in BY_HAND],
        words=_words(say),
    )


def _words(say: Translate) -> Mapping[str, str]:
    """The page's own texts."""
    return {
        "urgent": say(N_("What wants doing")),
        "contents": say(N_("Contents")),
        "accepted": say(N_("Accepted risks")),
        "accepted_card": say(N_("accepted")),
        "expired": say(N_("No longer accepted: these count again")),
        "until": say(N_("until")),
        "owner": say(N_("owner")),
        "reason": say(N_("reason")),
        "by_hand": say(N_("To look at by hand")),
        "by_hand_intro": say(N_("No question to a server answers these.")),
        "well": say(N_("What is well")),
        "stake": say(N_("at stake")),
        "evidence": say(N_("evidence")),
        "remedies": say(N_("what to do")),
        "proof": say(N_("it has worked when")),
        "threshold": say(N_("threshold")),
        "source": say(N_("source")),
        "nothing": say(N_("Nothing to say here.")),
        "contact": say(N_("ask")),
    }


def _summary(counts: Mapping[Level, int], say: Translate) -> str:
    amiss = counts.get("critical", 0) + counts.get("warning", 0)
    if counts.get("critical"):
        text = N_("{critical} findings want doing now, {warning} soon.")
    elif amiss:
        text = N_("Nothing is critical; {warning} findings want doing soon.")
    elif counts.get("unknown"):
        text = N_("Nothing was found, and {unknown} checks could not look: that is not good news.")
    else:
        text = N_("Nothing was found that wants doing.")
    return say(text).format_map({level: counts.get(level, 0) for level in LEVELS})


def _sections(findings: Sequence[Finding], say: Translate) -> Iterator[_Section]:
    for key, (title, spans) in _SECTIONS.items():
        ours = [one for one in findings if _is_in(one.code, spans)]
        amiss = sorted(
            (one for one in ours if one.level != "ok"), key=lambda one: -LEVELS.index(one.level)
        )
        well = [one for one in ours if one.level == "ok"]
        yield _Section(
            key=key,
            title=say(title),
            findings=[_shown(one, say) for one in amiss],
            well=[_well(one, say) for one in well],
        )


def _urgent(sections: Sequence[_Section]) -> Iterator[Mapping[str, object]]:
    """What is worse than info, the worst first, and where it stands."""
    told = [{**one, "section": section.key} for section in sections for one in section.findings]
    told = [one for one in told if one["level"] != "info"]
    told.sort(key=lambda one: -LEVELS.index(cast(Level, one["level"])))
    yield from told[:_MOST_URGENT]


def _is_in(code: str, spans: Sequence[str]) -> bool:
    ends = (span.partition("-") for span in spans)
    return any(first <= code <= (last or first) for first, _, last in ends)


def _shown(finding: Finding, say: Translate) -> Mapping[str, object]:
    return {
        "code": finding.code,
        "level": finding.level,
        "message": finding.message(say),
        "stake": say(finding.stake) if finding.stake else "",
        "evidence": list(_evidence(finding)),
        "remedies": [
            {
                "sentence": say(remedy.sentence),
                "code": remedy.command or remedy.sql,
                "risk": say(_RISKS[remedy.risk]) if _RISKS[remedy.risk] else "",
            }
            for remedy in finding.remedies
        ],
        "proof": say(finding.proof) if finding.proof else "",
        "threshold": say(finding.threshold) if finding.threshold else "",
        "source": finding.source,
        "contact": finding.contact,
    }


def _well(finding: Finding, say: Translate) -> Mapping[str, object]:
    return {"code": finding.code, "message": finding.message(say), "source": finding.source}


def _evidence(finding: Finding) -> Iterator[tuple[str, str]]:
    """Its values, as far as they say something."""
    told = [(name, value) for name, value in finding.evidence.items() if value not in (None, "")]
    for name, value in told[:_MOST_VALUES]:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        yield name, text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _accepted(finding: Finding, by: Acceptance, say: Translate) -> Mapping[str, object]:
    level: Level = finding.level
    return {
        "code": finding.code,
        "level": level,
        "message": finding.message(say),
        "owner": by.owner,
        "reason": by.reason,
        "until": by.until.isoformat(),
    }
