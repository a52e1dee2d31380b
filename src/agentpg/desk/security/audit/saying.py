"""A check of the audit, and how it says much of the same kind without hiding any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agentpg.db import identifier
from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.finding import Contact, Finding, Level, Remedy
from agentpg.desk.security.audit.facts import Facts
from agentpg.desk.security.audit.policy import Policy
from agentpg.language import N_

Said = tuple[Finding, ...]

# So many names stand in one sentence.
_NAMED = 5

# The catalogues that are for superusers alone, and what opens them for a role.
GRANTS = {
    "hba": "GRANT SELECT ON pg_hba_file_rules TO {role}; "
    "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {role}",
    "idents": "GRANT SELECT ON pg_ident_file_mappings TO {role}; "
    "GRANT EXECUTE ON FUNCTION pg_ident_file_mappings() TO {role}",
    "file": "GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO {role}",
    "monitor": "GRANT pg_monitor TO {role}",
}

PROOF = N_("the next `agentpg security audit` does not say it any more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def check(
    code: str,
    title: str,
    stake: str,
    source: str,
    levels: tuple[Level, ...],
    threshold: str,
    decide: Callable[[Say, Facts, Policy], Said],
    contact: Contact = "dba",
) -> AuditCheck:
    """A check of the audit; `source` is a benchmark's number, or a chapter of PostgreSQL's."""
    return AuditCheck(
        code=code,
        title=title,
        levels=levels,
        threshold=threshold,
        contact=contact,
        stake=stake,
        source=source,
        proof=PROOF,
        decide=decide,
    )


def hidden(say: Say, facts: Facts, what: Unlooked, grant: str = "") -> Said:
    """It could not be looked at; with what lets the role see it, or as whom to look."""
    if grant:
        sql = GRANTS[grant].format(role=facts.server.role)
        return (say.unknown(what, Remedy(sentence=N_("Let the role see it."), sql=sql)),)
    return (say.unknown(what, AS_SUPERUSER),)


AS_SUPERUSER = Remedy(
    sentence=N_("Look as a superuser: on the server's machine, or by a DSN of one."),
    command="agentpg --dsn 'host=/var/run/postgresql user=postgres' security audit",
)


def setting(name: str, value: str, facts: Facts, sentence: str) -> Remedy:
    """A setting that is put right, safely, with what takes it back."""
    found = facts.settings.get(name)
    back = f"ALTER SYSTEM RESET {name}"
    if found is not None and found.file.endswith("postgresql.auto.conf"):
        back = f"ALTER SYSTEM SET {name} = '{quoted(found.value)}'"
    return Remedy(
        sentence=sentence,
        sql=f"ALTER SYSTEM SET {name} = '{quoted(value)}'; SELECT pg_reload_conf()",
        undo=f"{back}; SELECT pg_reload_conf()",
        risk="careful" if found is not None and found.context == "postmaster" else "safe",
    )


def quoted(value: str) -> str:
    """What stands between the quotes of a text."""
    return value.replace("'", "''")


def names(of: Iterable[str]) -> str:
    """Some names for a sentence: a, b, c, …"""
    listed = list(of)
    return ", ".join(listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")


def role_name(name: str) -> str:
    """A role as SQL wants it."""
    return "PUBLIC" if name == "PUBLIC" else identifier(name)


def rest(say: Say, found: Sequence[Finding], total: int) -> Said:
    """The findings, and one more for those that are not told one by one."""
    left = total - len(found)
    if left <= 0:
        return tuple(found)
    worst = found[-1].level
    more = say(worst, N_("and {number} more of the same kind"), "…", number=left)
    return (*found, more)


def or_ok(found: Sequence[Finding], ok: Finding) -> Said:
    """The findings, or else that all is well."""
    return tuple(found) or (ok,)
