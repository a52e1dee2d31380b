"""What runs now: who blocks whom, what lasts long, and what is held open, S01 to S05."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from agentpg.db import literal
from agentpg.desk.check import Say, Unlooked, amount, by, of_any
from agentpg.desk.doctor.slow.facts import Facts, Prepared
from agentpg.desk.doctor.slow.naming import (
    doing,
    is_backup,
    of_kind,
    of_session,
    remedies_for,
    takes_its_time,
    waits_for_its_reader,
    whose,
)
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import MOST, Said, SlowCheck, all_well, no_answer
from agentpg.desk.doctor.slow.tree import Node, blocking_trees
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.monitor.sessions import Session
from agentpg.language import N_

_UNREAD = N_("its client does not read what it was given: it hangs, or the network does")


def _blocked(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.activity, Unlooked):
        return no_answer(say, facts.activity, facts)
    found = [_root(say, node, policy) for node in blocking_trees(facts)]
    bad = [one for one in found if one.level != "ok"]
    return tuple(bad[:MOST]) or all_well(say, facts, N_("nobody waits long for a lock"))


def _root(say: Say, node: Node, policy: Policy) -> Finding:
    longest = node.longest_seconds
    level = _by_time(longest, policy.wait, policy.wait_critical)
    if level == "critical" and all(_waits_by_design(one) for one in node.all_below()):
        level = "warning"
    if level == "ok" and node.blocked > policy.blocked:
        level = "warning"
    text = N_("process {pid} blocks others: {blocked}, the longest for {wait}; {why} ({subject})")
    if node.prepared:
        text = N_(
            "the prepared transaction {subject} blocks others: {blocked}, the longest for {wait}"
        )
    first = max(node.below, key=lambda one: one.waiting_seconds)
    return say(
        level,
        text,
        whose(node.session, node.prepared),
        () if level == "ok" else tuple(_against(node)),
        cause=_cause(node),
        thing=of_any(node.prepared) or of_kind(node.session),
        **{
            **of_session(node.session),
            "pid": node.pid,
            "blocked": node.blocked,
            "blocked_pids": sorted({one.pid for one in node.all_below()}),
            "wait": amount(longest),
            "wait_seconds": round(longest, 1),
            "wanted": first.wait.wanted if first.wait else "",
            "why": doing(node),
        },
    )


def _waits_by_design(node: Node) -> bool:
    """Whether it waits for its turn, or for the end of older transactions, and holds up nobody:
    an advisory lock, an index that is built concurrently, a vacuum that tries again."""
    if node.session is not None and node.session.kind == "autovacuum worker":
        return True
    return node.wait is not None and node.wait.kind in ("advisory", "virtualxid")


def _against(node: Node) -> Iterable[Remedy]:
    if node.prepared:
        return (_settle_prepared(node.prepared),)
    return () if node.session is None else remedies_for(node.session)


def _cause(node: Node) -> str:
    if node.session is not None and node.session.is_idle_in_transaction:
        return N_("its program does other work before it commits, or has forgotten to, or hangs")
    if node.prepared:
        return N_("who coordinates it has not said how it ends")
    return N_("its transaction takes long and holds {wanted}, which others want")


def _queries(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(one: Session) -> Level:
        may_last = takes_its_time(one) and not waits_for_its_reader(one)
        if one.state != "active" or one.blocked_by or may_last:
            return "ok"
        seconds = one.query_seconds or 0.0
        if seconds > policy.query_warning.total_seconds():
            return "warning"
        return "info" if seconds > policy.query.total_seconds() else "ok"

    return _sessions(
        say,
        facts,
        judge,
        lambda one: one.query_seconds or 0.0,
        N_("process {pid} ({subject}) has run one statement for {age}: {query}"),
        N_("no statement runs for long"),
    )


def _transactions(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(one: Session) -> Level:
        # What idles, and what is one long statement, is told by itself.
        if one.is_idle_in_transaction or takes_its_time(one) or _is_one_statement(one):
            return "ok"
        seconds = one.transaction_seconds or 0.0
        return _by_time(seconds, policy.transaction, policy.transaction_critical)

    return _sessions(
        say,
        facts,
        judge,
        lambda one: one.transaction_seconds or 0.0,
        N_("process {pid} ({subject}) has had its transaction open for {age}; now {query}"),
        N_("no transaction is open for long"),
    )


def _is_one_statement(session: Session) -> bool:
    before = (session.transaction_seconds or 0.0) - (session.query_seconds or 0.0)
    return session.state == "active" and before < 1


def _idle(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(one: Session) -> Level:
        # pg_dump's first session waits for its others, and a backup's for its files.
        if not one.is_idle_in_transaction or is_backup(one):
            return "ok"
        return _by_time(one.state_seconds or 0.0, policy.idle, policy.idle_critical)

    return _sessions(
        say,
        facts,
        judge,
        lambda one: one.state_seconds or 0.0,
        N_("process {pid} ({subject}) has left its transaction open and idle for {age}: {query}"),
        N_("no transaction is open and idle"),
    )


def _sessions(
    say: Say,
    facts: Facts,
    judge: Callable[[Session], Level],
    lasting: Callable[[Session], float],
    sentence: str,
    well: str,
) -> Said:
    """A finding for each session that is not ok, the longest first."""
    if isinstance(facts.activity, Unlooked):
        return no_answer(say, facts.activity, facts)
    levels = {one.pid: judge(one) for one in facts.activity.sessions}
    bad = [one for one in facts.activity.sessions if levels[one.pid] != "ok"]
    bad.sort(key=lambda one: -lasting(one))
    found = [
        say(
            levels[one.pid],
            sentence,
            whose(one),
            tuple(remedies_for(one)),
            cause=_UNREAD if waits_for_its_reader(one) else "",
            thing=of_kind(one),
            age=amount(lasting(one)),
            age_seconds=round(lasting(one), 1),
            left_out=max(len(bad) - MOST, 0),
            **of_session(one),
        )
        for one in bad[:MOST]
    ]
    return tuple(found) or all_well(say, facts, well)


def _prepared(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.prepared, Unlooked):
        return no_answer(say, facts.prepared, facts)
    found = [_one_prepared(say, one, facts, policy) for one in facts.prepared]
    bad = [one for one in found if one.level != "ok"]
    # Everybody may see them.
    return tuple(bad[:MOST]) or (say("ok", N_("no prepared transaction is left behind")),)


def _one_prepared(say: Say, one: Prepared, facts: Facts, policy: Policy) -> Finding:
    since = timedelta() if isinstance(facts.server, Unlooked) else facts.server.now - one.since
    seconds = max(since.total_seconds(), 0.0)
    level = _by_time(seconds, policy.prepared, policy.prepared_critical)
    return say(
        level,
        N_("the prepared transaction {subject} of {role} has waited for its end for {age}"),
        one.name,
        () if level == "ok" else (_settle_prepared(one.name),),
        thing=of_any(one.name),
        role=one.role,
        database=one.database,
        age=amount(seconds),
        age_seconds=round(seconds),
        transactions=one.transactions,
    )


def _settle_prepared(name: str) -> Remedy:
    return Remedy(
        sentence=N_("Ask who prepared it; then commit it, or roll it back."),
        sql=f"ROLLBACK PREPARED {literal(name)}",
        risk="destroys",
    )


def _by_time(seconds: float, warning: timedelta, critical: timedelta) -> Level:
    return by(seconds, warning.total_seconds(), critical.total_seconds())


_DEFAULTS = Policy().thresholds

SESSION_CHECKS = (
    SlowCheck(
        code="S01",
        title=N_("Who blocks whom"),
        levels=("warning", "critical"),
        threshold=_DEFAULTS["S01"],
        contact="dba",
        proof=N_("nobody waits for it any more: `agentpg doctor slow` shows no tree."),
        meaning=(
            "Sessions that wait for a lock, by the one at the root that holds it and waits for "
            "nobody. It is named with its agent, task and attempt where its application_name has "
            "the id of a worker or of a task; a worker's sessions have."
        ),
        idea="have the root commit, cancel its statement, or end its session; not the others.",
        decide=_blocked,
    ),
    SlowCheck(
        code="S02",
        title=N_("Statements that run for long"),
        levels=("info", "warning"),
        threshold=_DEFAULTS["S02"],
        contact="dba",
        cause=N_("it reads much more than it gives, or gives very much"),
        proof=N_("the statement has ended, and takes less when it runs again."),
        meaning=(
            "Backups, vacuum and the building of indexes take their time, and are not counted. A "
            "long statement alone harms nobody, so it is never critical; what waits for it is S01."
        ),
        idea="look at its plan by `EXPLAIN`; cancel it where nobody waits for its answer.",
        decide=_queries,
    ),
    SlowCheck(
        code="S03",
        title=N_("Transactions that are open for long"),
        levels=("warning", "critical"),
        threshold=_DEFAULTS["S03"],
        contact="dba",
        cause=N_("too much is done in one transaction"),
        proof=N_("the oldest transaction is young."),
        idea="commit in smaller parts; `transaction_timeout` (PostgreSQL 17) bounds a role.",
        decide=_transactions,
    ),
    SlowCheck(
        code="S04",
        title=N_("Transactions that are open and idle"),
        levels=("warning", "critical"),
        threshold=_DEFAULTS["S04"],
        contact="dba",
        cause=N_("its program does other work before it commits, or has forgotten to, or hangs"),
        proof=N_("the session is idle without a transaction, or gone."),
        idea=(
            "commit before other work, such as a call to a model; "
            "`idle_in_transaction_session_timeout` for the role bounds it."
        ),
        decide=_idle,
    ),
    SlowCheck(
        code="S05",
        title=N_("Prepared transactions that nobody ends"),
        levels=("warning", "critical"),
        threshold="> 5 min / > 1 h",
        contact="dba",
        cause=N_("who coordinates it has not said how it ends"),
        proof=N_("it is no longer in pg_prepared_xacts."),
        idea="commit it or roll it back, as who prepared it says: it holds its locks for ever.",
        decide=_prepared,
    ),
)
