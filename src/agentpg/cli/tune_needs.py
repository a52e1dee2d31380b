"""What `agentpg tune vacuum` shows without a table: which tables need it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpg.cli.output import Column, Output
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.doctor.vacuum.needs import Need

_STATES = {
    "off everywhere": N_("autovacuum is off in the server"),
    "off": N_("autovacuum is off for the table"),
    "held": N_("{holder} keeps the rows: a vacuum would be in vain"),
    "late": N_("autovacuum is late"),
}


def show_needs(session: Session, *, as_json: bool) -> None:
    """The tables that autovacuum falls behind on, the most urgent first."""
    from agentpg.desk.check import Unlooked
    from agentpg.desk.doctor.disk.looking import as_monitor
    from agentpg.desk.doctor.vacuum.looking import look_at_upkeep
    from agentpg.desk.doctor.vacuum.needs import needs_of
    from agentpg.desk.doctor.vacuum.policy import Policy
    from agentpg.desk.doctor.vacuum.saying import left_out
    from agentpg.errors import ServerBusy, ServerInRecovery

    database = session.database
    if "dsn" not in session.overrides:
        database = as_monitor(database, session.settings)
    policy = Policy()
    facts = look_at_upkeep(database, policy)
    if isinstance(facts.tables, Unlooked):
        raise ServerBusy(facts.tables.reason, target=database.target())
    if not isinstance(facts.server, Unlooked) and facts.server.in_recovery:
        raise ServerInRecovery(target=database.target())
    needs = needs_of(facts, policy)
    if as_json:
        session.out.json(
            {"needs": [_document(need) for need in needs], "left_out": left_out(facts)}
        )
        return
    _show(session.out, needs, left_out(facts))


def _show(out: Output, needs: tuple[Need, ...], left: int) -> None:
    columns = (
        Column(N_("Table"), yields=1),
        Column(N_("Why"), yields=3, fold=True),
        Column(N_("What hinders"), yields=2, fold=True),
    )
    rows = [(_called(need), need.why(out.translate), _state(out, need)) for need in needs]
    out.table(columns, rows, empty=N_("Autovacuum keeps up with every table."))
    if left:
        text = out.translate(N_("{number} tables more were not looked at."))
        out.line(text.format(number=left))
    if needs:
        out.line()
        for command in dict.fromkeys(_command(need) for need in needs):
            out.line(f"  {command}")


def _command(need: Need) -> str:
    from agentpg.desk.doctor.vacuum.saying import vacuum_command

    return vacuum_command(need.table)


def _state(out: Output, need: Need) -> str:
    holder = "" if need.holder is None else need.holder.name
    return out.translate(_STATES[need.state]).format(holder=holder)


def _called(need: Need) -> str:
    return f"{need.table} (TOAST)" if need.toast else need.table


def _document(need: Need) -> dict[str, object]:
    return {
        "table": need.table,
        "toast": need.toast,
        "kind": need.kind,
        "why": need.why(),
        "times": round(need.times, 2),
        "state": need.state,
        "holder": None if need.holder is None else need.holder.name,
        "process": None if need.holder is None else need.holder.process,
        "command": _command(need),
    }
