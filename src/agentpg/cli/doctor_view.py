"""How findings are shown, and the options and the ending that all rooms of the doctor share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentpg.cli.output import Output, json_option, visible
from agentpg.cli.wrapping import cell_width, wrap
from agentpg.desk.finding import LEVELS, Finding, at_or_above
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.cli.session import Session
    from agentpg.desk.finding import Level, Remedy

FINDINGS, UNCHECKED = 5, 6

_WIDEST = 100

# Two codes that follow each other are said; more are a range.
_FEW = 2

_RISKS = {
    "careful": N_("with care: it locks, loads or restarts something"),
    "destroys": N_("what it removes does not come back"),
}

F = TypeVar("F", bound=Callable[..., Any])


def findings_options(command: F) -> F:
    """The options of every room: `show_all`, `fail_on` and `as_json`."""
    for option in (
        json_option,
        click.option(
            "--fail-on",
            type=click.Choice(["info", "warning", "critical"]),
            default="warning",
            show_default=True,
            help="The lowest level that counts as a finding.",
        ),
        click.option("--all", "show_all", is_flag=True, help="Show what is well, too."),
    ):
        command = option(command)
    return command


def report(
    session: Session,
    found: dict[str, list[Finding]],
    *,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
    target: str | None = None,
) -> int:
    """Show what the rooms have said, of `target` or of the session's database; the exit code."""
    findings = [finding for room in found.values() for finding in room]
    if as_json:
        named = session.looked_at.target() if target is None else target
        session.out.json(document(named, found))
    else:
        # Of all rooms together, what is info is a line each: what has to be done stands out.
        show_findings(
            session.out,
            findings,
            show_all=show_all,
            briefly=len(found) > 1 and not show_all and fail_on != "info",
        )
    return exit_code(findings, fail_on)


def exit_code(findings: Sequence[Finding], fail_on: Level) -> int:
    """5 for findings at or above a level, else 6 where something is unknown, else 0."""
    certain = [finding for finding in findings if finding.level != "unknown"]
    if at_or_above(certain, fail_on):
        return FINDINGS
    return UNCHECKED if len(certain) < len(findings) else 0


def document(target: str, found: dict[str, list[Finding]]) -> dict[str, object]:
    """What the rooms have said, as JSON has it."""
    return {
        "target": target,
        "levels": level_counts([finding for room in found.values() for finding in room]),
        "rooms": {name: [one.document() for one in room] for name, room in found.items()},
    }


def show_findings(
    out: Output, findings: Sequence[Finding], *, show_all: bool, briefly: bool = False
) -> None:
    """All that are worth saying, the worst first, and how many there are of each level."""
    if show_each(out, findings, show_all=show_all, briefly=briefly):
        out.line()
    show_counts(out, findings)


def show_each(
    out: Output, findings: Sequence[Finding], *, show_all: bool, briefly: bool = False
) -> bool:
    """All that are worth saying, the worst first; whether there are any.

    With `briefly` what is info is said without its advice.
    """
    shown = at_or_above(findings, "ok" if show_all else "info")
    short = {"ok", "info"} if briefly else {"ok"}
    before = ""
    for codes, finding in told_once(shown, out):
        if before and (finding.level not in short or before not in short):
            out.line()
        show_finding(out, finding, codes, advise=finding.level not in short)
        before = finding.level
    return bool(shown)


def show_counts(out: Output, findings: Sequence[Finding]) -> None:
    """How many there are of each level."""
    out.line(", ".join(f"{level} {number}" for level, number in level_counts(findings).items()))


def told_once(findings: Sequence[Finding], out: Output) -> Iterator[tuple[str, Finding]]:
    """Each with its code; checks that could not look for one and the same reason say it once."""
    unlooked: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.level == "unknown":
            unlooked[finding.message(out.translate)].append(finding)
    for finding in findings:
        alike = [finding]
        if finding.level == "unknown":
            alike = unlooked.pop(finding.message(out.translate), [])
        if alike:
            remedies = tuple(dict.fromkeys(chain.from_iterable(one.remedies for one in alike)))
            codes = " ".join(in_ranges([one.code for one in alike]))
            yield codes, replace(finding, remedies=remedies)


def in_ranges(codes: Sequence[str]) -> list[str]:
    """Codes, each once, with three and more that follow each other as one: B05–B09.

    >>> in_ranges(["B05", "B06", "B07", "D01", "D02"])
    ['B05–B07', 'D01', 'D02']
    """
    runs: list[list[str]] = []
    for code in dict.fromkeys(codes):
        if runs and code == _next(runs[-1][-1]):
            runs[-1].append(code)
        else:
            runs.append([code])
    return [word for run in runs for word in ([f"{run[0]}–{run[-1]}"] if len(run) > _FEW else run)]


def _next(code: str) -> str:
    return f"{code[0]}{int(code[1:]) + 1:02}"


def show_finding(out: Output, finding: Finding, codes: str = "", *, advise: bool = True) -> None:
    """One finding with its remedies, folded to the width of the terminal; `codes` are those of
    all checks that it is of."""
    width = min(out.width, _WIDEST)
    lead = codes or finding.code
    if cell_width(lead) > width // 2:
        for line in wrap(lead, width):
            out.line(line)
        lead = "   "
    out.stated(lead, finding.level, finding.message(out.translate), width=width)
    if advise and finding.level != "ok":
        for line in _advice_lines(out, finding, width):
            out.line(line)


def level_counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each level that there is, the worst first."""
    counted = Counter(finding.level for finding in findings)
    return {level: counted[level] for level in reversed(LEVELS) if counted[level]}


def _advice_lines(out: Output, finding: Finding, width: int) -> Iterator[str]:
    """The likely cause, the remedies, how to know that they worked, and whom to ask."""
    if finding.stake:
        stake = f"{out.translate(N_('at stake'))}: {out.translate(finding.stake)}"
        yield from wrap(stake, width, first="    ", rest="    ")
    if finding.cause:
        cause = f"{out.translate(N_('likely cause'))}: {visible(finding.reason(out.translate))}"
        yield from wrap(cause, width, first="    ", rest="    ")
    for remedy in finding.remedies:
        yield from _remedy_lines(out, remedy, width)
    if finding.proof:
        yield from wrap(out.translate(finding.proof), width, first="  ✓ ", rest="    ")
    said = [out.translate(N_("ask the {contact}")).format(contact=finding.contact)]
    if finding.threshold and finding.level != "unknown":
        threshold = out.translate(finding.threshold)
        said.insert(0, f"{out.translate(N_('threshold'))}: {threshold}")
    if finding.source:
        said.insert(-1, f"{out.translate(N_('source'))}: {finding.source}")
    yield from wrap("; ".join(said), width, first="    ", rest="    ")


def _remedy_lines(out: Output, remedy: Remedy, width: int) -> Iterator[str]:
    sentence = out.translate(remedy.sentence)
    if remedy.risk in _RISKS:
        sentence = f"{sentence} ({out.translate(_RISKS[remedy.risk])})"
    yield from wrap(sentence, width, first="  → ", rest="    ")
    # To be copied: never folded.
    for text in (remedy.command, remedy.sql):
        if text:
            yield f"      {text}"
