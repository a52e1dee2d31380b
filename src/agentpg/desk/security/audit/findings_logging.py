"""What is written down, and what is not to be: A45, A46, A48, A49, A52, A53, A55."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.security.audit.facts import Facts
from agentpg.desk.security.audit.findings_login import libraries
from agentpg.desk.security.audit.names import LOGGED, PROTECTIONS
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, hidden, rest, setting
from agentpg.language import N_

# Time, process, user, database, application, and from where: who did what, and when.
_PREFIX = (("%m", "%t", "%n"), ("%p", "%c"), ("%u",), ("%d",), ("%a",), ("%h", "%r"))
_GOOD_PREFIX = "%m [%p] %q%u@%d %a %h "

_HIDDEN = Unlooked(N_("settings of the log are hidden"))

# Of these, an error of a statement is at least written down.
_ENOUGH_ERRORS = ("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning")


def _logging(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found = [
        _unlogged(say, name, wanted[0], facts)
        for name, wanted in LOGGED.items()
        if (value := facts.value(name)) is not None
        and name != "log_replication_commands"
        and value in ("off", "")
    ]
    found += _ends(say, facts)
    found += _prefix(say, facts)
    found += _kept(say, facts)
    ok = say("ok", N_("who comes, goes and changes something is logged, with time and address"))
    return tuple(found) or (ok,)


def _unlogged(say: Say, name: str, wanted: str, facts: Facts) -> Finding:
    on = setting(name, wanted, facts, N_("Have it logged."))
    return say("warning", N_("{subject} is {value}"), name, (on,), value=facts.value(name) or "off")


def _ends(say: Say, facts: Facts) -> Iterator[Finding]:
    """Levels of what is logged that are above what says anything."""
    errors = facts.value("log_min_error_statement")
    if errors is not None and errors not in (*_ENOUGH_ERRORS, "error"):
        back = setting("log_min_error_statement", "error", facts, N_("Have it logged."))
        yield say(
            "info", N_("{subject} is {value}"), "log_min_error_statement", (back,), value=errors
        )
    messages = facts.value("log_min_messages")
    if messages is not None and messages not in _ENOUGH_ERRORS:
        back = setting("log_min_messages", "warning", facts, N_("Have it logged."))
        yield say(
            "warning", N_("{subject} is {value}"), "log_min_messages", (back,), value=messages
        )
    said = facts.value("log_statement")
    audited = libraries(facts)
    if said == "none" and (audited is None or "pgaudit" not in audited):
        ddl = setting("log_statement", "ddl", facts, N_("Have changes of tables and roles logged."))
        text = N_("changes of tables, roles and rights are not logged")
        yield say("info", text, "log_statement", (ddl,), value=said)


def _prefix(say: Say, facts: Facts) -> Iterator[Finding]:
    prefix = facts.value("log_line_prefix")
    if prefix is None or "csvlog" in (facts.value("log_destination") or ""):
        return
    lacking = [signs[0] for signs in _PREFIX if not any(sign in prefix for sign in signs)]
    if lacking:
        better = setting(
            "log_line_prefix", _GOOD_PREFIX, facts, N_("Begin lines with who, where and when.")
        )
        text = N_("lines of the log do not say {lacking}")
        yield say(
            "warning", text, "log_line_prefix", (better,), value=prefix, lacking=", ".join(lacking)
        )


def _kept(say: Say, facts: Facts) -> Iterator[Finding]:
    """Whether the log goes to files that rotate, or to those who do that."""
    destination = facts.value("log_destination") or "stderr"
    if facts.value("logging_collector") != "on":
        if destination in ("stderr", ""):
            text = N_("the log goes to whoever started the server; whether it is kept is not seen")
            yield say("info", text, "logging_collector", value="off")
        return
    rotates = [int(facts.value(name) or 0) for name in ("log_rotation_age", "log_rotation_size")]
    if not any(rotates):
        daily = setting("log_rotation_age", "1d", facts, N_("Begin a new file each day."))
        yield say(
            "warning", N_("the log goes on in one file for ever"), "log_rotation_age", (daily,)
        )


def _stored_secrets(say: Say, facts: Facts, policy: Policy) -> Said:
    """Passwords that the server itself keeps as they are."""
    del policy
    found = []
    primary = facts.value("primary_conninfo")
    if primary and "password=" in primary.replace(" ", ""):
        pgpass = Remedy(
            sentence=N_("Put it into a password file of mode 0600, and name that: passfile=…")
        )
        text = N_("the password of replication stands in {subject}")
        found.append(say("warning", text, "primary_conninfo", (pgpass,)))
    if isinstance(facts.subscriptions, Unlooked):
        if not found:
            return hidden(say, facts, facts.subscriptions)
        return tuple(found)
    found += [
        say("info", N_("the subscription {subject} keeps its password as it is"), one.name)
        for one in facts.subscriptions
        if one.has_password
    ]
    return tuple(found) or (say("ok", N_("the server keeps no password for others as it is")),)


def _role_statements(say: Say, facts: Facts, policy: Policy) -> Said:
    """Whether a password that somebody sends by SQL is written to the log."""
    del policy
    statements = facts.value("log_statement")
    slow = facts.value("log_min_duration_statement")
    if statements in (None, ""):
        return hidden(say, facts, _HIDDEN, "monitor")
    logged = statements in ("ddl", "mod", "all")
    if not logged and slow != "0":
        return (say("ok", N_("a statement that sets a password is not logged, unless it fails")),)
    verifier = Remedy(
        sentence=N_("Send verifiers, as agentpg and psql's \\password do, and never passwords.")
    )
    name = "log_statement" if logged else "log_min_duration_statement"
    text = N_("statements that set passwords are written to the log, by {subject} = {value}")
    return (say("info", text, name, (verifier,), value=statements if logged else slow),)


def _log_files(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    mode = facts.value("log_file_mode")
    if mode is None:
        return hidden(say, facts, _HIDDEN, "monitor")
    if not int(mode, 8) & 0o037:
        return (say("ok", N_("files of the log have mode {mode}"), mode=mode),)
    close = setting("log_file_mode", "0600", facts, N_("Close new files of the log to others."))
    text = N_("files of the log are made with mode {mode}: others may read what was asked")
    return (say("warning", text, "", (close,), mode=mode),)


def _overrides(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.overrides, Unlooked):
        return (say.unknown(facts.overrides),)
    found = [
        say(
            "warning",
            N_("{subject} has a setting of its own that weakens what is set: {name} = {value}"),
            one.role or one.database,
            name=one.name,
            value=one.value,
        )
        for one in facts.overrides
        if _weakens(one.name, one.value)
    ]
    ok = say("ok", N_("no role or database has settings that weaken what is set"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _weakens(name: str, value: str) -> bool:
    if name in PROTECTIONS:
        return value != PROTECTIONS[name]
    if name in LOGGED:
        return value in ("off", "")
    weak = {
        "log_statement": ("none",),
        "session_replication_role": ("replica", "local"),
        "log_min_error_statement": ("panic", "fatal"),
        "log_min_messages": ("panic", "fatal"),
        "pgaudit.log": ("none", ""),
    }
    return value in weak.get(name, ())


def _replication(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if facts.value("log_replication_commands") == "on":
        return (say("ok", N_("what replication asks for is logged")),)
    on = setting("log_replication_commands", "on", facts, N_("Have it logged."))
    text = N_("what replication asks for is not logged, such as a copy of all data")
    return (say("info", text, "", (on,)),)


def _pgaudit(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    loaded = libraries(facts)
    if loaded is None:
        why = Unlooked(N_("the libraries that the server loads are hidden"))
        return hidden(say, facts, why, "monitor")
    if "pgaudit" not in loaded:
        text = N_("pgaudit is not loaded: who read or changed what is not recorded")
        load = Remedy(
            sentence=N_("Where a policy asks for such a record, install and load pgaudit."),
            sql="ALTER SYSTEM SET shared_preload_libraries = "
            + ",".join([*sorted(loaded), "pgaudit"]),
            risk="careful",
        )
        return (say("info", text, "", (load,)),)
    said = facts.value("pgaudit.log") or "none"
    words = {word.strip().lower() for word in said.split(",")}
    if "all" in words or {"role", "ddl"} <= words:
        return (say("ok", N_("pgaudit records {value}"), value=said),)
    more = setting("pgaudit.log", "role, ddl", facts, N_("Record roles and tables, too."))
    text = N_("pgaudit is loaded, and records {value} alone")
    return (say("warning", text, "", (more,), value=said),)


LOGGING_CHECKS = (
    check(
        "A45",
        N_("What the server logs"),
        N_("after a break-in nobody can tell who came, from where, and what was done"),
        "CIS 3.1.2-3.1.26",
        ("info", "warning"),
        N_(
            "connections, disconnections, checkpoints, lock waits, DDL; prefix with time, process, "
            "role, database, application, address; rotation"
        ),
        _logging,
    ),
    check(
        "A46",
        N_("Passwords that the server keeps as they are"),
        N_("a copy of the data folder, or a superuser of one server, has the other one too"),
        "CIS 7.5",
        ("info", "warning"),
        N_("primary_conninfo, subscriptions"),
        _stored_secrets,
    ),
    check(
        "A48",
        N_("Passwords in the server's log"),
        N_("who may read the log, and its copies, has the password"),
        "CIS 3.1.25; PostgreSQL ALTER ROLE",
        ("info",),
        N_("log_statement of ddl or more; log_min_duration_statement = 0"),
        _role_statements,
    ),
    check(
        "A49",
        N_("Mode of the files of the log"),
        N_("statements with their values stand in the log"),
        "CIS 3.1.6",
        ("warning",),
        "> 0640",
        _log_files,
        "ops",
    ),
    check(
        "A52",
        N_("Settings that roles or databases have for themselves"),
        N_("what the server's settings guard is off for one of them"),
        "CIS 6.6",
        ("warning",),
        N_("weaker than the server's"),
        _overrides,
    ),
    check(
        "A53",
        N_("Whether replication is logged"),
        N_("who copies all data leaves no trace"),
        "CIS 7.2",
        ("info",),
        "off",
        _replication,
    ),
    check(
        "A55",
        N_("A record by pgaudit"),
        N_("the log alone does not say who read what"),
        "CIS 3.2",
        ("info", "warning"),
        "role, ddl",
        _pgaudit,
    ),
)
