"""How roles and their rights are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentpg.cli.output import Column, Output
from agentpg.cli.wrapping import wrap
from agentpg.desk.security.roles.names import GROUPS, Part
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.security.roles.applying import Plan
    from agentpg.desk.security.roles.facts import Present
    from agentpg.desk.security.roles.showing import May
    from agentpg.desk.security.roles.steps import Step

# In the order in which they stand in a cell.
_LETTERS = {
    "CONNECT": "c",
    "USAGE": "u",
    "SELECT": "r",
    "INSERT": "i",
    "UPDATE": "w",
    "DELETE": "d",
    "EXECUTE": "x",
}
_SIGNS = {"held": "", "missing": "-", "too much": "+"}
_STATES = {"held": "", "missing": N_("missing"), "too much": N_("too much")}
_LEGEND = N_(
    "c connect, u use, r read, i insert, w change, d delete, x call; * some columns only; "
    "- missing, + too much. The owner, {owner}, may do everything."
)
_NOT_THERE = N_(
    "Not there: {roles}. `agentpg security roles apply` makes them, and shows the SQL first."
)


def show_table(out: Output, present: Present, found: Sequence[May]) -> None:
    """A line for each thing, a column for each group."""
    cells: dict[tuple[str, str], dict[Part, list[May]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        cells[one.kind, one.thing][one.part].append(one)
    columns = (Column(N_("Thing"), yields=1), *(Column(part, name=True) for part in GROUPS))
    rows = [
        (_label(kind, thing), *(_cell(by_part.get(part, ())) for part in GROUPS))
        for (kind, thing), by_part in cells.items()
    ]
    out.table(columns, rows)
    out.line()
    legend = out.translate(_LEGEND).format(owner=present.names.owner)
    for line in wrap(legend, min(out.width, 100)):
        out.line(line)
    _say_missing_roles(out, present)


def _label(kind: str, thing: str) -> str:
    """The database and the schema are mostly called the same."""
    return f"{kind} {thing}" if kind in ("database", "schema") else thing


def _cell(rights: Sequence[May]) -> str:
    ordered = sorted(rights, key=lambda one: list(_LETTERS).index(_known(one.privilege)))
    return "".join(
        f"{_SIGNS[one.state]}{_letter(one)}{'*' if one.columns else ''}" for one in ordered
    )


def _known(privilege: str) -> str:
    return privilege if privilege in _LETTERS else "EXECUTE"


def _letter(one: May) -> str:
    return _LETTERS.get(one.privilege, f" {one.privilege} ")


def _say_missing_roles(out: Output, present: Present) -> None:
    groups = [present.names.group(part) for part in GROUPS]
    absent = [name for name in groups if name not in present.roles]
    if absent:
        out.line()
        text = out.translate(_NOT_THERE).format(roles=", ".join(absent))
        for line in wrap(text, min(out.width, 100)):
            out.line(line)


def show_part(out: Output, present: Present, part: Part, found: Sequence[May]) -> None:
    """All rights of one group."""
    from agentpg.desk.security.roles.rights import MEANINGS

    logins = [name for name in present.names.logins(part) if name in present.roles]
    out.facts(
        (
            (N_("role"), present.names.group(part)),
            (N_("what it is for"), out.translate(MEANINGS[part])),
            (N_("logins"), ", ".join(logins) or None),
        )
    )
    out.line()
    columns = (
        Column(N_("Thing")),
        Column(N_("Right")),
        Column(N_("Columns"), yields=1, fold=True),
        Column(N_("State"), show=out.translate),
    )
    rows = [
        (_label(one.kind, one.thing), one.privilege, ", ".join(one.columns), _STATES[one.state])
        for one in found
    ]
    out.table(columns, rows)
    _say_missing_roles(out, present)


def show_steps(out: Output, steps: Sequence[Step]) -> None:
    """The SQL, as it can be typed."""
    for step in steps:
        for line in wrap(f"{step.sql};", max(out.width, 60), rest="    "):
            out.line(line)
    if steps:
        out.line()


def show_missing(out: Output, plan: Plan) -> None:
    """What the role may not do, and who may."""
    for need, steps in plan.missing.items():
        text = N_("Not by {role}: {why}:")
        said = out.translate(text).format(role=plan.present.me.role, why=out.translate(need.why))
        out.line(said)
        for step in steps:
            for line in wrap(f"{step.sql};", max(out.width, 60), first="  ", rest="      "):
                out.line(line)
        out.line()


def show_logins(out: Output, dsns: Mapping[str, str]) -> None:
    """How the new logins connect; the passwords are in the file."""
    if not dsns:
        return
    out.line(out.translate(N_("New logins, their passwords in the file that each names:")))
    for role, dsn in dsns.items():
        out.line(f"  {role}")
        out.line(f"    {dsn}")
    out.line()


def right_documents(present: Present, found: Sequence[May]) -> list[dict[str, Any]]:
    """As JSON has it."""
    return [
        {
            "role": present.names.group(one.part),
            "kind": one.kind,
            "object": one.thing.removesuffix("()"),
            "privilege": one.privilege,
            "columns": list(one.columns) or None,
            "state": one.state.replace(" ", "_"),
        }
        for one in found
    ]


def plan_document(plan: Plan) -> dict[str, Any]:
    """As JSON has it."""
    missing = [
        {**_step(step), "why": need.why} for need, steps in plan.missing.items() for step in steps
    ]
    return {"steps": [_step(step) for step in plan.steps], "missing": missing}


def _step(step: Step) -> dict[str, Any]:
    return {"kind": step.kind, "role": step.role, "sql": step.sql, "undo": step.undo}
