"""What is wrong around an installation, E01 to E12: decided on frozen facts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import Check, Say, Unlooked, amount
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.env.facts import Facts, SecretFile
from agentpg.desk.security.env.findings_git import (
    by_repository,
    ever,
    history,
    ignored,
    lines,
    tracked,
)
from agentpg.desk.security.env.saying import ROTATE, TOLD, Said
from agentpg.language import N_

# A quarter, as most policies have it, and a year, which none has.
_OLD, _VERY_OLD = timedelta(days=90), timedelta(days=365)

_AS_ROOT = Remedy(
    sentence=N_("Run it on the server's machine, as root or as the server's account.")
)
_PASSFILE = Remedy(
    sentence=N_("Put the password into a password file of mode 0600, and leave it out here."),
    command="install -m 0600 /dev/null ~/.pgpass",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts], Said]


def find(facts: Facts) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(one for check in CHECKS for one in check.decide(Say(check), facts))


def _modes(say: Say, facts: Facts) -> Said:
    found = tuple(one for file in facts.files if (one := _mode(say, file)) is not None)
    ok = say(
        "ok", N_("{number} files with secrets are for their owner alone"), number=len(facts.files)
    )
    return found or (ok,)


def _mode(say: Say, file: SecretFile) -> Finding | None:
    others = bool(file.mode & 0o007)
    if not file.mode & 0o077 and file.own:
        return None
    level: Level = "critical" if others else "warning"
    text = N_("{kind} {subject} has mode {mode}: its group can read what stands in it")
    if others:
        text = N_("{kind} {subject} has mode {mode}: every account can read what stands in it")
    elif not file.mode & 0o077:
        text = N_("{kind} {subject} belongs to {owner}, who can change what we connect with")
    close = Remedy(
        sentence=N_("Close it to others."), command=f"chmod 600 {shlex.quote(file.path)}"
    )
    return say(
        level,
        text,
        file.path,
        (close,),
        kind=file.kind,
        mode=f"{file.mode:04o}",
        owner=file.owner,
        secrets=list(file.secrets),
    )


def _ages(say: Say, facts: Facts) -> Said:
    found = tuple(_old(say, facts))
    return found or (say("ok", N_("every file of secrets was changed within {age}"), age="90 d"),)


def _old(say: Say, facts: Facts) -> Iterator[Finding]:
    for file in facts.files:
        # Keys end by their certificate, not by their age.
        age = facts.now - file.changed_at
        if file.kind == "key" or age <= _OLD:
            continue
        level: Level = "warning" if age > _VERY_OLD else "info"
        change = Remedy(sentence=N_("Change the passwords in it."))
        text = N_("what stands in {subject} was last changed {age} ago")
        yield say(level, text, file.path, (change,), age=amount(age), changed_at=file.changed_at)


def _processes(say: Say, facts: Facts) -> Said:
    if isinstance(facts.processes, Unlooked):
        return (say.unknown(facts.processes),)
    found = [
        say(
            "critical" if one.where == "arguments" else "info",
            N_(
                "every account sees a password in the arguments of process {subject}, {program} of "
                "{account}"
            )
            if one.where == "arguments"
            else N_(
                "process {subject}, {program} of {account}, was started with a password in "
                "{variable}"
            ),
            str(one.number),
            (_PASSFILE,),
            thing=f"{one.account} {one.program}",
            program=one.program,
            account=one.account,
            variable=one.variable,
        )
        for one in facts.processes[:TOLD]
    ]
    return tuple(found) or (
        say("ok", N_("no process of this account or of the installation shows a password")),
    )


def _connecting(say: Say, facts: Facts) -> Said:
    found = tuple(
        say(
            "info",
            N_("the setting {subject} holds a password, from {source}"),
            one.setting,
            (_PASSFILE,),
            source=one.source,
        )
        for one in facts.connecting
    )
    return found or (say("ok", N_("no connection string of ours holds a password")),)


def _logs(say: Say, facts: Facts) -> Said:
    if facts.logs is None:
        return (say("ok", N_("no server is configured here")),)
    if isinstance(facts.logs, Unlooked):
        return (say.unknown(facts.logs, _AS_ROOT),)
    found = tuple(
        say(
            "warning",
            N_("{number} lines of the log {subject} hold a password, the first is line {first}"),
            one.path,
            (
                ROTATE,
                Remedy(
                    sentence=N_(
                        "Send verifiers, as agentpg and psql's \\password do, and never passwords."
                    )
                ),
            ),
            number=one.lines,
            first=one.first,
        )
        for one in facts.logs
    )
    return found or (say("ok", N_("the server's log holds no password")),)


def _units(say: Say, facts: Facts) -> Said:
    if isinstance(facts.units, Unlooked):
        return (say.unknown(facts.units),)
    hand = Remedy(
        sentence=N_("Hand it over as a file: LoadCredential= or EnvironmentFile= of mode 0600."),
        command="systemctl edit …",
    )
    found = tuple(
        say(
            "warning",
            N_("a unit of systemd holds {because}: {subject}"),
            f"{one.path}:{one.line}",
            (hand, ROTATE),
            because=one.kind,
        )
        for one in facts.units[:TOLD]
    )
    return found or (say("ok", N_("no unit of systemd holds a secret")),)


def _password_lines(say: Say, facts: Facts) -> Said:
    found = []
    for one in facts.password_lines:
        if one.wrong:
            mend = Remedy(
                sentence=N_(
                    "Write host:port:database:user:password, with a \\ before each : and \\."
                )
            )
            text = N_("{number} lines of {subject} are not read as they are meant, first {first}")
            number, first = len(one.wrong), one.wrong[0]
            found.append(say("warning", text, one.path, (mend,), number=number, first=first))
        if one.for_all:
            name = Remedy(sentence=N_("Name the host and the role that it is for."))
            text = N_("line {first} of {subject} gives its password to every server that asks")
            found.append(say("info", text, one.path, (name,), first=one.for_all[0]))
    ok = say(
        "ok", N_("{number} password files are read as meant"), number=len(facts.password_lines)
    )
    return tuple(found) or (ok,)


def _check(
    code: str,
    title: str,
    stake: str,
    source: str,
    levels: tuple[Level, ...],
    threshold: str,
    decide: Callable[[Say, Facts], Said],
) -> EnvCheck:
    return EnvCheck(
        code=code,
        title=title,
        levels=levels,
        threshold=threshold,
        contact="ops",
        stake=stake,
        source=source,
        proof=N_("the next `agentpg security env` does not say it any more."),
        decide=decide,
    )


CHECKS = (
    _check(
        "E01",
        N_("Modes of files with secrets"),
        N_("any program on the machine can read them"),
        "CIS 1.6; libpq, password file; operations guide, security",
        ("warning", "critical"),
        "> 0600",
        _modes,
    ),
    _check(
        "E02",
        N_("Files with secrets that git tracks"),
        N_("a secret in a repository is with everybody who ever had a copy"),
        "OWASP ASVS 2.10.4; operations guide, security",
        ("critical",),
        ".env, .pgpass, pg_service.conf, *.key",
        by_repository(tracked),
    ),
    _check(
        "E03",
        N_("Files with secrets in the history of git"),
        N_("removing a file does not remove it from what was committed"),
        "OWASP ASVS 2.10.4",
        ("warning",),
        "git log --all --full-history",
        by_repository(ever),
    ),
    _check(
        "E04",
        N_("Files with secrets that git would take"),
        N_("one `git add .` publishes them"),
        "operations guide, security",
        ("warning",),
        "git check-ignore",
        by_repository(ignored),
    ),
    _check(
        "E05",
        N_("Secrets in tracked lines"),
        N_("a secret in code is with everybody who reads the code"),
        "OWASP ASVS 2.10.4; CIS 1.6",
        ("warning",),
        N_("connection strings, PASSWORD '…', secret keys"),
        by_repository(lines),
    ),
    _check(
        "E06",
        N_("Age of secrets in files"),
        N_("who once saw one still gets in"),
        "operations guide, security",
        ("info", "warning"),
        "info > 90 d, > 365 d",
        _ages,
    ),
    _check(
        "E07",
        N_("Passwords in lists of processes"),
        N_("`ps` shows the arguments of all processes to everybody"),
        "CIS 1.7, 5.1",
        ("info", "critical"),
        N_("in arguments, of this account and the installation's; info for variables"),
        _processes,
    ),
    _check(
        "E08",
        N_("Passwords in connection strings"),
        N_("strings are copied into scripts, units and error reports"),
        "libpq, password file",
        ("info",),
        "password=",
        _connecting,
    ),
    _check(
        "E09",
        N_("Passwords in the server's log"),
        N_("who may read the log, and its copies, has the password"),
        "CIS 3.1.25; PostgreSQL ALTER ROLE",
        ("warning",),
        "PASSWORD '…'",
        _logs,
    ),
    _check(
        "E10",
        N_("Secrets in all that was ever committed"),
        N_("a secret that was removed later is still with everybody who has the repository"),
        "OWASP ASVS 2.10.4",
        ("warning", "critical"),
        N_("`security env --scan`; critical for passwords in use"),
        history,
    ),
    _check(
        "E11",
        N_("Secrets in units of systemd"),
        N_("every account reads units, and `systemctl show` shows their variables"),
        "systemd.exec, Environment=; CIS 1.7",
        ("warning",),
        "Environment=, ExecStart=",
        _units,
    ),
    _check(
        "E12",
        N_("Lines of password files"),
        N_("a line that is not read as meant lets nobody in, or lets a wrong server have it"),
        "libpq, password file",
        ("info", "warning"),
        "host:port:database:user:password",
        _password_lines,
    ),
)
