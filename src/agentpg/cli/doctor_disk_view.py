"""How the doctor's room for disks is shown: what takes room, the findings, the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentpg.cli import figures
from agentpg.cli.doctor_view import level_counts, show_counts, show_each
from agentpg.cli.output import Column, Output, visible
from agentpg.cli.wrapping import wrap
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.doctor.disk.facts import Facts, Volume
    from agentpg.desk.doctor.disk.fixing import Outcome
    from agentpg.desk.doctor.disk.steps import Plan, Refusal, Step
    from agentpg.desk.finding import Finding

_WIDEST = 100

_ROLES = {
    "data": N_("data"),
    "wal": N_("WAL"),
    "logs": N_("logs"),
    "tablespace": N_("tablespaces"),
    "backups": N_("backups"),
    "home": N_("home"),
}


def show(
    out: Output,
    facts: Facts,
    findings: Sequence[Finding],
    plan: Plan,
    *,
    show_all: bool,
) -> None:
    """All of it, for people."""
    _show_volumes(out, facts)
    _show_consumers(out, facts)
    show_each(out, findings, show_all=show_all)
    _show_plan(out, plan)
    out.line()
    show_counts(out, findings)


def document(
    facts: Facts,
    findings: Sequence[Finding],
    plan: Plan,
    outcomes: Sequence[Outcome] | None,
) -> dict[str, object]:
    """The same as JSON has it; `done` only where something was to be done."""
    from agentpg.desk.doctor.disk.consumers import consumers

    said: dict[str, object] = {
        "levels": level_counts(findings),
        "volumes": [
            {"used_percent": round(volume.used * 100, 1), **_plain(volume)}
            for volume in facts.volumes
        ],
        "consumers": consumers(facts),
        "rooms": {"disk": [finding.document() for finding in findings]},
        "plan": {
            "steps": [
                {"number": number, "text": step.sentence.format_map(_values(step)), **_plain(step)}
                for number, step in enumerate(plan.steps, 1)
            ],
            "refused": [
                {
                    "what": one.sentence.format_map(one.values),
                    "reason": one.reason.format_map(one.values),
                }
                for one in plan.refused
            ],
        },
    }
    if outcomes is not None:
        said["done"] = [
            {
                "kind": one.step.kind,
                "subject": one.step.subject,
                "freed_bytes": one.freed_bytes,
                "skipped": one.skipped,
                "error": "" if one.error is None else str(one.error),
            }
            for one in outcomes
        ]
    return said


def step_text(out: Output, step: Step) -> str:
    """What a step does, in the reader's language."""
    return visible(out.translate(step.sentence).format_map(_values(step)))


def show_outcome(out: Output, outcome: Outcome) -> None:
    """What became of a step: done with what it freed, left out and why, or failed."""
    text = step_text(out, outcome.step)
    width = min(out.width, _WIDEST)
    if outcome.error is not None:
        said, mark = f"{text} {visible(outcome.error.message(out.translate))}", "✗"
    elif outcome.skipped:
        said = f"{text} {out.translate(N_('Left out'))}: {out.translate(outcome.skipped)}"
        mark = "–"
    else:
        said, mark = f"{text} {_freed(out, outcome)}".rstrip(), "✓"
    for line in wrap(said, width, first=f"  {mark} ", rest="    "):
        out.line(line)


def _freed(out: Output, outcome: Outcome) -> str:
    freed = outcome.freed_bytes
    if freed is None:
        return out.translate(N_("Done; what it freed can't be seen from here."))
    if freed <= 0:
        return out.translate(N_("It freed nothing."))
    return out.translate(N_("Freed {size}.")).format(size=figures.size(freed))


def _show_volumes(out: Output, facts: Facts) -> None:
    if not facts.volumes:
        return
    columns = (
        Column(N_("File system"), yields=2),
        Column(N_("Size"), show=figures.size, right=True),
        Column(N_("Used"), right=True),
        Column(N_("Free"), show=figures.size, right=True),
        Column(N_("Inodes"), right=True),
        Column(N_("Holds"), yields=1, fold=True),
    )
    out.table(columns, [_volume_row(out, volume) for volume in facts.volumes])
    out.line()


def _show_consumers(out: Output, facts: Facts) -> None:
    from agentpg.desk.doctor.disk.consumers import consumers

    several = len(facts.volumes) > 1
    columns = (
        Column(N_("What takes room")),
        Column(N_("Size"), show=figures.size, right=True),
        *((Column(N_("File system"), yields=1),) if several else ()),
        Column(N_("Where"), yields=2),
    )
    rows = [
        (
            out.translate(one.name),
            one.size_bytes,
            *((one.mount,) if several else ()),
            one.detail,
        )
        for one in consumers(facts)
    ]
    if rows:
        out.table(columns, rows)
        out.line()


def _volume_row(out: Output, volume: Volume) -> tuple[object, ...]:
    holds = ", ".join(out.translate(_ROLES[role]) for role in volume.places)
    inodes = f"{int(volume.inodes_used * 100)} %" if volume.inodes else figures.UNKNOWN
    used = f"{int(volume.used * 100)} %"
    return volume.mount, volume.size_bytes, used, volume.free_bytes, inodes, holds


def _show_plan(out: Output, plan: Plan) -> None:
    if not plan.steps:
        return
    out.line()
    out.heading(N_("The plan, in this order"))
    width = min(out.width, _WIDEST)
    for number, step in enumerate(plan.steps, 1):
        for line in _step_lines(out, number, step, width):
            out.line(line)
    frees = sum(step.gives_bytes or 0 for step in plan.steps if step.doer == "fix")
    if frees:
        out.line()
        text = out.translate(N_("`agentpg doctor disk --fix` frees about {size} of that."))
        out.line(text.format(size=figures.size(frees)))
    if plan.refused:
        out.line()
        out.heading(N_("What is refused"))
        for one in plan.refused:
            for line in wrap(_refusal_text(out, one), width, first="  ✗ ", rest="    "):
                out.line(line)


def _step_lines(out: Output, number: int, step: Step, width: int) -> Iterator[str]:
    text = " ".join(filter(None, (step_text(out, step), _balance(out, step))))
    yield from wrap(text, width, first=f" {number:>2}. ", rest="     ")
    if step.doer == "fix":
        yield f"       {out.translate(N_('done by'))} --fix"
    elif step.doer == "asked":
        yield f"       {out.translate(N_('done by'))} --fix --cancel {step.subject}"
    # To be copied: never folded.
    elif step.command or step.sql:
        yield f"       {step.command or step.sql}"


def _balance(out: Output, step: Step) -> str:
    """What it frees and what it needs, where that is known."""
    said = []
    if step.needs_bytes:
        text = out.translate(N_("It needs {size} first."))
        said.append(text.format(size=figures.size(step.needs_bytes)))
    if step.gives_bytes:
        text = out.translate(N_("It frees {size}."))
        said.append(text.format(size=figures.size(step.gives_bytes)))
    return " ".join(said)


def _refusal_text(out: Output, refusal: Refusal) -> str:
    what = out.translate(refusal.sentence).format_map(refusal.values)
    return visible(f"{what}: {out.translate(refusal.reason).format_map(refusal.values)}")


def _values(step: Step) -> Mapping[str, Any]:
    return {"subject": step.subject, **step.values}


def _plain(value: Volume | Step) -> dict[str, object]:
    """The fields of a value; what is only for us is left out."""
    hidden = ("device", "sentence", "values")
    return {name: getattr(value, name) for name in value.__slots__ if name not in hidden}
