"""The report of a run, for people."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.chaos.run import Injury, Outcome


def line(injury: Injury) -> str:
    """One fault, as it is told while the run goes on."""
    mark = "ok" if injury.healed else "NOT WELL"
    rescued = f", rescued in {injury.rescued:.1f} s" if injury.rescued is not None else ""
    back = "not in time" if injury.back is None else f"{injury.back:.1f} s"
    wrong = "".join(f"; {rule}: {rows}" for rule, rows in injury.complaints.items())
    return f"{mark:<4} {injury.fault:<17} {injury.what}; back: {back}{rescued}{wrong}"


def markdown(outcome: Outcome) -> str:
    """The whole report."""
    return "\n".join(_lines(outcome)) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    verdict = "clean" if outcome.clean else "NOT CLEAN"
    plan = outcome.plan
    yield f"# Chaos, {outcome.seconds:.0f} s, seed {plan.seed}: {verdict}"
    yield ""
    yield f"{len(outcome.injuries)} faults under a lease of {plan.lease:g} s. Submitted and"
    yield f"acknowledged: {outcome.acknowledged} tasks, in four ways; {outcome.refused} submissions"
    yield "and cancellations failed while the server was away."
    yield ""
    yield f"- tasks: {_counts(outcome.tasks)}"
    yield f"- executions: {_counts(outcome.executions)}"
    yield f"- calls to models: {outcome.calls}"
    yield f"- workers declared lost: {outcome.lost_workers}"
    yield ""
    yield from _table(outcome.injuries)
    if outcome.skipped:
        yield ""
        yield "Not done here:"
        yield ""
        yield from (f"- {name}: {why}" for name, why in outcome.skipped.items())
    yield from _wrong(outcome)


def _table(injuries: list[Injury]) -> Iterator[str]:
    yield "| fault | times | back p50 | back max | rescued p50 | rescued max |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in dict.fromkeys(sorted(injury.fault for injury in injuries)):
        these = [injury for injury in injuries if injury.fault == name]
        back = _figures([injury.back for injury in these])
        rescued = _figures([injury.rescued for injury in these])
        yield f"| {name} | {len(these)} | {back} | {rescued} |"
    yield ""
    yield "back: from the end of the fault until half of what ended each second before ends"
    yield "again and no task waits for rescue; at least 1 s, since a second is looked at."
    yield "rescued: from the death of a worker until its tasks are back. Both in seconds."


def _wrong(outcome: Outcome) -> Iterator[str]:
    unhealed = [injury for injury in outcome.injuries if not injury.healed]
    if outcome.clean:
        return
    yield ""
    yield "## What went wrong"
    yield ""
    for injury in unhealed:
        yield f"- {line(injury)}"
    yield from (f"- {rule}: {rows}" for rule, rows in outcome.complaints.items())
    if any(outcome.exit_codes):
        yield f"- exit codes of the workers: {outcome.exit_codes}"


def _figures(seconds: list[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    return f"{median(known):.1f} | {max(known):.1f}" if known else "– | –"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())
