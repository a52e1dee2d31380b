"""How pg_hba.conf and what it does are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentpg.cli.output import Column, Output
from agentpg.desk.check import Unlooked
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.security.addresses.effects import Effect
    from agentpg.desk.security.addresses.explaining import Decision
    from agentpg.desk.security.addresses.facts import Facts
    from agentpg.desk.security.addresses.proposing import Difference

_NAMED = 3


def show_lines(out: Output, facts: Facts) -> None:
    """The lines as the server reads them."""
    if isinstance(facts.lines, Unlooked):
        return
    if isinstance(facts.hba, Path):
        out.line(str(facts.hba))
    columns = (
        Column(N_("Line"), show=str),
        Column(N_("Connection")),
        Column(N_("Databases"), yields=2),
        Column(N_("Roles"), yields=2),
        Column(N_("Address"), yields=1),
        Column(N_("Method")),
        Column(N_("Options"), yields=3),
    )
    rows = [
        (
            line.number if line.file == str(facts.hba) else f"{Path(line.file).name}:{line.number}",
            line.kind,
            ",".join(word.text for word in line.databases),
            ",".join(word.text for word in line.roles),
            line.address,
            line.method,
            " ".join(line.options),
        )
        for line in facts.lines
    ]
    out.table(columns, rows, empty=N_("The file has no lines: nobody gets in."))
    out.line()


def show_effects(out: Output, found: Sequence[Effect]) -> None:
    """Who gets in from where, by which line; who does not is left out."""
    columns = (
        Column(N_("Roles"), yields=2),
        Column(N_("Databases"), yields=3),
        Column(N_("Origin"), yields=1),
        Column("TLS"),
        Column(N_("Line"), show=str),
        Column(N_("Method")),
    )
    rows = [
        (
            _some([role.name for role in one.roles]),
            _some(one.databases),
            one.origin.label,
            _tls(out, one),
            one.match.number,
            _method(one),
        )
        for one in found
        if one.lets_in
    ]
    out.table(columns, rows, empty=N_("Nobody gets in."))
    out.line()


def show_differences(out: Output, found: Sequence[Difference]) -> None:
    """What changes for whom."""
    columns = (
        Column(N_("Roles"), yields=2),
        Column(N_("Databases"), yields=3),
        Column(N_("Origin"), yields=1),
        Column("TLS"),
        Column(N_("Before")),
        Column(N_("After")),
    )
    rows = [
        (
            _some([role.name for role in one.before.roles]),
            _some(one.before.databases),
            one.before.origin.label,
            _tls(out, one.before),
            _outcome(out, one.before),
            _outcome(out, one.after),
        )
        for one in found
    ]
    out.table(columns, rows, empty=N_("It changes nothing for anybody."))


def show_decisions(out: Output, said: Decision) -> None:
    """One connection: what decides about it."""
    origin = said.address or out.translate(N_("the socket"))
    facts: list[tuple[str, object]] = [
        (N_("role"), said.role),
        (N_("database"), said.database),
        (N_("origin"), origin),
        ("TLS", said.tls),
    ]
    if said.line:
        facts += [(N_("line"), f"{said.file}:{said.line}"), ("", said.text)]
        facts += [(N_("method"), said.method)]
    facts += [(N_("gets in"), said.lets_in)]
    out.facts(facts)
    if not said.line:
        out.line(out.translate(N_("No line fits, so the server refuses it.")))
    for match in said.may_decide:
        text = N_("Line {line} may fit too, which only the server knows: {text}")
        out.line(out.translate(text).format(line=match.number, text=match.text))


def effect_document(one: Effect) -> dict[str, object]:
    """One effect, as JSON has it."""
    return {
        "roles": [role.name for role in one.roles],
        "databases": one.databases,
        "origin": one.origin.label,
        "address": one.origin.address,
        "tls": one.tls,
        "file": one.match.file,
        "line": one.match.number,
        "method": one.match.method,
        "lets_in": one.lets_in,
        "certain": one.match.certain,
    }


def _tls(out: Output, one: Effect) -> str:
    return out.text(one.tls) if one.origin.address else "-"


def _outcome(out: Output, one: Effect) -> str:
    if not one.lets_in:
        return out.translate(N_("out"))
    return f"{_method(one)} ({one.match.number})"


def _method(one: Effect) -> str:
    return one.match.method if one.match.certain else f"{one.match.method}?"


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    said = ",".join(names[:_NAMED])
    return f"{said},+{rest}" if rest > 0 else said
