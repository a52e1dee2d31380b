"""How people prove who they are: A14 to A22, and A54."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.audit.facts import Facts, Role, Stored
from agentpg.desk.security.audit.findings_addresses import reachable
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import (
    Said,
    check,
    hidden,
    names,
    rest,
    role_name,
    setting,
)
from agentpg.language import N_

_SCRAM = "scram-sha-256"


def _new(role: str) -> Remedy:
    """A new password for a role."""
    return Remedy(
        sentence=N_(
            "Give it a new strong password; the server gets no more than a verifier of it."
        ),
        command=shlex.join(["agentpg", "security", "password", "set", role, "--generate"]),
    )


def _encryption(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found: list[Finding] = []
    if facts.value("password_encryption") != _SCRAM:
        use = setting(
            "password_encryption", _SCRAM, facts, N_("Store new passwords as SCRAM verifiers.")
        )
        text = N_("new passwords are stored as {value}")
        found.append(say("warning", text, "", (use,), value=facts.value("password_encryption")))
    overrides = () if isinstance(facts.overrides, Unlooked) else facts.overrides
    for one in overrides:
        if one.name == "password_encryption" and one.value != _SCRAM:
            text = N_("for {subject} new passwords are stored as {value}")
            found.append(say("warning", text, one.role or one.database, value=one.value))
    return tuple(found) or (say("ok", N_("new passwords are stored as SCRAM verifiers")),)


def _stored(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.passwords, Unlooked):
        return hidden(say, facts, facts.passwords)
    found = [
        _badly_stored(say, one, facts)
        for one in facts.passwords.stored
        if one.kind in ("md5", "unknown")
    ]
    ok = say("ok", N_("every password is stored as a SCRAM verifier"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _badly_stored(say: Say, one: Stored, facts: Facts) -> Finding:
    text = N_("the password of {subject} is stored as {kind}")
    level: Level = "warning" if reachable(facts) else "info"
    return say(level, text, one.role, (_new(one.role),), kind=one.kind)


def _expiry(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.roles, Unlooked):
        return (say.unknown(facts.roles),)
    now = facts.server.asked_at
    logins = [role for role in facts.roles if role.logs_in]
    dated = [(role, role.valid_until) for role in logins if role.valid_until is not None]
    found = [
        finding
        for role, until in dated
        if (finding := _expiring(say, role, until, now, policy)) is not None
    ]
    told = list(rest(say, found[: policy.told], len(found)))
    endless = [role.name for role in logins if role.valid_until is None]
    if endless:
        text = N_("{number} roles have passwords without an end: {names}")
        first = role_name(endless[0])
        ask = Remedy(
            sentence=N_("Where a policy asks for it, let passwords end; then change them in time."),
            sql=f"ALTER ROLE {first} VALID UNTIL '{_in_a_quarter(now)}'",
            risk="careful",
        )
        told.append(say("info", text, "", (ask,), number=len(endless), names=names(endless)))
    return tuple(told) or (say("ok", N_("no password ends within {soon}"), soon="14 d"),)


def _in_a_quarter(now: datetime) -> str:
    year, month = now.year + (now.month > 9), (now.month + 2) % 12 + 1
    return f"{year}-{month:02}-01"


def _expiring(
    say: Say, role: Role, until: datetime, now: datetime, policy: Policy
) -> Finding | None:
    left = until - now
    if left > policy.expiry_warning:
        return None
    text = N_("the password of {subject} ends in {left}")
    if left.total_seconds() < 0:
        text = N_("the password of {subject} ended {left} ago; the role can't log in with it")
    return say("warning", text, role.name, (_new(role.name),), left=amount(abs(left)), until=until)


def _age(say: Say, facts: Facts, policy: Policy) -> Said:
    changed = facts.rotated_at
    if changed is None:
        # PostgreSQL itself keeps no such date.
        text = N_("nothing records when passwords were changed last")
        return (say("info", text, "", (_new(facts.server.owner),)),)
    age = facts.server.asked_at - changed
    level: Level = "ok"
    if age > policy.password_age_info:
        level = "warning" if age > policy.password_age_warning else "info"
    text = N_("the passwords were changed {age} ago")
    remedies = () if level == "ok" else (_new(facts.server.owner),)
    return (say(level, text, "", remedies, age=amount(age), changed_at=changed),)


def _timeout(say: Say, facts: Facts, policy: Policy) -> Said:
    seconds = int(facts.value("authentication_timeout") or 60)
    text = N_("who connects has {seconds} s to prove who they are")
    if seconds <= policy.authentication_seconds:
        return (say("ok", text, seconds=seconds),)
    less = setting("authentication_timeout", "60s", facts, N_("Give them a minute."))
    return (say("warning", text, "", (less,), seconds=seconds),)


def libraries(facts: Facts) -> set[str] | None:
    """What the server loads for everybody; None where that is hidden."""
    said = [facts.value(n) for n in ("shared_preload_libraries", "session_preload_libraries")]
    if said[0] is None:
        return None
    loaded = ",".join(filter(None, said)).split(",")
    return {name.strip().strip('"').removeprefix("$libdir/") for name in loaded if name.strip()}


def _library(
    say: Say, facts: Facts, one_of: Sequence[str], text: str, sentence: str, ok: str
) -> Said:
    loaded = libraries(facts)
    if loaded is None:
        why = Unlooked(N_("the libraries that the server loads are hidden"))
        return hidden(say, facts, why, "monitor")
    if loaded & set(one_of):
        return (say("ok", ok),)
    value = ",".join([*sorted(loaded), one_of[0]])
    load = Remedy(
        sentence=sentence,
        sql=f"ALTER SYSTEM SET shared_preload_libraries = {value}",
        risk="careful",
    )
    return (say("info", text, "", (load,)),)


def _delay(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    return _library(
        say,
        facts,
        ("auth_delay", "credcheck"),
        N_("nothing slows down those who try passwords one after another"),
        N_("Load auth_delay, which comes with PostgreSQL; it takes a restart."),
        N_("wrong passwords are answered with a delay"),
    )


def _complexity(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    return _library(
        say,
        facts,
        ("passwordcheck", "credcheck"),
        N_("nothing in the server refuses a weak password"),
        N_(
            "Load passwordcheck, which comes with PostgreSQL; it takes a restart. It can't judge "
            "verifiers, such as agentpg sends: those passwords were judged before."
        ),
        N_("the server judges new passwords"),
    )


def _limits(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.roles, Unlooked):
        return (say.unknown(facts.roles),)
    free = [
        role.name
        for role in facts.roles
        if role.logs_in and not role.superuser and role.connection_limit is None
    ]
    if not free:
        return (say("ok", N_("every role that logs in has a limit of connections")),)
    limit = Remedy(
        sentence=N_("Give each as many as it needs at most."),
        sql=f"ALTER ROLE {role_name(free[0])} CONNECTION LIMIT 50",
        risk="careful",
    )
    text = N_("{number} roles may take all connections of the server: {names}")
    return (say("info", text, "", (limit,), number=len(free), names=names(free)),)


def _guessed(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.passwords, Unlooked):
        return hidden(say, facts, facts.passwords)
    found = [
        say(
            "critical" if reachable(facts) else "warning",
            N_("the password of {subject} is one that everybody tries first"),
            role,
            (_new(role),),
        )
        for role in facts.passwords.guessed
    ]
    ok = say(
        "ok",
        N_("none of {tried} passwords is one that everybody tries first"),
        tried=facts.passwords.tried,
    )
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _rounds(say: Say, facts: Facts, policy: Policy) -> Said:
    said = facts.value("scram_iterations")
    rounds = None if said is None else int(said)
    passwords = facts.passwords
    stored = () if isinstance(passwords, Unlooked) else passwords.stored
    few = [one.role for one in stored if (one.rounds or policy.scram_rounds) < policy.scram_rounds]
    if rounds is not None and rounds < policy.scram_rounds:
        more = setting(
            "scram_iterations", str(policy.scram_rounds), facts, N_("Take as many as the default.")
        )
        text = N_("new verifiers take {rounds} rounds, less than {least}")
        return (say("info", text, "", (more,), rounds=rounds, least=policy.scram_rounds),)
    if few:
        text = N_("{number} roles have verifiers of less than {least} rounds: {names}")
        return (
            say(
                "info",
                text,
                "",
                (_new(few[0]),),
                number=len(few),
                names=names(few),
                least=policy.scram_rounds,
            ),
        )
    if isinstance(facts.passwords, Unlooked):
        return hidden(say, facts, facts.passwords)
    return (say("ok", N_("verifiers take {least} rounds or more"), least=policy.scram_rounds),)


LOGIN_CHECKS = (
    check(
        "A14",
        N_("How new passwords are stored"),
        N_("MD5 is broken, and the stored value is as good as the password"),
        "CIS 5.4; PGDSAT 5.9",
        ("warning",),
        "scram-sha-256",
        _encryption,
    ),
    check(
        "A15",
        N_("How the passwords that there are are stored"),
        N_("an old dump of the roles is enough to log in as one of them"),
        "CIS 5.4; PostgreSQL 20.5",
        ("info", "warning"),
        "scram-sha-256",
        _stored,
    ),
    check(
        "A16",
        N_("Passwords that end"),
        N_("one that never ends is valid for whoever has it; one that ends unnoticed stops work"),
        "PostgreSQL CREATE ROLE; PCI DSS 8.3.9",
        ("info", "warning"),
        "14 d",
        _expiry,
    ),
    check(
        "A17",
        N_("When passwords were changed"),
        N_("who once saw a password still gets in"),
        "operations guide, security",
        ("info", "warning"),
        "info > 90 d, > 365 d",
        _age,
    ),
    check(
        "A18",
        N_("Time for logging in"),
        N_("strangers can hold connections open without having proved anything"),
        "PGDSAT 5.4; PostgreSQL 19.3",
        ("warning",),
        "> 60 s",
        _timeout,
    ),
    check(
        "A19",
        N_("A delay after wrong passwords"),
        N_("thousands of passwords can be tried in a minute"),
        "PGDSAT 5.4; PostgreSQL auth_delay",
        ("info",),
        "auth_delay, credcheck",
        _delay,
    ),
    check(
        "A20",
        N_("A judge of new passwords"),
        N_("one weak password is enough"),
        "CIS 5.6; PostgreSQL passwordcheck",
        ("info",),
        "passwordcheck, credcheck",
        _complexity,
    ),
    check(
        "A21",
        N_("Limits of connections"),
        N_("one role that runs wild, or is taken over, keeps all others out"),
        "CIS 5.5",
        ("info",),
        "-1",
        _limits,
    ),
    check(
        "A22",
        N_("Passwords that are tried first"),
        N_("who reaches the port is in after a few tries"),
        "CIS 5.6; OWASP ASVS 2.1.7",
        ("warning", "critical"),
        N_("12 tries for each role, within 1 s"),
        _guessed,
    ),
    check(
        "A54",
        N_("Rounds of SCRAM"),
        N_("each guess at a stolen verifier costs less"),
        "RFC 7677, 4",
        ("info",),
        "< 4096",
        _rounds,
    ),
)
