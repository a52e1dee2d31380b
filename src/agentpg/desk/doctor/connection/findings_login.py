"""Why a server that answers does not let one in, C22 to C33: who may, and how many."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from agentpg.desk.check import Say
from agentpg.desk.doctor.connection.case import Case, check
from agentpg.desk.doctor.connection.facts import PRIVATE_START
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.hba.matching import Match
from agentpg.language import N_

NO_LINE = check(
    "C22",
    N_("No line of pg_hba.conf lets one in"),
    cause=N_("pg_hba.conf has no line for this address, role and database"),
    meaning="The server says: no pg_hba.conf entry (SQLSTATE 28000). The first line that fits "
    "decides; where none does, the server refuses. Seen from another machine, a line that rejects "
    "looks the same; the server's own words tell.",
    idea="add a line that is no wider than needed, and let the server read the file.",
    proof=N_("`pg_hba_file_rules` has the line without an error, and one gets in."),
)
REJECT_LINE = check(
    "C23",
    N_("A line of pg_hba.conf rejects the login"),
    cause=N_("a line with the method reject fits first"),
    meaning="The server says: pg_hba.conf rejects connection (SQLSTATE 28000).",
    idea="change that line, or put a narrower one that lets in before it.",
    proof=N_("`pg_hba_file_rules` has the lines in the right order, and one gets in."),
)
PASSWORD = check(
    "C24",
    N_("The password is refused"),
    cause=N_("the password is wrong or has expired, or there is no such role"),
    meaning="SQLSTATE 28P01. The server does not tell a wrong password from a role that is "
    "missing, has no password, has an expired one, or one by MD5 where SCRAM is asked; its log "
    "does.",
    idea="read the server's log, then set the password anew.",
)
NO_PASSWORD = check(
    "C25",
    N_("The server asks for a password, and none is given"),
    cause=N_("neither PGPASSWORD nor the password file has one for this host, port and role"),
    meaning="libpq says: no password supplied. It ignores a password file that others may read.",
    idea="put the password into `~/.pgpass`, with mode 0600.",
)
NOT_HIM = check(
    "C26",
    N_("The server does not believe who one is"),
    cause=N_("with peer or ident, the account on the machine is not called as the role"),
    meaning="The server says: Peer authentication failed, or the same of another method (SQLSTATE "
    "28000).",
    idea="come as the account of that name, or by TCP with a password, or map the names in "
    "`pg_ident.conf`.",
)
ROLE = check(
    "C27",
    N_("The role is missing, or may not log in"),
    cause=N_("the role was not created on this server, or without LOGIN"),
    meaning="SQLSTATE 28000, said after pg_hba.conf has let one in. With a password it looks as "
    "C24.",
    idea="create the role, or let it log in.",
)
DATABASE = check(
    "C28",
    N_("The database is missing"),
    cause=N_("it was not created on this server, or no name was given and the role's is taken"),
    meaning="SQLSTATE 3D000. Without a name, libpq takes the role's name.",
    idea="name the database, or create it; `agentpg setup` does.",
)
CLOSED_DATABASE = check(
    "C29",
    N_("The database takes no connections"),
    cause=N_(
        "somebody closed it (`datallowconn`), as a restore does, or dropping it was broken off"
    ),
    meaning="SQLSTATE 55000.",
    idea="open it again, after asking who closed it.",
)
NO_CONNECT = check(
    "C30",
    N_("The role may not connect to the database"),
    cause=N_("CONNECT was revoked from PUBLIC, and this role was not granted it"),
    meaning="SQLSTATE 42501.",
    idea="grant CONNECT to the role.",
)
FULL = check(
    "C31",
    N_("The server has no connection left"),
    cause=N_("sessions are left open, or more clients than `max_connections` come at once"),
    contact="ops",
    meaning="SQLSTATE 53300: sorry, too many clients already, or the remaining slots are reserved.",
    idea="end idle sessions, then let clients share connections through a pooler.",
)
ROLE_FULL = check(
    "C32",
    N_("The role has no connection left"),
    cause=N_("the role has a CONNECTION LIMIT, and as many sessions"),
    contact="ops",
    meaning="SQLSTATE 53300: too many connections for role.",
    idea="end its idle sessions, or raise its limit.",
)
DATABASE_FULL = check(
    "C33",
    N_("The database has no connection left"),
    cause=N_("the database has a CONNECTION LIMIT, and as many sessions"),
    contact="ops",
    meaning="SQLSTATE 53300: too many connections for database.",
    idea="end idle sessions in it, or raise its limit.",
)

LOGIN_CHECKS = (
    NO_LINE,
    REJECT_LINE,
    PASSWORD,
    NO_PASSWORD,
    NOT_HIM,
    ROLE,
    DATABASE,
    CLOSED_DATABASE,
    NO_CONNECT,
    FULL,
    ROLE_FULL,
    DATABASE_FULL,
)

# What an English server says where no line fits; in other languages one cannot tell.
_NO_ENTRY = "no pg_hba.conf entry"

# How an address stands in a sentence of any language.
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f]*|\[local\]")


def names_an_address(text: str) -> bool:
    """Whether the server's sentence names the client's address, as those on pg_hba.conf do."""
    return bool(_ADDRESS.search(text))


def not_by_hba(case: Case) -> Finding:
    """pg_hba.conf lets one not in: by no line, or by one."""
    rule = case.around.rule
    if isinstance(rule, Match):
        doubtful = None if _NO_ENTRY in case.refusal.message else rule.may_reject
        if doubtful is not None:
            return _perhaps_rejected(case, doubtful)
        if rule.number:
            return (_rejected if rule.method == "reject" else _not_loaded)(case, rule)
    text = N_("{subject} has no line in pg_hba.conf for {user}, {database} and this address")
    if not isinstance(rule, Match):
        text = N_("pg_hba.conf of {subject} does not let {user} in to {database}: {said}")
    add = Remedy(
        sentence=N_("Add this line."),
        command=f"echo {shlex.quote(_line(case))} >> {shlex.quote(_file(case))}",
        risk="careful",
    )
    return Say(NO_LINE)("critical", text, case.name, (add, case.reload), **_who(case))


def _perhaps_rejected(case: Case, rule: Match) -> Finding:
    text = N_("line {line} of {name} rejects {user} if it fits: {text}")
    cause = N_("the line names a group or a host; whether it fits, only the server knows")
    return _rejected(case, rule, text, cause)


def _rejected(
    case: Case,
    rule: Match,
    text: str = N_("line {line} of {name} rejects {user}: {text}"),
    cause: str = "",
) -> Finding:
    change = Remedy(
        sentence=N_("Put a line that lets in before it, or change it."),
        command=f"editor +{rule.number} {shlex.quote(rule.file)}",
        risk="careful",
    )
    return Say(REJECT_LINE)(
        "critical",
        text,
        case.name,
        (change, case.reload),
        cause=cause,
        line=rule.number,
        name=Path(rule.file).name,
        file=rule.file,
        text=rule.text,
        **_who(case),
    )


def _not_loaded(case: Case, rule: Match) -> Finding:
    text = N_("{subject} refuses {user}, though line {line} of {name} would let in")
    return Say(NO_LINE)(
        "critical",
        text,
        case.name,
        (case.reload,),
        cause=N_("the file was changed, and the server has not read it again"),
        line=rule.number,
        name=Path(rule.file).name,
        file=rule.file,
        **_who(case),
    )


def password(case: Case) -> Finding:
    """A password that is refused."""
    text = N_("{subject} refuses the password of {user}")
    log = Remedy(sentence=N_("The server's log says why."), command=case.log_command)
    set_anew = rf"\password {case.role}"
    again = Remedy(
        sentence=N_("Set it anew; this asks for it and sends a hash only."),
        command=case.psql(f"-c {shlex.quote(set_anew)}"),
    )
    return Say(PASSWORD)("critical", text, case.name, (log, again), **_who(case))


def no_password(case: Case) -> Finding:
    """A server that asks, and a client that has nothing to say."""
    say, file = Say(NO_PASSWORD), case.wanted.passwords
    path = shlex.quote(file.path)
    text = N_("{subject} asks {user} for a password, and none is given")
    place = case.visit.place
    line = f"{place.host or 'localhost'}:{place.port}:*:{case.wanted.user}:PASSWORD"
    add = Remedy(
        sentence=N_("Write it into the password file."),
        command=f"touch {path} && chmod 600 {path} && echo {shlex.quote(line)} >> {path}",
    )
    if file.problem == "mode":
        cause = N_("libpq ignores {file}, since others may read it (mode {mode})")
        close = Remedy(sentence=N_("Close it to others."), command=f"chmod 600 {path}")
        mode = f"{file.mode:04o}"
        evidence = {**_who(case), "file": file.path, "mode": mode}
        return say("critical", text, case.name, (close,), cause=cause, **evidence)
    if file.exists:
        cause = N_("{file} has no line for this host, port, database and role")
        evidence = {**_who(case), "file": file.path}
        return say("critical", text, case.name, (add,), cause=cause, **evidence)
    return say("critical", text, case.name, (add,), file=file.path, **_who(case))


def not_him(case: Case) -> Finding:
    """Peer and its like: the account is another."""
    rule = case.around.rule
    method = rule.method if isinstance(rule, Match) and rule.certain else ""
    text = N_("{subject} does not believe that {account} is {user}")
    if method:
        text = N_("{subject} does not believe that {account} is {user}, by the method {method}")
    become = Remedy(
        sentence=N_("Come as the account of that name."),
        command=f"sudo -u {shlex.quote(case.wanted.user)} psql {shlex.quote(case.dsn())}",
    )
    tcp = Remedy(
        sentence=N_("Or go by TCP, where a password is asked for."),
        command=case.doctor(host="127.0.0.1"),
    )
    remedies = (become, tcp) if case.visit.place.folder else (tcp,)
    said = {**_who(case), "account": case.around.account, "method": method}
    return Say(NOT_HIM)("critical", text, case.name, remedies, **said)


def role(case: Case) -> Finding:
    """A role that is missing or may not log in."""
    text = N_("{subject} has no role {user} that may log in")
    look = Remedy(
        sentence=N_("See whether it is there, and may log in."),
        sql=case.sql("find_role"),
    )
    create = Remedy(sentence=N_("Create it."), sql=case.sql("create_role"))
    allow = Remedy(sentence=N_("Or let it log in."), sql=case.sql("allow_login"))
    return Say(ROLE)("critical", text, case.name, (look, create, allow), **_who(case))


def database(case: Case) -> Finding:
    """A database that is missing."""
    text = N_("{subject} has no database {database}")
    cause = ""
    if not case.wanted.database_said:
        cause = N_("no database was named, so the role's name is taken")
    see = Remedy(sentence=N_("See which there are."), command=_list(case))
    create = Remedy(
        sentence=N_("Create it; `agentpg setup` makes role and tables too."),
        command=case.psql(f"-c {shlex.quote(case.sql('create_database'))}"),
    )
    return Say(DATABASE)("critical", text, case.name, (see, create), cause=cause, **_who(case))


def closed_database(case: Case) -> Finding:
    """A database that lets nobody in."""
    text = N_("the database {database} of {subject} takes no connections")
    see = Remedy(
        sentence=N_("See whether it is closed, or half dropped (-2)."),
        sql=case.sql("find_database"),
    )
    allow = Remedy(sentence=N_("Open it."), sql=case.sql("open_database"))
    return Say(CLOSED_DATABASE)("critical", text, case.name, (see, allow), **_who(case))


def no_connect(case: Case) -> Finding:
    """A role without the right to connect."""
    text = N_("{user} may not connect to the database {database} of {subject}")
    grant = Remedy(sentence=N_("Grant it."), sql=case.sql("grant_connect"))
    return Say(NO_CONNECT)("critical", text, case.name, (grant,), **_who(case))


def full(case: Case) -> Finding:
    """No connection is left: of the server, the role or the database."""
    sessions = Remedy(
        sentence=N_("See who holds them, as a superuser: some slots are reserved for that."),
        sql=case.sql("list_sessions"),
    )
    if case.refusal.routine == "InitializeSessionUserId":
        text = N_("{user} has as many sessions at {subject} as its limit allows")
        end = _end_idle(case, "end_idle_of_role")
        more = Remedy(sentence=N_("Or raise its limit."), sql=case.sql("free_role"))
        return Say(ROLE_FULL)("critical", text, case.name, (sessions, end, more), **_who(case))
    if case.refusal.routine == "CheckMyDatabase":
        text = N_("the database {database} of {subject} has as many sessions as its limit allows")
        end = _end_idle(case, "end_idle_in_database")
        more = Remedy(
            sentence=N_("Or raise its limit."),
            sql=case.sql("free_database"),
        )
        return Say(DATABASE_FULL)("critical", text, case.name, (sessions, end, more), **_who(case))
    text = N_("{subject} has no connection left for {user}")
    pool = Remedy(
        sentence=N_(
            "Let clients share connections through a pooler. A limit larger than this one costs "
            "memory and a restart."
        ),
        sql=case.sql("show_limit"),
    )
    remedies = (sessions, _end_idle(case, "end_idle"), pool)
    return Say(FULL)("critical", text, case.name, remedies, **_who(case))


def _end_idle(case: Case, statement: str) -> Remedy:
    return Remedy(
        sentence=N_("End those that have been idle for ten minutes."),
        sql=case.sql(statement),
        risk="careful",
    )


def _who(case: Case) -> dict[str, Any]:
    said = {
        "user": case.wanted.user,
        "database": case.wanted.database,
        "sqlstate": case.refusal.sqlstate,
        "said": case.refusal.message,
    }
    return {**said, "log": list(case.around.log)} if case.around.log else {**said}


def _list(case: Case) -> str:
    """The command that lists the databases, as whoever may."""
    if case.server is not None and case.server.start == PRIVATE_START:
        return case.psql("-l")
    place = case.visit.place
    return f"psql -l -h {shlex.quote(place.folder or place.host or place.hostaddr)} -p {place.port}"


def _line(case: Case) -> str:
    database, user = (_hba_name(n) for n in (case.wanted.database, case.wanted.user))
    if case.wanted.replication:
        # Without quotes, which would make it the name of a database.
        database = "replication"
    if case.visit.place.folder:
        return f"local {database} {user} scram-sha-256"
    address = case.visit.ours
    kind = "hostssl" if case.visit.by_tls else "host"
    return f"{kind} {database} {user} {address}/{128 if ':' in address else 32} scram-sha-256"


def _hba_name(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][\w-]*", name) and name not in ("all", "replication")
    return name if plain else f'"{name}"'


def _file(case: Case) -> str:
    return case.server.hba if case.server and case.server.hba else "pg_hba.conf"
