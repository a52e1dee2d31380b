"""What holds up others in the end: old snapshots, full tables of locks, deadlocks, S06 to S09."""

from __future__ import annotations

from collections import Counter

from agentpg.db import literal
from agentpg.desk.check import Say, Unlooked, amount, by, of_any
from agentpg.desk.doctor.slow.facts import Counters, Earlier, Facts, Holder, Log, Logged
from agentpg.desk.doctor.slow.naming import is_backup, of_kind, of_session, remedies_for, whose
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import MOST, Said, SlowCheck, all_well, no_answer, percent
from agentpg.desk.finding import LEVELS, Finding, Remedy
from agentpg.desk.monitor.sessions import Session
from agentpg.language import N_

# What keeps the horizon, by its kind.
_HOLDS = {
    "session": N_("process {pid} ({subject}) keeps the dead rows of {transactions} transactions"),
    "standby": N_("the standby {subject} keeps the dead rows of {transactions} transactions"),
    "slot": N_("the slot {subject} keeps the dead rows of {transactions} transactions"),
    "prepared": N_(
        "the prepared transaction {subject} keeps the dead rows of {transactions} transactions"
    ),
}

# Waits of a session that has nothing to do, or does it by design.
_NO_WAITS = ("Client", "Activity", "Timeout", "Extension")


def _horizon(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.holders, Unlooked):
        return no_answer(say, facts.holders, facts)
    found = [_holder(say, one, facts, policy) for one in facts.holders]
    bad = [one for one in found if one.level != "ok"]
    return tuple(bad[:MOST]) or all_well(
        say, facts, N_("nothing old keeps dead rows from being removed")
    )


def _holder(say: Say, one: Holder, facts: Facts, policy: Policy) -> Finding:
    session = _session(facts, one.pid)
    level = by(one.transactions, policy.horizon, policy.horizon_critical)
    seconds = None
    # A standby is connected for long, and asks for young snapshots all the time.
    if one.kind in ("session", "prepared") and one.since is not None:
        now = one.since if isinstance(facts.server, Unlooked) else facts.server.now
        seconds = max((now - one.since).total_seconds(), 0.0)
        lasting = by(
            seconds, policy.holding.total_seconds(), policy.holding_critical.total_seconds()
        )
        if lasting == "critical" and session is not None and is_backup(session):
            # It takes its time; what counts is what it keeps.
            lasting = "warning"
        level = max(level, lasting, key=LEVELS.index)
    said = {
        **of_session(session),
        "pid": one.pid,
        "kind": one.kind,
        "transactions": one.transactions,
        "age_seconds": None if seconds is None else round(seconds),
    }
    subject, thing = one.name, of_any(one.name) if one.kind == "prepared" else None
    if one.kind == "session" and session:
        subject, thing = whose(session), of_kind(session)
    remedies = _let_go(one, session, level)
    return say(level, _HOLDS[one.kind], subject, remedies, thing=thing, **said)


def _let_go(one: Holder, session: Session | None, level: str) -> tuple[Remedy, ...]:
    if level == "ok":
        return ()
    if one.kind == "prepared":
        sentence = N_("Ask who prepared it; then commit it, or roll it back.")
        sql = f"ROLLBACK PREPARED {literal(one.name)}"
        return (Remedy(sentence=sentence, sql=sql, risk="destroys"),)
    if one.kind == "slot":
        sentence = N_("Start its reader again, or drop it if nobody needs it.")
        sql = f"SELECT pg_drop_replication_slot({literal(one.name)})"
        return (Remedy(sentence=sentence, sql=sql, risk="destroys"),)
    if one.kind == "standby":
        sentence = N_("End the long query there, or turn its feedback off.")
        return (Remedy(sentence=sentence, sql="ALTER SYSTEM SET hot_standby_feedback = off"),)
    return () if session is None else tuple(remedies_for(session))


def _lock_table(say: Say, facts: Facts, policy: Policy) -> Said:
    table = facts.lock_table
    if isinstance(table, Unlooked):
        return no_answer(say, table, facts)
    share = table.taken / table.room
    level = by(share, policy.locks, policy.locks_critical)
    session = _session(facts, table.pid)
    more = Remedy(
        sentence=N_("Make the table larger; that takes a restart."),
        sql="ALTER SYSTEM SET max_locks_per_transaction = 256",
        risk="careful",
    )
    remedies = () if session is None else tuple(remedies_for(session))
    text = N_("{percent} % of the table of locks is taken: {taken} of {room}")
    if level != "ok" and session is not None:
        text = N_(
            "{percent} % of the table of locks is taken: {taken} of {room}, most of them by "
            "process {pid} ({subject})"
        )
    return (
        say(
            level,
            text,
            whose(session) if level != "ok" else "",
            () if level == "ok" else (more, *remedies),
            # One table, whoever fills it.
            thing="",
            percent=percent(share),
            taken=table.taken,
            room=table.room,
            of_most=table.of_most,
            **{**of_session(session), "pid": table.pid},
        ),
    )


def _waits(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.activity, Unlooked):
        return no_answer(say, facts.activity, facts)
    active = [one for one in facts.activity.sessions if one.state == "active" and not one.hidden]
    waits = Counter(
        f"{one.wait_type}: {one.wait_event}"
        for one in active
        # Locks have a check of their own.
        if one.wait_type and one.wait_type not in (*_NO_WAITS, "Lock")
    )
    [(common, number)] = waits.most_common(1) or [("", 0)]
    said = dict(waits.most_common(5))
    if number < policy.waiting_least or number <= policy.waiting_alike * len(active):
        if not facts.sees_all:
            return all_well(say, facts, "")
        text = N_("those that work do not wait for one and the same: {active}")
        return (say("ok", text, active=len(active), waits=said),)
    return (
        say(
            "info",
            N_("{number} of {active} sessions that work wait for {subject}"),
            common,
            number=number,
            active=len(active),
            waits=said,
        ),
    )


def _deadlocks(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.counters, Unlooked):
        return no_answer(say, facts.counters, facts)
    remedies = (_LOG_WAITS,) if _logs_no_waits(facts) else ()
    seen = _logged(facts)
    more = _more_deadlocks(facts.counters, facts.earlier)
    if more is not None and more[0]:
        number, seconds = more
        rate = number / max(seconds / 60, 1.0)
        return (
            say(
                "critical" if rate > policy.deadlocks_a_minute else "warning",
                N_("{number} deadlocks in {time}"),
                remedies=remedies,
                number=number,
                time=amount(seconds),
                seconds=round(seconds),
                statements=seen,
                total=facts.counters.deadlocks,
            ),
        )
    if more is None and facts.counters.deadlocks:
        text = N_("{number} deadlocks since the statistics began; how many of late is not known")
        number = facts.counters.deadlocks
        since = facts.counters.since
        return (say("info", text, remedies=remedies, number=number, since=since, statements=seen),)
    return (say("ok", N_("no deadlock was counted"), number=facts.counters.deadlocks),)


def _more_deadlocks(now: Counters, earlier: Earlier | None) -> tuple[int, float] | None:
    """How many there were since a sample was kept, and how long that is; None: not known."""
    before = None if earlier is None else earlier.counters.get("deadlocks")
    if earlier is None or before is None or before > now.deadlocks:
        return None
    return round(now.deadlocks - before), earlier.age_seconds


def _logged(facts: Facts) -> list[str]:
    entries: tuple[Logged, ...] = facts.log.entries if isinstance(facts.log, Log) else ()
    return [one.text for one in entries if one.kind == "deadlock"][-3:]


_LOG_WAITS = Remedy(
    sentence=N_("Let the log tell who waited for whom."),
    sql="ALTER SYSTEM SET log_lock_waits = on; SELECT pg_reload_conf()",
)


def _logs_no_waits(facts: Facts) -> bool:
    return not isinstance(facts.logging, Unlooked) and not facts.logging.tells_waits


def _session(facts: Facts, pid: int | None) -> Session | None:
    if pid is None or isinstance(facts.activity, Unlooked):
        return None
    return next((one for one in facts.activity.sessions if one.pid == pid), None)


LOCK_CHECKS = (
    SlowCheck(
        code="S06",
        title=N_("What keeps dead rows"),
        levels=("warning", "critical"),
        threshold=N_("> 10 million transactions or 1 h / > 100 million or 6 h"),
        contact="dba",
        cause=N_("a snapshot is old: vacuum may not remove what it could still see"),
        proof=N_("the oldest transaction is young, and vacuum removes the dead rows."),
        meaning=(
            "The horizon below which vacuum may remove dead rows of this database is held by the "
            "oldest snapshot: of a session, a standby with feedback, a slot, or a prepared "
            "transaction. Every scan reads what stays."
        ),
        idea="end the holder; then vacuum can do its work.",
        decide=_horizon,
    ),
    SlowCheck(
        code="S07",
        title=N_("Room in the table of locks"),
        levels=("warning", "critical"),
        threshold=N_("> 20 % / > 50 % of max_locks_per_transaction × max_connections"),
        contact="dba",
        cause=N_("one transaction touches very many tables, partitions or indexes"),
        proof=N_("the share falls when that transaction ends."),
        meaning="When it is full, statements of everybody fail with `out of shared memory`.",
        idea="touch fewer tables in one transaction, or raise `max_locks_per_transaction`.",
        decide=_lock_table,
    ),
    SlowCheck(
        code="S08",
        title=N_("What sessions that work wait for"),
        levels=("info",),
        threshold=N_("more than half of those that work, at least 4, wait for the same"),
        contact="dba",
        cause=N_("they compete for one thing, such as the disk or a page that all write"),
        proof=N_("the sessions wait for different things, or for nothing."),
        meaning=(
            "One look only: look several times before you act. `agentpg monitor top` shows it as "
            "it goes on. [What the names mean](https://www.postgresql.org/docs/current/"
            "monitoring-stats.html#WAIT-EVENT-TABLE)."
        ),
        idea="IO: more memory or a faster disk; LWLock: fewer sessions at a time.",
        decide=_waits,
    ),
    SlowCheck(
        code="S09",
        title=N_("Deadlocks"),
        levels=("info", "warning", "critical"),
        threshold=N_("> 0 / > 5 a minute, since a sample of yesterday; info without a sample"),
        contact="dba",
        cause=N_("transactions lock the same rows in different orders"),
        proof=N_("a day later no more were counted."),
        idea="lock rows in one order, such as by their id; the server's log has both statements.",
        decide=_deadlocks,
    ),
)
