"""How indexes are shown: what is proposed with its gain and cost, the findings, what was done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agentpg.cli import figures
from agentpg.cli.doctor_view import level_counts, show_findings
from agentpg.cli.output import Output, in_a_line
from agentpg.cli.wrapping import cell_width, cut, wrap
from agentpg.desk.check import Unlooked
from agentpg.desk.redacting import redact
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.tune.indexing.actions import Action
    from agentpg.desk.tune.indexing.applying import Done
    from agentpg.desk.tune.indexing.looking import View
    from agentpg.desk.tune.indexing.proposals import Proposal, Trial
    from agentpg.desk.tune.indexing.workload import Statement

_WIDEST = 100
_SHOWN_STATEMENTS = 3

_OUTCOMES = {
    "not tested": N_("not tested"),
    "would be used": N_("not measured: the planner would use it, by HypoPG"),
    "would not be used": N_("the planner would not use it, by HypoPG"),
    "no gain": N_("no gain: not to be made"),
    "unknown": N_("could not be tested"),
}


def show(out: Output, view: View, *, show_all: bool) -> None:
    """What runs, what is proposed, and the findings."""
    _show_workload(out, view)
    for number, proposal in enumerate(view.proposals, 1):
        _show_proposal(out, proposal, number)
    if view.left_out:
        text = out.translate(N_("{count} more, for statements of less time, are left out."))
        out.line(text.format(count=view.left_out))
    if view.proposals:
        out.line()
    show_findings(out, view.findings, show_all=show_all)


def document(
    target: str, view: View, actions: Sequence[Action], done: Sequence[Done]
) -> dict[str, object]:
    """The same as JSON has it."""
    workload = view.workload
    known: dict[str, object] = (
        {"reason": workload.reason}
        if isinstance(workload, Unlooked)
        else {
            "statements": len(workload.statements),
            "all": workload.all,
            "unplanned": workload.unplanned,
            "others": workload.others,
        }
    )
    return {
        "target": target,
        "levels": level_counts(view.findings),
        "workload": known,
        "proposals": [_proposal(one) for one in view.proposals],
        "proposals_left_out": view.left_out,
        "rooms": {"indexes": [finding.document() for finding in view.findings]},
        "actions": [{"kind": a.kind, "index": a.name, "sql": a.sql} for a in actions],
        "done": [_done(one) for one in done],
    }


def show_done(out: Output, done: Sequence[Done]) -> None:
    """What was done, and where the files are that undo it."""
    if done:
        out.line()
    for one in done:
        _lines(out, f"{one.action.sql}: {_result(out, one)}", "  ✓ ")
        if one.undo is not None:
            # To be copied: never folded.
            out.line(f"      agentpg tune indexes --undo {shlex.quote(str(one.undo))}")


def _result(out: Output, one: Done) -> str:
    said = out.translate(N_("done"))
    if one.action.kind == "create":
        said = out.translate(N_("it is valid, and takes {size}")).format(
            size=figures.size(one.after_bytes)
        )
    elif one.action.kind == "rebuild":
        said = out.translate(N_("it is valid, and takes {after} instead of {before}")).format(
            after=figures.size(one.after_bytes), before=figures.size(one.before_bytes)
        )
    elif one.before_bytes:
        said = out.translate(N_("it is gone, and {size} with it")).format(
            size=figures.size(one.before_bytes)
        )
    if one.unseen:
        text = out.translate(N_("whether {place} had {size} of room could not be seen"))
        said = f"{said}; {text.format(place=one.unseen, size=figures.size(one.needed_bytes))}"
    if one.statements is None:
        return said
    used = out.translate(N_("{used} of its {count} statements have it in their plans"))
    return f"{said}; {used.format(used=one.used_by, count=one.statements)}"


def _show_workload(out: Output, view: View) -> None:
    workload = view.workload
    if isinstance(workload, Unlooked):
        reason = out.translate(workload.reason)
        text = out.translate(N_("What runs is not known, so nothing is proposed for it: {reason}."))
        _lines(out, text.format(reason=reason), "")
        out.line()
        return
    text = N_(
        "Looked at {count} statements of {all}; {unplanned} could not be planned, and {others} "
        "are of other roles."
    )
    said = out.translate(text).format(
        count=len(workload.statements),
        all=workload.all,
        unplanned=workload.unplanned,
        others=workload.others,
    )
    _lines(out, said, "")
    if not view.proposals:
        out.line(out.translate(N_("No index is proposed for them.")))
    out.line()


def _show_proposal(out: Output, proposal: Proposal, number: int) -> None:
    condition = f" WHERE {proposal.condition}" if proposal.condition else ""
    on = out.translate(N_("{name} on {table} ({columns}){condition}"))
    said = on.format(
        name=proposal.name,
        table=proposal.table,
        columns=proposal.columns,
        condition=condition,
    )
    _lines(out, said, f"{number}. ")
    for text in _told(out, proposal):
        _lines(out, text, "   ")
    for statement in proposal.statements[:_SHOWN_STATEMENTS]:
        out.line(_statement(out, statement))
    if proposal.outcome != "no gain":
        out.line(f"   → {proposal.sql()}")


def _told(out: Output, proposal: Proposal) -> Iterator[str]:
    yield _outcome(out, proposal)
    if proposal.trial is not None:
        yield _built(out, proposal.trial)
    yield _cost(out, proposal)
    if proposal.foreign_key:
        text = out.translate(N_("it serves the foreign key {name}"))
        yield text.format(name=proposal.foreign_key)


def _outcome(out: Output, proposal: Proposal) -> str:
    trial = proposal.trial
    if trial is None:
        said = out.translate(_OUTCOMES[proposal.outcome])
        return f"{said}: {out.translate(proposal.reason)}" if proposal.reason else said
    text = N_("measured on a copy: {before} → {after} ms, {factor} times quicker")
    if proposal.outcome == "no gain":
        text = N_("measured on a copy: {before} → {after} ms, which is no gain: not to be made")
    said = out.translate(text).format(
        before=_ms(trial.before_ms), after=_ms(trial.after_ms), factor=f"{trial.factor:,.1f}"
    )
    used = out.translate(N_("used by {used} of {count} statements"))
    said = f"{said}; {used.format(used=trial.used_by, count=trial.statements)}"
    if trial.share < 1:
        part = out.translate(N_("on a sample of {percent} % of the rows"))
        said = f"{said}; {part.format(percent=f'{trial.share * 100:.1f}')}"
    return said


def _built(out: Output, trial: Trial) -> str:
    text = out.translate(N_("it takes {size} there, and was built in {time}"))
    said = text.format(
        size=figures.size(trial.size_bytes), time=figures.duration(trial.build_ms / 1000)
    )
    before, after = trial.insert_before_ms, trial.insert_after_ms
    if before is None or after is None:
        return said
    text = out.translate(N_("1,000 inserted rows took {before} ms, and take {after} ms with it"))
    return f"{said}; {text.format(before=_ms(before), after=_ms(after))}"


def _cost(out: Output, proposal: Proposal) -> str:
    cost = proposal.cost
    text = N_("indexes of the table: {indexes}; rows written a second: {writes}")
    writes = figures.UNKNOWN
    if cost.writes_per_second is not None:
        writes = f"{cost.writes_per_second:,.1f}"
    said = out.translate(text).format(indexes=cost.indexes, writes=writes)
    if not cost.hot_lost or cost.hot_share == 0:
        return said
    text = out.translate(
        N_("updates of {columns} would write every index; {percent} of all are HOT now")
    )
    lost = text.format(columns=", ".join(cost.hot_lost), percent=figures.percent(cost.hot_share))
    return f"{said}; {lost}"


def _statement(out: Output, statement: Statement) -> str:
    """One line: how often it runs, what it takes, and its beginning."""
    text = out.translate(N_("{calls} times, {mean} ms each"))
    said = text.format(calls=figures.count(statement.calls), mean=_ms(statement.mean_ms))
    line = f"   · {said}: {' '.join(in_a_line(redact(statement.query)).split())}"
    width = min(out.width, _WIDEST)
    return line if cell_width(line) <= width else f"{cut(line, width - 1)}…"


def _proposal(one: Proposal) -> dict[str, object]:
    return {
        "index": one.name,
        "table": one.table,
        "columns": one.column_names,
        "condition": one.condition,
        "sql": one.sql(),
        "foreign_key": one.foreign_key,
        "outcome": one.outcome,
        "reason": one.reason,
        "cost": one.cost,
        "trial": one.trial,
        "statements": [
            {
                "query_id": s.query_id,
                "query": redact(s.query),
                "calls": s.calls,
                "total_ms": s.total_ms,
            }
            for s in one.statements
        ],
    }


def _done(one: Done) -> dict[str, object]:
    return {
        "kind": one.action.kind,
        "index": one.action.name,
        "sql": one.action.sql,
        "undo": one.undo,
        "before_bytes": one.before_bytes,
        "after_bytes": one.after_bytes,
        "used_by": one.used_by,
        "statements": one.statements,
        "room_unknown": one.unseen or None,
        "needed_bytes": one.needed_bytes,
    }


def _lines(out: Output, text: str, first: str) -> None:
    for line in wrap(text, min(out.width, _WIDEST), first=first, rest=" " * len(first)):
        out.line(line)


def _ms(value: float) -> str:
    """Three digits that count, or whole: 0.12, 1.5, 15.2, 1,234."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
