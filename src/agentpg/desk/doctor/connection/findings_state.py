"""What else keeps one out, C34 to C40: the server's state, who is between, and the rest."""

from __future__ import annotations

from typing import Any

from agentpg.desk.check import Check, Say
from agentpg.desk.doctor.connection.case import Case, check, log_of, quickly
from agentpg.desk.doctor.connection.facts import Login
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

IN = Check(
    code="C00",
    title=N_("The connection"),
    levels=(),
    threshold="",
    contact="dba",
    meaning="All steps were gone to the end, and the driver has logged in.",
)
STARTING = check(
    "C34",
    N_("The server is starting up"),
    cause=N_("it was just started, or a process crashed and it recovers"),
    contact="ops",
    meaning="SQLSTATE 57P03. It replays its log since the last checkpoint; that ends by itself.",
    idea="wait, and watch the log; where it begins again and again, the log says why.",
)
STOPPING = check(
    "C35",
    N_("The server is shutting down"),
    cause=N_("somebody stops or restarts it"),
    contact="ops",
    meaning="SQLSTATE 57P03. In the mode smart it waits for all sessions to end.",
    idea="ask who stops it; start it again when it has ended.",
)
RECOVERING = check(
    "C36",
    N_("The server recovers, and takes no connections meanwhile"),
    cause=N_("it is a standby with `hot_standby` off, or it has not replayed enough yet"),
    contact="ops",
    meaning="SQLSTATE 57P03 with a detail that says which.",
    idea="connect to the primary; or turn `hot_standby` on, or wait until it is consistent.",
)
POOLER = check(
    "C37",
    N_("A pooler is in between"),
    cause=N_("the address is that of PgBouncer or its like"),
    meaning="As a finding it was the pooler that refused, not PostgreSQL: its error lacks the "
    "fields that PostgreSQL sends. As information: one came in through a pooler. In transaction "
    "mode prepared statements of others are in the way (SQLSTATE 26000, 42P05), and what is set "
    "for a session is gone after the transaction; agentpg prepares nothing there.",
    idea="see the pooler's own log and its lists of databases and users, or go past it.",
    info=True,
)
NODE = check(
    "C38",
    N_("The server is not of the kind that is wanted"),
    cause=N_("the server is a standby, or only reads, or the primary has changed"),
    contact="ops",
    meaning="libpq says: session is read-only, or server is in hot standby mode. "
    "`target_session_attrs` wants another.",
    idea="name all servers in the connection string, so that libpq finds the one.",
)
METHOD = check(
    "C39",
    N_("The driver does not get in"),
    cause=N_("the server asks for what this libpq cannot or may not do"),
    meaning="The server asks by Kerberos, LDAP, OAuth or another method, or a parameter such as "
    "`require_auth` or `channel_binding` forbids what it asks. libpq's own words are shown.",
    idea="compare the method in pg_hba.conf with what the client has.",
)
OTHER = check(
    "C40",
    N_("The server refuses for another reason"),
    cause=N_("the server's own words and its log say what it is"),
    meaning="The SQLSTATE and the server's sentence are shown.",
    idea="read the server's log at this moment.",
)

STATE_CHECKS = (STARTING, STOPPING, RECOVERING, POOLER, NODE, METHOD, OTHER)


def comes_in(case: Case) -> Finding:
    """All is well."""
    login = case.facts.login
    text = N_("{user} gets in at {subject}, to {database}, in {time}")
    told = case.visit.reply.told if case.visit.reply else {}
    seconds = case.visit.connect_seconds + (login.seconds if login else 0.0)
    return Say(IN)(
        "ok",
        text,
        case.name,
        user=case.wanted.user,
        database=case.wanted.database,
        time=quickly(seconds),
        seconds=round(seconds, 3),
        server_version=told.get("server_version", ""),
    )


def not_now(case: Case) -> Finding:
    """A server that starts, stops or recovers."""
    status = case.server.status if case.server else ""
    log = Remedy(sentence=N_("Watch its log."), command=case.log_command)
    again = Remedy(sentence=N_("Look again."), command=case.doctor())
    said = {"said": case.refusal.message, "detail": case.refusal.detail, "status": status}
    evidence: dict[str, Any] = {**said, "log": list(case.around.log)}
    if status == "stopping" or case.visit.later is None:
        text = N_("{subject} is shutting down")
        start = Remedy(sentence=N_("When it has ended, start it."), command=case.start)
        return Say(STOPPING)("critical", text, case.name, (log, start), **evidence)
    if case.refusal.detail:
        text = N_("{subject} recovers and takes no connections: {said}")
        primary = Remedy(
            sentence=N_("Connect to the primary."), command=case.doctor(host="PRIMARY")
        )
        let = Remedy(
            sentence=N_("Let the standby be read, and restart it."),
            sql=case.sql("allow_reads"),
            risk="careful",
        )
        return Say(RECOVERING)("critical", text, case.name, (primary, let, log), **evidence)
    text = N_("{subject} is starting up or recovers from a crash")
    return Say(STARTING)("critical", text, case.name, (again, log), **evidence)


def by_pooler(case: Case) -> Finding:
    """What a pooler says by itself."""
    text = N_("a pooler at {subject} refuses {user}: {said}")
    past = Remedy(
        sentence=N_("Look at the server itself, past the pooler."),
        command=case.doctor(host="SERVER", port=5432),
    )
    lists = Remedy(
        sentence=N_("See which databases and users the pooler knows."),
        command=f"psql {_console(case)} -c 'SHOW DATABASES'",
    )
    return Say(POOLER)(
        "critical",
        text,
        case.name,
        (lists, past),
        user=case.wanted.user,
        database=case.wanted.database,
        said=case.refusal.message,
        sqlstate=case.refusal.sqlstate,
    )


def through_pooler(case: Case) -> Finding:
    """One that let us in."""
    text = N_("a pooler is in between: what is set for a session may not last")
    rules = Remedy(
        sentence=N_("Prepare no statements there by name, and set nothing for the session."),
        command="agentpg status",
    )
    return Say(POOLER)("info", text, case.name, (rules,))


def wrong_node(case: Case, login: Login) -> Finding:
    """A server that is well, and not of the kind that is wanted."""
    told = case.visit.reply.told if case.visit.reply else {}
    standby = told.get("in_hot_standby") == "on"
    text = N_("{subject} is no standby, and target_session_attrs={wanted} wants another")
    if standby:
        text = N_("{subject} is a standby, and target_session_attrs={wanted} wants another")
    elif told.get("default_transaction_read_only") == "on":
        text = N_("{subject} only reads, and target_session_attrs={wanted} wants another")
    every = Remedy(
        sentence=N_("Name all servers, so that the right one is found."),
        command=case.doctor(host="HOST1,HOST2", target_session_attrs=case.wanted.session),
    )
    return Say(NODE)(
        "critical", text, case.name, (every,), wanted=case.wanted.session, libpq=login.error
    )


def not_by_driver(case: Case, login: Login | None) -> Finding:
    """The driver's own refusal."""
    said = login.error if login else "?"
    reply = case.visit.reply
    method = reply.method if reply else None
    text = N_("libpq does not get in at {subject}: {said}")
    look = Remedy(
        sentence=N_("See which line of pg_hba.conf decides, as a superuser."),
        sql=case.sql("list_rules"),
    )
    mechanisms = list(reply.mechanisms) if reply else []
    evidence: dict[str, Any] = {"said": said, "method": method, "mechanisms": mechanisms}
    return Say(METHOD)("critical", text, case.name, (look,), **evidence)


def otherwise(case: Case) -> Finding:
    """Any other refusal, in the server's words."""
    text = N_("{subject} refuses: {said} (SQLSTATE {sqlstate})")
    return Say(OTHER)(
        "critical",
        text,
        case.name,
        (log_of(case),),
        said=case.refusal.message or "?",
        sqlstate=case.refusal.sqlstate or "?",
        detail=case.refusal.detail,
        hint=case.refusal.hint,
    )


def _console(case: Case) -> str:
    place = case.visit.place
    return f"-h {place.host or place.hostaddr} -p {place.port} pgbouncer"
