"""How a server is used: connections, and what is rolled back, H01 and H06."""

from __future__ import annotations

from typing import Any

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked, amount, by
from agentpg.desk.doctor.server.facts import Connections, Counters, Facts, Limit
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.doctor.server.saying import Said, ServerCheck
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_WHO = Remedy(
    sentence=N_("See who has them, and for what."), command="agentpg monitor activity --all"
)
_FEWER = Remedy(
    sentence=N_("Let programs share connections: a smaller pool, fewer workers, or a pooler."),
)
_REFUSED = N_("a program opens one connection after another, or many run at once")


def _connections(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.connections, Unlooked):
        return (say.unknown(facts.connections),)
    limits = () if isinstance(facts.limits, Unlooked) else facts.limits
    found = [_limited(say, limit, policy) for limit in limits]
    bad = [one for one in found if one.level != "ok"]
    of_all = _of_all(say, facts.connections, facts, policy)
    said = [of_all, *bad] if of_all.level != "ok" or not bad else bad
    return (*said, *((say.unknown(facts.limits),) if isinstance(facts.limits, Unlooked) else ()))


def _of_all(say: Say, connections: Connections, facts: Facts, policy: Policy) -> Finding:
    usable = facts.server.usable
    level = _level(connections.sessions, usable, policy)
    most = " ".join(part for part in (connections.role, connections.application) if part)
    text = N_("{sessions} of {usable} connections are used")
    if level != "ok":
        text = N_("{sessions} of {usable} connections are used, {of_them} of them by {most}")
    raised = Remedy(
        sentence=N_("Or allow more, if there is memory for that; it takes a restart."),
        sql=f"ALTER SYSTEM SET max_connections = {usable * 2}",
        risk="careful",
    )
    return say(
        level,
        text,
        remedies=() if level == "ok" else (_WHO, _FEWER, raised),
        sessions=connections.sessions,
        usable=usable,
        of_them=connections.of_them,
        most=most,
    )


def _limited(say: Say, limit: Limit, policy: Policy) -> Finding:
    level = _level(limit.sessions, limit.most, policy)
    text = N_("the role {subject} has {sessions} of the {usable} connections that it may have")
    if limit.kind == "database":
        text = N_("the database {subject} has {sessions} of the {usable} that it may have")
    raised = Remedy(
        sentence=N_("Or let it have more."),
        sql=f"ALTER {limit.kind.upper()} {identifier(limit.name)} "
        f"CONNECTION LIMIT {limit.most * 2}",
        risk="careful",
    )
    remedies = () if level == "ok" else (_WHO, _FEWER, raised)
    return say(level, text, limit.name, remedies, sessions=limit.sessions, usable=limit.most)


def _level(sessions: int, usable: int, policy: Policy) -> Level:
    # The last one of a small number may be a large share, and is no trouble yet.
    if sessions >= usable:
        return "critical"
    return by(sessions / usable, policy.connections_warning, policy.connections_critical)


def _rolled_back(say: Say, facts: Facts, policy: Policy) -> Said:
    counted = facts.counted
    if isinstance(counted, Unlooked):
        return (say.unknown(counted),)
    ended = counted.commits + counted.rollbacks
    share = counted.rollbacks / ended if ended else 0.0
    level: Level = "ok"
    if ended >= policy.least_transactions:
        level = by(share, policy.rolled_back_warning, policy.rolled_back_critical)
    see = Remedy(
        sentence=N_("Read in the server's log which statements fail, and whose they are."),
        command="agentpg monitor activity",
    )
    return (
        say(
            level,
            N_(
                "{percent} % of {transactions} transactions of {subject} were rolled back in {span}"
            ),
            facts.server.database,
            () if level == "ok" else (see,),
            percent=round(share * 100, 1),
            transactions=ended,
            rollbacks=counted.rollbacks,
            **_span(counted, facts),
        ),
    )


def _span(counted: Counters, facts: Facts) -> dict[str, Any]:
    """Since when it was counted."""
    since = counted.since or facts.server.started_at
    seconds = (facts.server.asked_at - since).total_seconds()
    return {"span": amount(seconds), "span_seconds": round(seconds)}


USE_CHECKS = (
    ServerCheck(
        code="H01",
        title=N_("Connections that are used"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 75 % / > 90 % of those for ordinary roles, or of a role's or a database's own limit"
        ),
        contact="ops",
        cause=_REFUSED,
        proof=N_("`agentpg monitor activity` shows fewer sessions, and new ones get in."),
        idea="find who has them, and let programs share connections.",
        decide=_connections,
    ),
    ServerCheck(
        code="H06",
        title=N_("Transactions that are rolled back"),
        levels=("warning", "critical"),
        threshold=N_("> 10 % / > 30 %, from 1,000 transactions on"),
        contact="dba",
        cause=N_("statements of a program fail again and again, or it gives up its transactions"),
        proof=N_("the share falls in the next hour."),
        meaning="Since the sample of an hour ago that MaintenanceAgent has kept, or else since the "
        "statistics began.",
        idea="read in the server's log which statements fail.",
        decide=_rolled_back,
    ),
)
