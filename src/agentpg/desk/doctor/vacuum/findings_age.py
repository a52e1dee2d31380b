"""Old transactions, and who keeps dead rows from being removed, V06 to V08."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentpg.db import identifier, literal
from agentpg.desk.check import Say, Unlooked, amount, by, of_any
from agentpg.desk.doctor.vacuum.facts import AgedTable, DatabaseAge, Facts, Holder, Server
from agentpg.desk.doctor.vacuum.needs import needs_of
from agentpg.desk.doctor.vacuum.policy import XIDS, Policy
from agentpg.desk.doctor.vacuum.saying import (
    Said,
    VacuumCheck,
    monitor,
    no_answer,
    percent,
    some,
    vacuum_command,
)
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_

# The server writes no more when so few are left.
_RESERVED = 3_000_000

_WORKED_ON = N_("vacuum works on it now")
_HELD = N_("vacuum can't help while {holder} keeps the rows, see V08")
_OFF = N_("autovacuum is switched off in the server")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Transactions, or groups of them that share a row: each has an age of its own."""

    xids: bool

    def of_database(self, one: DatabaseAge) -> int:
        return one.xid_age if self.xids else one.multixact_age

    def of_table(self, one: AgedTable) -> tuple[int, int]:
        if self.xids:
            return one.xid_age, one.xid_most
        return one.multixact_age, one.multixact_most

    def most(self, server: Server) -> int:
        return server.freeze_max_age if self.xids else server.multixact_freeze_max_age

    def failsafe(self, server: Server) -> int:
        return server.failsafe_age if self.xids else server.multixact_failsafe_age


def _xids(say: Say, facts: Facts, policy: Policy) -> Said:
    return _ages(say, facts, policy, _Kind(xids=True))


def _multixacts(say: Say, facts: Facts, policy: Policy) -> Said:
    return _ages(say, facts, policy, _Kind(xids=False))


def _ages(say: Say, facts: Facts, policy: Policy, kind: _Kind) -> Said:
    server = facts.server
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    if isinstance(facts.databases, Unlooked):
        return no_answer(say, facts.databases, facts)
    found = [_database(say, one, server, facts, policy, kind) for one in facts.databases]
    found += _own_tables(say, server, facts, policy, kind)
    bad = [one for one in found if one.level != "ok"]
    oldest = max(facts.databases, key=kind.of_database)
    return tuple(bad) or (_well(say, oldest, server, kind),)


def _well(say: Say, oldest: DatabaseAge, server: Server, kind: _Kind) -> Finding:
    text = N_("the oldest transaction is {age} transactions old, {percent} % of what is allowed")
    if not kind.xids:
        text = N_("the oldest multixact is {age} multixacts old, {percent} % of what is allowed")
    return say("ok", text, **_numbers(kind.of_database(oldest), server, kind))


def _database(
    say: Say, one: DatabaseAge, server: Server, facts: Facts, policy: Policy, kind: _Kind
) -> Finding:
    age, most = kind.of_database(one), kind.most(server)
    text = N_(
        "in the database {subject} the oldest transaction is {age} transactions old: "
        "{percent} % of what is allowed, {wrap_percent} % of what there is"
    )
    if not kind.xids:
        text = N_(
            "in the database {subject} the oldest multixact is {age} multixacts old: "
            "{percent} % of what is allowed, {wrap_percent} % of what there is"
        )
    tables = _oldest(facts, kind) if one.own else []
    return say(
        _level(age, most, policy, at_work=one.at_work),
        text,
        one.name,
        _age_remedies(one.name, tables, facts, own=one.own),
        cause=_cause(facts, server, age, at_work=one.at_work),
        tables=some(tables),
        at_work=one.at_work,
        holder=_holder_name(facts),
        **_numbers(age, server, kind),
    )


def _own_tables(
    say: Say, server: Server, facts: Facts, policy: Policy, kind: _Kind
) -> Iterator[Finding]:
    """Tables that are past a setting of their own, which the database's age does not tell."""
    for table in () if isinstance(facts.aged, Unlooked) else facts.aged:
        age, most = kind.of_table(table)
        if most >= kind.most(server):
            continue
        level = by(age / most, policy.age_warning, policy.age_critical)
        yield say(
            "ok" if table.at_work else min(level, "warning", key=LEVELS.index),
            N_(
                "{subject} has a transaction of {age}, {percent} % of what the table's own setting "
                "allows"
            ),
            table.name,
            _age_remedies("", [table.name], facts, own=True),
            cause=_cause(facts, server, age, at_work=table.at_work),
            age=f"{age:,}",
            percent=percent(age / most),
            xids=age,
            allowed=most,
            holder=_holder_name(facts),
        )


def _level(age: int, most: int, policy: Policy, *, at_work: bool) -> Level:
    late = by(age / most, policy.age_warning, policy.age_critical)
    if at_work and late == "critical":
        # It is being done; only that can be waited for.
        late = "warning"
    wrap = by(age / XIDS, policy.wrap_warning, policy.wrap_critical)
    return max(late, wrap, key=LEVELS.index)


def _numbers(age: int, server: Server, kind: _Kind) -> dict[str, Any]:
    most = kind.most(server)
    return {
        "age": f"{age:,}",
        "percent": percent(age / most),
        "wrap_percent": percent(age / XIDS),
        "transactions": age,
        "allowed": most,
        "failsafe_percent": percent(age / kind.failsafe(server)) if kind.failsafe(server) else None,
        "left": max(XIDS - _RESERVED - age, 0),
    }


def _cause(facts: Facts, server: Server, age: int, *, at_work: bool) -> str:
    if not server.autovacuum:
        return _OFF
    holder = _worst_holder(facts)
    if holder is not None and holder.transactions >= age // 2:
        return _HELD
    return _WORKED_ON if at_work else ""


def _worst_holder(facts: Facts) -> Holder | None:
    holders = () if isinstance(facts.holders, Unlooked) else facts.holders
    return max(holders, key=lambda one: one.transactions, default=None)


def _holder_name(facts: Facts) -> str:
    holder = _worst_holder(facts)
    return "" if holder is None else holder.name


def _oldest(facts: Facts, kind: _Kind) -> list[str]:
    aged = () if isinstance(facts.aged, Unlooked) else facts.aged
    ordered = sorted(aged, key=lambda one: -kind.of_table(one)[0])
    return list(dict.fromkeys(one.name for one in ordered if not one.temporary))[:5]


def _age_remedies(
    database: str, tables: list[str], facts: Facts, *, own: bool
) -> tuple[Remedy, ...]:
    named = tuple(
        Remedy(
            sentence=N_("Vacuum the oldest tables; nobody has to wait for that."),
            command=vacuum_command(name),
            risk="safe",
        )
        for name in (tables[:3] if own else ())
    )
    aged = () if isinstance(facts.aged, Unlooked) else facts.aged
    end = Remedy(
        sentence=N_("End the sessions with old temporary tables: nobody else can vacuum those.")
    )
    temporary = own and any(one.temporary for one in aged[:3])
    return (*named, *((_all_old(database),) if database else ()), *((end,) if temporary else ()))


def _all_old(database: str) -> Remedy:
    return Remedy(
        sentence=N_("Vacuum all old tables of the database; a superuser may, or its owner."),
        command=f"vacuumdb --min-xid-age=100000000 --dbname={shlex.quote(database)}",
    )


def _holders(say: Say, facts: Facts, policy: Policy) -> Said:
    server = facts.server
    if isinstance(facts.holders, Unlooked):
        return no_answer(say, facts.holders, facts)
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    blamed = {id(need.holder) for need in needs_of(facts, policy) if need.holder}
    found = [_holder(say, one, server, policy, blamed=id(one) in blamed) for one in facts.holders]
    bad = [one for one in found if one.level != "ok"]
    if bad:
        return tuple(bad)
    if not server.sees_all:
        hidden = Unlooked(N_("what other roles' sessions do is hidden"))
        return (say.unknown(hidden, monitor(facts)),)
    return (say("ok", N_("nothing old keeps dead rows from being removed")),)


def _holder(say: Say, one: Holder, server: Server, policy: Policy, *, blamed: bool) -> Finding:
    held = None if one.since is None else server.asked_at - one.since
    levels: list[Level] = [
        by(one.transactions, policy.horizon_warning, policy.horizon_critical),
        "warning" if blamed else "ok",
    ]
    if held is not None:
        settled = one.kind == "prepared"
        levels.append(
            by(
                held.total_seconds(),
                (policy.prepared_warning if settled else policy.holding_warning).total_seconds(),
                (policy.prepared_critical if settled else policy.holding_critical).total_seconds(),
            )
        )
    level = max(levels, key=LEVELS.index)
    sentence, cause = _words(one)
    return say(
        level,
        sentence,
        one.name,
        () if level == "ok" else _ends(one),
        cause=cause if level != "ok" else "",
        thing=of_any(one.name) if one.kind == "prepared" else None,
        age="–" if held is None else amount(held),
        age_seconds=None if held is None else round(held.total_seconds()),
        count=f"{one.transactions:,}",
        transactions=one.transactions,
        kind=one.kind,
        process=one.process,
        application=one.application,
        state=one.state,
        agent=one.agent,
        task=one.task,
    )


def _words(one: Holder) -> tuple[str, str]:
    match one.kind:
        case "session":
            text = N_(
                "a session of {subject} has kept dead rows for {age}: process {process}, {state}"
            )
            cause = N_("a transaction was left open, or its query takes long")
            if one.agent:
                cause = N_("it works for the agent {agent}, task {task}")
            return text, cause
        case "prepared":
            text = N_("the prepared transaction {subject} has kept dead rows for {age}")
            return text, N_("whoever prepared it never came back")
        case "standby":
            text = N_("the standby {subject} keeps the dead rows of {count} transactions")
            return text, N_("a long query on the standby, told by hot_standby_feedback")
        case "slot":
            text = N_("the slot {subject} keeps the dead rows of {count} transactions")
            return text, N_("its standby is away, or runs a long query")
        case "catalogue slot":
            text = N_("the slot {subject} keeps the catalogue's dead rows of {count} transactions")
            return text, N_("nobody reads from it, or its reader is behind")


def _ends(one: Holder) -> tuple[Remedy, ...]:
    match one.kind:
        case "session":
            limit = Remedy(
                sentence=N_("So that it does not come back: limit idle transactions."),
                sql=f"ALTER ROLE {identifier(one.name)} "
                "SET idle_in_transaction_session_timeout = '5min'",
            )
            end = Remedy(
                sentence=N_("End the session, if nobody needs what it does."),
                sql=f"SELECT pg_terminate_backend({one.process})",
                risk="careful",
            )
            return (end, limit) if one.name else (end,)
        case "prepared":
            sentence = N_("Ask who prepared it; then commit it, or roll it back.")
            sql = f"ROLLBACK PREPARED {literal(one.name)}"
            return (Remedy(sentence=sentence, sql=sql, risk="destroys"),)
        case "standby":
            sentence = N_("End the long query on the standby.")
            return (Remedy(sentence=sentence, sql="SELECT * FROM pg_stat_activity"),)
        case "slot" | "catalogue slot":
            return (
                Remedy(sentence=N_("Find out whose slot it is, and start its reader again.")),
                Remedy(
                    sentence=N_(
                        "If nobody needs it any more: drop it. Its reader must begin anew then."
                    ),
                    sql=f"SELECT pg_drop_replication_slot({literal(one.name)})",
                    risk="destroys",
                ),
            )


AGE_CHECKS = (
    VacuumCheck(
        code="V06",
        title=N_("Age of the oldest transaction"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 110 % of autovacuum_freeze_max_age, or 50 % of 2^31 / > 125 % and no vacuum "
            "at work, or 75 %"
        ),
        contact="dba",
        cause=N_("autovacuum does not get through the oldest tables"),
        proof=N_("the age falls to about vacuum_freeze_min_age when the oldest tables are done."),
        meaning="Every row knows its transaction by a number of 32 bits. Vacuum freezes old "
        "ones in time; where it can't, the server refuses to write before the numbers run out.",
        idea="vacuum the tables that the finding names; end first what keeps their rows (V08).",
        decide=_xids,
    ),
    VacuumCheck(
        code="V07",
        title=N_("Age of the oldest multixact"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 110 % of autovacuum_multixact_freeze_max_age, or 50 % of 2^31 / > 125 % and "
            "no vacuum at work, or 75 %"
        ),
        contact="dba",
        cause=N_("autovacuum does not get through the oldest tables"),
        proof=N_("the age falls when the oldest tables are vacuumed."),
        meaning="A row that several transactions lock has a multixact, which has numbers of its "
        "own; foreign keys and `SELECT … FOR SHARE` make them.",
        idea="as for V06.",
        decide=_multixacts,
    ),
    VacuumCheck(
        code="V08",
        title=N_("What keeps dead rows from being removed"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 1 h or 10 million transactions, or a vacuum in vain, prepared ones > 5 min / "
            "> 6 h or 100 million, prepared ones > 1 h"
        ),
        contact="dba",
        proof=N_("the oldest transaction is young, and a vacuum removes the dead rows."),
        meaning="Vacuum removes no row that somebody may still see: a session with an old "
        "snapshot, a standby that tells what it reads, a replication slot, a prepared transaction.",
        idea="end the session, settle the prepared transaction, or see to the slot.",
        decide=_holders,
    ),
)
