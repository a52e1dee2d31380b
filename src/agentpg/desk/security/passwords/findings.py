"""What is wrong with the passwords of roles, W01 to W04: decided on frozen facts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.desk.check import Check, Say, amount, exactly
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.passwords.facts import Age, Facts, ages
from agentpg.desk.security.rotation.planning import logins_of
from agentpg.desk.security.rotation.turn import MEANINGS, Turn
from agentpg.language import N_
from agentpg.settings import Settings

Said = tuple[Finding, ...]

# Time for a change to be planned.
_SOON = timedelta(days=14)

# A rotation takes minutes; one of yesterday was forgotten.
_FORGOTTEN = timedelta(days=1)

_TOLD = 20
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """How old a password may become."""

    oldest: timedelta


def policy_of(settings: Settings) -> Policy:
    """By the settings."""
    return Policy(settings.password_age)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def find(facts: Facts, policy: Policy) -> Said:
    """What every check says, in the order of their codes."""
    thresholds = {"W01": f"> {exactly(policy.oldest)} (AGENTPG_PASSWORD_AGE)"}
    return tuple(
        one for check in CHECKS for one in check.decide(Say(check, thresholds), facts, policy)
    )


def _change(role: str) -> Remedy:
    login = role.endswith(("_1", "_2"))
    if login:
        return Remedy(
            sentence=N_("Move its programs to the other login of the pair, without a pause."),
            command=shlex.join(["agentpg", "security", "password", "rotate", role[:-2]]),
            risk="careful",
        )
    return Remedy(
        sentence=N_("Give it another password, and its programs too."),
        command=shlex.join(["agentpg", "security", "password", "set", role, "--generate"]),
        risk="careful",
    )


def _ages(say: Say, facts: Facts, policy: Policy) -> Said:
    known = [one for one in ages(facts) if one.changed_at is not None]
    found = [told for one in known if (told := _due(say, one, facts.now, policy)) is not None]
    unknown = [one for one in ages(facts) if one.why in ("unrecorded", "otherwise")]
    said = [*_few(say, found), *([_unrecorded(say, unknown)] if unknown else [])]
    ok = say("ok", N_("every password was changed within {oldest}"), oldest=exactly(policy.oldest))
    return tuple(said) or (ok,)


def _due(say: Say, one: Age, now: datetime, policy: Policy) -> Finding | None:
    assert one.changed_at is not None  # noqa: S101 - who calls has looked
    age = now - one.changed_at
    left = policy.oldest - age
    if left > _SOON:
        return None
    level: Level = "info" if left >= timedelta() else "warning"
    text = N_("the password of {subject} is due for a change in {left}; it is {age} old")
    if level == "warning":
        text = N_("the password of {subject} was last changed {age} ago")
    return say(
        level,
        text,
        one.role,
        (_change(one.role),),
        age=amount(age),
        left=amount(abs(left)),
        changed_at=one.changed_at,
    )


def _unrecorded(say: Say, unknown: list[Age]) -> Finding:
    names = _named([one.role for one in unknown])
    text = N_("nothing says when the passwords of {number} roles were changed: {names}")
    otherwise = [one.role for one in unknown if one.why == "otherwise"]
    cause = N_("they were set by other means than agentpg, which keep no date")
    return say(
        "info",
        text,
        "",
        (_change(unknown[0].role),),
        cause=cause,
        number=len(unknown),
        names=names,
        otherwise=otherwise,
    )


def _ends(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found = []
    for one in facts.logins:
        if one.valid_until is None or (left := one.valid_until - facts.now) > _SOON:
            continue
        text = N_("the password of {subject} ends in {left}")
        if left < timedelta():
            text = N_("the password of {subject} ended {left} ago; the role can't log in with it")
        change, how_long = (_change(one.role),), amount(abs(left))
        found.append(say("warning", text, one.role, change, left=how_long, until=one.valid_until))
    return tuple(_few(say, found)) or (
        say("ok", N_("no password ends within {soon}"), soon="14 d"),
    )


def _turns(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found = tuple(_turn(say, turn, facts.now) for turn in facts.turns)
    return found or (say("ok", N_("no rotation of passwords is under way")),)


def _turn(say: Say, turn: Turn, now: datetime) -> Finding:
    try:
        age = now - datetime.fromisoformat(turn.begun_at)
    except (TypeError, ValueError):
        age = _FORGOTTEN * 2
    command = ["agentpg", "security", "password", "rotate", turn.group]
    remedies = (
        Remedy(
            sentence=N_("Go on with it."),
            command=shlex.join([*command, "--resume"]),
            risk="careful",
        ),
        Remedy(
            sentence=N_("Or take it back."),
            command=shlex.join([*command, "--rollback"]),
            risk="careful",
        ),
    )
    level: Level = "warning" if age > _FORGOTTEN else "info"
    text = N_("a rotation of {subject} was begun {age} ago and not ended: {because}")
    because = MEANINGS[turn.step]
    return say(level, text, turn.group, remedies, age=amount(age), step=turn.step, because=because)


def _pairs(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    under_way = {turn.group for turn in facts.turns}
    open_ones = [group for group in facts.pairs if group not in under_way]
    if not open_ones:
        return (say("ok", N_("of every pair of logins one is locked")),)
    lock = Remedy(
        sentence=N_("A rotation locks the one that is not used."),
        command=shlex.join(["agentpg", "security", "password", "rotate", open_ones[0]]),
        risk="careful",
    )
    if len(open_ones) == 1:
        first, second = logins_of(open_ones[0])
        text = N_("both logins of {subject} are open: {first} and {second}")
        return (say("info", text, open_ones[0], (lock,), first=first, second=second),)
    text = N_("both logins of {number} pairs are open: {pairs}")
    pairs = _named(open_ones)
    return (say("info", text, "", (lock,), number=len(open_ones), pairs=pairs),)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _few(say: Say, found: list[Finding]) -> list[Finding]:
    left = len(found) - _TOLD
    if left <= 0:
        return found
    text = N_("and {number} more of the same kind")
    return [*found[:_TOLD], say(found[_TOLD].level, text, "…", number=left)]


def _check(
    code: str,
    title: str,
    stake: str,
    source: str,
    levels: tuple[Level, ...],
    threshold: str,
    decide: Callable[[Say, Facts, Policy], Said],
) -> PasswordCheck:
    return PasswordCheck(
        code=code,
        title=title,
        levels=levels,
        threshold=threshold,
        contact="dba",
        stake=stake,
        source=source,
        proof=N_("the next `agentpg security password age` does not say it any more."),
        decide=decide,
    )


CHECKS = (
    _check(
        "W01",
        N_("Age of passwords"),
        N_("who once saw a password still gets in"),
        "operations guide, security; PCI DSS 8.6.3",
        ("info", "warning"),
        "> 90 d (AGENTPG_PASSWORD_AGE)",
        _ages,
    ),
    _check(
        "W02",
        N_("Passwords that end soon"),
        N_("a program stops at the moment at which its password ends"),
        "PostgreSQL CREATE ROLE",
        ("warning",),
        "14 d",
        _ends,
    ),
    _check(
        "W03",
        N_("Rotations that were not ended"),
        N_("two logins are open, and nobody knows which one counts"),
        "operations guide, security",
        ("info", "warning"),
        "info, > 1 d",
        _turns,
    ),
    _check(
        "W04",
        N_("Pairs of which both logins are open"),
        N_("the password that is not used opens the door as well"),
        "operations guide, security",
        ("info",),
        "2",
        _pairs,
    ),
)
