"""Why a connection fails, C00 to C40: decided on frozen facts.

The first finding is the cause: what stopped the visit that came furthest. Others follow as
information, such as another host of the same connection string that is down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agentpg.desk.doctor.connection import (
    findings_login,
    findings_network,
    findings_state,
    findings_tls,
    findings_way,
)
from agentpg.desk.doctor.connection.case import Case
from agentpg.desk.doctor.connection.facts import Facts, Reply, Visit
from agentpg.desk.finding import Finding

CHECKS = (
    findings_state.IN,
    *findings_way.WAY_CHECKS,
    *findings_tls.TLS_CHECKS,
    *findings_login.LOGIN_CHECKS,
    *findings_state.STATE_CHECKS,
)

# How a server asks for a password: as it is, by MD5, by SCRAM.
_BY_PASSWORD = (3, 5, 10)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """What is wrong, the cause first; one finding of level ok where nothing is."""
    if facts.wrong is not None or facts.wanted is None:
        return (findings_way.string(facts.wrong),) if facts.wrong else ()
    visit = facts.furthest
    if visit is None:
        return tuple(findings_way.name(went) for went in facts.went)
    case = Case(facts, facts.wanted, visit)
    first = _first(case)
    return first, *_notes(case), *_others(case, first)


def _first(case: Case) -> Finding:
    """The cause; what the driver came to counts where only that begins as is wanted."""
    login, visit = case.facts.login, case.visit
    if login is not None and not login.error:
        return findings_state.comes_in(case)
    if login is not None and case.wanted.by_gss and not visit.error and not visit.place.folder:
        return findings_state.not_by_driver(case, login)
    return _cause(case)


def _cause(case: Case) -> Finding:
    """What stopped this visit, or that nothing did."""
    visit, login = case.visit, case.facts.login
    if visit.error:
        return findings_network.unreached(case)
    reply = visit.reply
    if not visit.unanswered or reply is not None:
        tls = _by_tls(case, reply)
        if tls is not None:
            return tls
    if reply is None or visit.unanswered:
        return findings_way.unanswered(case)
    if reply.ending == "refused":
        return _refused(case)
    if reply.ending == "asked":
        return _asked(case, reply)
    if login is not None and login.error:
        if case.wanted.session != "any":
            return findings_state.wrong_node(case, login)
        return findings_state.not_by_driver(case, login)
    return findings_state.comes_in(case)


def _by_tls(case: Case, reply: Reply | None) -> Finding | None:
    """What TLS has to do with it; None where it has nothing."""
    visit, key = case.visit, case.facts.key
    if visit.greeting == "plain" and case.wanted.wants_tls:
        return findings_tls.not_offered(case)
    wants = visit.greeting == "tls" and case.wanted.wants_tls
    if key is not None and key.problem and wants:
        return findings_tls.our_key(key)
    not_so = case.refusal.sqlstate == "28000"
    if visit.tls is not None and visit.tls.problem and (reply is None or not_so):
        return findings_tls.not_agreed(case, visit.tls)
    return None


def _asked(case: Case, reply: Reply) -> Finding:
    """The server asked who we are, and was not answered."""
    if reply.method in _BY_PASSWORD and not case.wanted.has_password:
        return findings_login.no_password(case)
    login = case.facts.login
    if login is not None and not login.error:
        return findings_state.comes_in(case)
    return findings_state.not_by_driver(case, login)


def _refused(case: Case) -> Finding:
    refusal = case.refusal
    if not refusal.by_postgres:
        return findings_state.by_pooler(case)
    match refusal.sqlstate, refusal.routine:
        case "28000", _:
            return _unauthorized(case)
        case "28P01", _:
            return findings_login.password(case)
        case "3D000", _:
            return findings_login.database(case)
        case "55000", _:
            return findings_login.closed_database(case)
        case "42501", "CheckMyDatabase":
            return findings_login.no_connect(case)
        case "53300", _:
            return findings_login.full(case)
        case "57P03", _:
            return findings_state.not_now(case)
    return findings_state.otherwise(case)


def _unauthorized(case: Case) -> Finding:
    """SQLSTATE 28000 has several causes; which, the place in the server's source tells."""
    other = case.visit.other
    if not case.visit.by_tls and other is not None and not _is_unauthorized(other):
        return findings_tls.demanded(case)
    match case.refusal.routine:
        case "auth_failed":
            return findings_login.not_him(case)
        case "InitializeSessionUserId":
            return findings_login.role(case)
        case "ClientAuthentication":
            # Refusals by pg_hba.conf name the client's address, in any language.
            if findings_login.names_an_address(case.refusal.message):
                return findings_login.not_by_hba(case)
            return findings_tls.client_certificate(case)
    return findings_state.otherwise(case)


def _is_unauthorized(reply: Reply) -> bool:
    return reply.refusal is not None and reply.refusal.sqlstate == "28000"


def _notes(case: Case) -> Iterator[Finding]:
    """What is worth knowing where one comes in."""
    login = case.facts.login
    if login is None or login.error:
        return
    if login.pooled:
        yield findings_state.through_pooler(case)
    soon = findings_tls.ends_soon(case)
    if soon is not None:
        yield soon


def _others(case: Case, first: Finding) -> Iterator[Finding]:
    """The other hosts and addresses that do not let one in, as information."""
    known = {(first.code, first.subject)}
    for went in case.facts.went:
        found = [_cause(replace(case, visit=visit)) for visit in _failed(went.visits, case)]
        if went.resolved is not None and not went.resolved.addresses:
            found = [findings_way.name(went)]
        for one in found:
            if (one.code, one.subject) not in known:
                known.add((one.code, one.subject))
                yield replace(one, level="info")


def _failed(visits: tuple[Visit, ...], case: Case) -> list[Visit]:
    return [visit for visit in visits if visit is not case.visit and not visit.is_in]
