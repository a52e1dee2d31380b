"""What is out of date, and settings that take a protection away: A47, A50, A51."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.server.releases import RELEASES
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.audit.facts import Facts, Ident
from agentpg.desk.security.audit.names import PROTECTIONS
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, hidden, rest, setting
from agentpg.language import N_

# Those that came with it have the repair; a cluster that is older has to be told.
_STATISTICS = Remedy(
    sentence=N_("Make the views of statistics anew in every database, as the notes of 15.7 say."),
    command='psql --file "$(pg_config --sharedir)/fix-CVE-2024-4317.sql"',
    risk="careful",
)


def _releases(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.extensions, Unlooked):
        return (say.unknown(facts.extensions),)
    found = [*_server(say, facts), *_extensions(say, facts)]
    if not facts.server.views_are_repaired:
        text = N_("views of statistics still show samples of others' tables (CVE-2024-4317)")
        found.append(say("warning", text, "pg_stats_ext", (_STATISTICS,)))
    return tuple(found) or (say("ok", N_("the server and its extensions are up to date")),)


def _server(say: Say, facts: Facts) -> Iterator[Finding]:
    major, minor = divmod(facts.server.version, 10_000)
    known = RELEASES.get(major)
    number = f"{major}.{minor}"
    if known is None:
        return
    if known.ends < facts.server.asked_at.date():
        text = N_("PostgreSQL {subject} gets no more repairs since {ended}")
        yield say("warning", text, number, ended=known.ends.isoformat())
    behind = known.behind(minor)
    if behind:
        update = Remedy(
            sentence=N_("Install the newest minor release; the data stays as it is."),
            risk="careful",
        )
        text = N_("PostgreSQL {subject} is {behind} minor releases behind")
        level: Level = "info" if behind == 1 else "warning"
        yield say(level, text, number, (update,), behind=behind, newest=f"{major}.{known.newest}")


def _extensions(say: Say, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.extensions, Unlooked):
        return
    for one in facts.extensions:
        if one.available and one.available != one.version:
            update = Remedy(
                sentence=N_("Update it to the version that came with the server."),
                sql=f"ALTER EXTENSION {identifier(one.name)} UPDATE",
                risk="careful",
            )
            text = N_("the extension {subject} has version {version}, and {available} is there")
            yield say(
                "info", text, one.name, (update,), version=one.version, available=one.available
            )


def _protections(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found = []
    for name, wanted in PROTECTIONS.items():
        value = facts.value(name)
        if value is None or value == wanted:
            continue
        back = setting(name, wanted, facts, N_("Set it back."))
        logs = name.startswith(("debug_", "log_"))
        text = N_("{subject} is {value}, and should be {wanted}")
        found.append(
            say("info" if logs else "warning", text, name, (back,), value=value, wanted=wanted)
        )
    return tuple(found) or (say("ok", N_("no setting takes a protection away")),)


def _idents(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.idents, Unlooked):
        return hidden(say, facts, facts.idents, "idents")
    superusers = set()
    if not isinstance(facts.roles, Unlooked):
        superusers = {role.name for role in facts.roles if role.superuser}
    found = [
        say(
            "warning",
            N_("line {subject} of pg_ident.conf lets {system_name} be {role}"),
            str(one.number),
            system_name=one.system_name,
            role=one.role,
            map=one.map,
        )
        for one in facts.idents
        if _is_wide(one, superusers)
    ]
    ok = say("ok", N_("no map of names lets anybody be a superuser"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _is_wide(one: Ident, superusers: set[str]) -> bool:
    """Whether a pattern that many names fit leads to a superuser, or to any role at all."""
    anybody = one.system_name.startswith("/") and re.search(r"[.*+\[]", one.system_name)
    return bool(anybody) and (one.role in superusers or one.role in ("all", "\\1"))


RELEASE_CHECKS = (
    check(
        "A47",
        N_("Releases of the server and its extensions"),
        N_("holes that are known, with ways to use them, stay open"),
        "CIS 1.5; CVE-2024-4317",
        ("info", "warning"),
        N_("info 1 minor release behind, 2 behind or out of support"),
        _releases,
    ),
    check(
        "A50",
        N_("Settings that take a protection away"),
        N_("what guards rows, catalogues or damaged pages is off for everybody"),
        "CIS 3.1.16-3.1.18, 3.1.23, 6.2-6.6",
        ("info", "warning"),
        N_("other than PostgreSQL's default"),
        _protections,
    ),
    check(
        "A51",
        N_("Maps of names in pg_ident.conf"),
        N_("an account of the machine becomes a superuser of the server"),
        "CIS 5.3; PostgreSQL 20.2",
        ("warning",),
        N_("a pattern that leads to a superuser"),
        _idents,
    ),
)
