"""What functions, views, policies and extensions let through: A34 to A38."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.audit.facts import Definer, Facts, Guarded
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, rest
from agentpg.language import N_

_RISKY = {
    "adminpack": "warning",
    "dblink": "info",
    "file_fdw": "warning",
    "postgres_fdw": "info",
    "lo": "info",
    "xml2": "info",
    "plpython3u": "warning",
    "plperlu": "warning",
}


def _definers(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.definers, Unlooked):
        return (say.unknown(facts.definers),)
    found = [one for each in facts.definers if (one := _definer(say, each)) is not None]
    total = facts.definers[0].total if facts.definers else 0
    left = len(found) + max(total - len(facts.definers), 0)
    ok = say(
        "ok",
        N_("{number} functions run with their owner's rights, each with a search_path of its own"),
        number=total,
    )
    return rest(say, found[: policy.told], left) or (ok,)


def _definer(say: Say, one: Definer) -> Finding | None:
    kind = "PROCEDURE" if one.is_procedure else "FUNCTION"
    values: dict[str, Any] = {"owner": one.owner, "public_calls": one.public_calls}
    if not one.path_is_fixed:
        fix = Remedy(
            sentence=N_("Fix its search_path to the schemas that it needs."),
            sql=f"ALTER {kind} {one.name} SET search_path = pg_catalog, pg_temp",
            undo=f"ALTER {kind} {one.name} RESET search_path",
            risk="careful",
        )
        level: Level = "critical" if one.superuser and one.public_calls else "warning"
        text = N_("{subject} runs as {owner} with the caller's search_path")
        return say(level, text, one.name, (fix,), **values)
    if one.public_calls:
        take = Remedy(
            sentence=N_("Grant it to those who need it, and then take it from everybody."),
            sql=f"REVOKE EXECUTE ON {kind} {one.name} FROM PUBLIC",
            undo=f"GRANT EXECUTE ON {kind} {one.name} TO PUBLIC",
            risk="careful",
        )
        text = N_("{subject} runs as {owner}, and everybody may call it")
        return say("warning", text, one.name, (take,), **values)
    return None


def _views(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.open_views, Unlooked):
        return (say.unknown(facts.open_views),)
    found = [
        say(
            "warning",
            N_("the view {subject} reads {reads} past its policies, with its owner's rights"),
            one.name,
            (
                Remedy(
                    sentence=N_("Let it read with the rights of who asks."),
                    sql=f"ALTER VIEW {one.name} SET (security_invoker = true)",
                    undo=f"ALTER VIEW {one.name} RESET (security_invoker)",
                    risk="careful",
                ),
            ),
            reads=one.reads,
        )
        for one in facts.open_views
    ]
    ok = say("ok", N_("no view reads past policies"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _rows(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.guarded, Unlooked):
        return (say.unknown(facts.guarded),)
    if isinstance(facts.tenants, Unlooked):
        return (say.unknown(facts.tenants),)
    found = [one for table in facts.guarded for one in _guarded(say, table)]
    tasks = f"{identifier(facts.schema)}.tasks"
    if any(one.used and not one.guarded for one in facts.tenants):
        text = N_("tasks have tenants, and any role that reads {subject} sees those of all")
        found.append(say("info", text, tasks))
    found.sort(key=lambda one: one.level != "warning")
    ok = say("ok", N_("row-level security is on where there are policies, and none is for all"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _guarded(say: Say, table: Guarded) -> Iterator[Finding]:
    alter = f"ALTER TABLE {table.name}"
    if not table.enabled:
        on = Remedy(
            sentence=N_("Turn it on, once the policies let through what is needed."),
            sql=f"{alter} ENABLE ROW LEVEL SECURITY",
            undo=f"{alter} DISABLE ROW LEVEL SECURITY",
            risk="careful",
        )
        text = N_("{subject} has {number} policies, and row-level security is off")
        yield say("warning", text, table.name, (on,), number=table.policies)
        return
    if not table.policies:
        text = N_("row-level security is on for {subject}, and no policy lets anything through")
        yield say("info", text, table.name)
    if table.always_true:
        text = N_("a policy of {subject} lets everything through: {names}")
        yield say("warning", text, table.name, names=", ".join(table.always_true))
    if not table.forced and table.owner_logs_in:
        force = Remedy(
            sentence=N_("Let policies hold for the owner, too; backups then need BYPASSRLS."),
            sql=f"{alter} FORCE ROW LEVEL SECURITY",
            undo=f"{alter} NO FORCE ROW LEVEL SECURITY",
            risk="careful",
        )
        text = N_("the owner of {subject} logs in, and policies do not hold for it")
        yield say("info", text, table.name, (force,))


def _outside(say: Say, facts: Facts, policy: Policy) -> Said:
    """What reaches out of the database."""
    for fact in (facts.languages, facts.extensions, facts.mappings):
        if isinstance(fact, Unlooked):
            return (say.unknown(fact),)
    found = [*_languages(say, facts), *_extensions(say, facts), *_mappings(say, facts)]
    found.sort(key=lambda one: one.level != "warning")
    ok = say("ok", N_("nothing here reaches out of the database"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _languages(say: Say, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.languages, Unlooked):
        return
    for one in facts.languages:
        text = N_("functions in {subject} may do what the server's account may; there are {number}")
        yield say("warning", text, one.name, number=one.functions)


def _extensions(say: Say, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.extensions, Unlooked):
        return
    for one in facts.extensions:
        if one.name in ("plpython3u", "plperlu") or one.name not in _RISKY:
            continue
        drop = Remedy(
            sentence=N_("Remove it, where nothing needs it."),
            sql=f"DROP EXTENSION {identifier(one.name)}",
            risk="destroys",
        )
        level: Level = "warning" if _RISKY[one.name] == "warning" else "info"
        yield say(
            level,
            N_("the extension {subject} reaches files or servers outside"),
            one.name,
            (drop,),
            version=one.version,
        )


def _mappings(say: Say, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.mappings, Unlooked):
        return
    for one in facts.mappings:
        if one.needs_none:
            text = N_("{subject} may use the server {server} as the server's own account there")
            yield say("warning", text, one.role, server=one.server)
        elif one.has_password:
            text = N_("a password of {subject} for the server {server} is stored here, readable")
            yield say("info", text, one.role, server=one.server)


def _secrets(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.sensitive, Unlooked):
        return (say.unknown(facts.sensitive),)
    found = []
    if isinstance(facts.unhashed, Unlooked):
        found.append(say.unknown(facts.unhashed))
    elif facts.unhashed:
        text = N_("{number} accounts of {subject} have a password that is no hash")
        change = Remedy(
            sentence=N_("Have them choose new ones; what was stored is to be taken for known.")
        )
        users = f"{facts.schema}.users"
        found.append(say("critical", text, users, (change,), number=facts.unhashed))
    found += [
        say(
            "warning" if one.public_reads else "info",
            N_("{subject} is called like a secret, and can be read by {readers}"),
            one.name,
            readers=", ".join(one.readers),
        )
        for one in facts.sensitive
    ]
    ok = say("ok", N_("what is called like a secret is read by its owner alone"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


OBJECT_CHECKS = (
    check(
        "A34",
        N_("Functions that run with their owner's rights"),
        N_("who calls one can have it run a function of his own, with the owner's rights"),
        "CIS 4.5; PostgreSQL CREATE FUNCTION",
        ("warning", "critical"),
        N_("no search_path of its own; EXECUTE: PUBLIC"),
        _definers,
    ),
    check(
        "A35",
        N_("Views over guarded rows"),
        N_("rows that a policy hides are shown by the view"),
        "CIS 4.7; PostgreSQL CREATE VIEW",
        ("warning",),
        "security_invoker",
        _views,
    ),
    check(
        "A36",
        N_("Row-level security"),
        N_("rows are believed to be guarded, and are not"),
        "CIS 4.7; PostgreSQL 5.9",
        ("info", "warning"),
        N_("off with policies; on without; a policy that is always true"),
        _rows,
    ),
    check(
        "A37",
        N_("Ways out of the database"),
        N_("who may use them reads files, runs programs, or reaches other servers from inside"),
        "PGDSAT 1.5; pg-diag installed_risky_extensions",
        ("info", "warning"),
        N_("untrusted languages, adminpack, dblink, file_fdw, postgres_fdw, stored passwords"),
        _outside,
    ),
    check(
        "A38",
        N_("Secrets in tables"),
        N_("one role too many that reads is a leak"),
        "OWASP ASVS 2.4, 8.3",
        ("info", "warning", "critical"),
        N_("by the columns' names; users.password_hash by its form"),
        _secrets,
    ),
)
