"""What is wrong with accounts and with the audit log, U01 to U08: decided on frozen facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentpg.audit.chain import Break
from agentpg.db import identifier
from agentpg.desk.check import Check, Say, Unlooked, amount, exactly
from agentpg.desk.doctor.accounts.facts import RECENT, Accounts, Facts, Log
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

# Who has forgotten a password locks one name; more at a time are somebody who guesses.
_GUESSED = 5
# So many names are said; of more, their number.
_SHOWN = 5

CHECKS = (
    Check(
        code="U01",
        title=N_("Who manages accounts"),
        levels=("warning",),
        threshold=N_("accounts, and none with the role admin that could log in"),
        contact="ops",
        cause=N_("the last one was disabled in the table, or has neither password nor token"),
        proof=N_("`agentpg user list` shows an active account with the role admin."),
        meaning=N_(
            "Without one nobody can add or disable an account but by the command line, as the "
            "owning role. Where there are no accounts, none is needed."
        ),
        idea=N_("give the role to somebody who is here."),
    ),
    Check(
        code="U02",
        title=N_("Accounts that nobody uses"),
        levels=("warning",),
        threshold=N_("not used for 45 d (account_idle); CIS Controls 5.3"),
        contact="ops",
        cause=N_("somebody has left, or a program no longer runs"),
        proof=N_("`agentpg user list` shows it as disabled, or seen lately."),
        idea=N_("disable it; it can be enabled again."),
    ),
    Check(
        code="U03",
        title=N_("Old passwords of accounts"),
        levels=("info", "warning"),
        threshold=N_("older than 365 d (account_password_age); made by another and kept for 7 d"),
        contact="ops",
        cause=N_("nobody has asked its owner to change it"),
        proof=N_("`agentpg user show NAME` shows when it was set."),
        meaning=N_(
            "A password that was made by an operator is known to two. NIST SP 800-63B asks for a "
            "change only where a password may be known to others; set a longer age if you follow "
            "it."
        ),
        idea=N_("let its owner set a new one, or take it away where tokens are used."),
    ),
    Check(
        code="U04",
        title=N_("Tokens that never end"),
        levels=("warning",),
        threshold=N_("a token in use without an end"),
        contact="ops",
        cause=N_("it was made with --for-ever"),
        proof=N_("`agentpg user show NAME` shows an end for each token in use."),
        idea=N_("make one that ends, give it to the program, and revoke this one."),
    ),
    Check(
        code="U05",
        title=N_("Tokens that end soon"),
        levels=("info",),
        threshold=N_("within 14 d (token_warning), and used within 30 d"),
        contact="ops",
        cause=N_("its time is nearly over"),
        proof=N_("The program goes on after the old token has ended."),
        idea=N_("make a new one and give it to the program before."),
    ),
    Check(
        code="U06",
        title=N_("Locked names"),
        levels=("info", "warning"),
        threshold=N_("one name locked / more than 5 at a time"),
        contact="ops",
        cause=N_("somebody has forgotten a password, or guesses"),
        proof=N_("No name is locked any more, and the address of who guesses is shut out."),
        meaning=N_(
            "Names are counted whether there is such an account or not, so that a guesser learns "
            "nothing."
        ),
        idea=N_("see where the log-ins come from; unlock whoever is known."),
    ),
    Check(
        code="U07",
        title=N_("The chain of the audit log"),
        levels=("critical",),
        threshold=N_("one of the last 1000 entries is not as it was written"),
        contact="dba",
        cause=N_(
            "somebody has changed the tables past their triggers, or an older state was restored "
            "in part"
        ),
        proof=N_("`agentpg security log verify` ends with 0."),
        meaning=N_(
            "Each entry holds the hash of the one before. The triggers refuse changes; a superuser "
            "or the owner can switch them off, and then the chain shows it."
        ),
        idea=N_(
            "keep what is there, compare it with the last export or backup, and find out who was "
            "connected as owner or superuser."
        ),
    ),
    Check(
        code="U08",
        title=N_("The audit log was not verified"),
        levels=("warning",),
        threshold=N_("an entry of 30 d (audit_verify_within) that was never followed"),
        contact="ops",
        cause=N_("nobody runs `agentpg security log verify`"),
        proof=N_("`agentpg security log show --action log` shows it."),
        meaning=N_(
            "The doctor follows the last 1000 entries. That all of it is there, and not written "
            "anew, is found out by who verifies it and remembers where it ended."
        ),
        idea=N_("verify it, best from another machine and by a timer."),
    ),
)

# What the role that monitors reads, by table; all columns, or those that hold no hash.
_READ_OF_ACCOUNTS: dict[str, tuple[str, ...]] = {
    "users": ("id", "username", "role", "created_at", "disabled_at", "adopted"),
    "account_details": (),
    "account_tokens": ("user_id", "name", "expires_at", "last_used_at", "revoked_at"),
    "login_failures": (),
}
_READ_OF_LOG: dict[str, tuple[str, ...]] = {"audit_log": (), "audit_head": ()}

_BY_CODE = {check.code: check for check in CHECKS}

_LIST = Remedy(sentence=N_("See the accounts."), command="agentpg user list")
_VERIFY = Remedy(sentence=N_("Follow the whole chain."), command="agentpg security log verify")
_EXPORT = Remedy(
    sentence=N_("Keep what is there now, before anything else is done."),
    command="agentpg security log export --to audit.jsonl",
)
_ADMIN = Remedy(
    sentence=N_("Give the role to somebody."), command="agentpg user role NAME --role admin"
)


def find(facts: Facts) -> Sequence[Finding]:
    """What every check says."""
    return (*_of_accounts(facts), *_of_log(facts))


def _of_accounts(facts: Facts) -> Sequence[Finding]:
    found = facts.accounts
    codes = ("U01", "U02", "U03", "U04", "U05", "U06")
    if isinstance(found, Unlooked):
        grant = _grant(facts.schema, _READ_OF_ACCOUNTS)
        return tuple(Say(_BY_CODE[code]).unknown(found, grant) for code in codes)
    return (
        _admins(found),
        _idle(facts, found),
        _passwords(facts, found),
        _endless(found),
        _ending(facts, found),
        _locked(found),
    )


def _of_log(facts: Facts) -> Sequence[Finding]:
    if isinstance(facts.log, Unlooked):
        grant = _grant(facts.schema, _READ_OF_LOG)
        return tuple(Say(_BY_CODE[code]).unknown(facts.log, grant) for code in ("U07", "U08"))
    return (_chain(facts.log), _verified(facts, facts.log))


def _admins(found: Accounts) -> Finding:
    say = Say(_BY_CODE["U01"])
    if not found.accounts:
        return say("ok", N_("there are no accounts"))
    if found.admins:
        return say("ok", N_("{number} accounts may manage others"), number=found.admins)
    text = N_("none of {number} accounts may manage others")
    return say("warning", text, "", (_ADMIN,), number=found.accounts)


def _idle(facts: Facts, found: Accounts) -> Finding:
    say = Say(_BY_CODE["U02"], {"U02": f"> {exactly(facts.idle)} (account_idle); CIS Controls 5.3"})
    days = amount(facts.idle)
    if not found.idle:
        return say("ok", N_("every account was used within {days}"), days=days)
    disable = Remedy(
        sentence=N_("Disable it; `agentpg user enable` takes that back."),
        command=f"agentpg user disable {found.idle[0]}",
        risk="careful",
    )
    text = N_("{number} accounts were not used for {days}: {names}")
    return say("warning", text, "", (_LIST, disable), days=days, **_named(found.idle))


def _passwords(facts: Facts, found: Accounts) -> Finding:
    age = f"> {exactly(facts.password_age)} (account_password_age) / > 7 d"
    say = Say(_BY_CODE["U03"], {"U03": age})
    if found.old_passwords:
        text = N_("{number} accounts have a password older than {days}: {names}")
        change = _change(found.old_passwords[0])
        days = amount(facts.password_age)
        return say("warning", text, "", (change,), days=days, **_named(found.old_passwords))
    if found.temporary:
        text = N_("{number} accounts still have the password that was made for them: {names}")
        return say("info", text, "", (_change(found.temporary[0]),), **_named(found.temporary))
    return say("ok", N_("no account has an old password"))


def _change(name: str) -> Remedy:
    sentence = N_("Let its owner choose a new one.")
    return Remedy(sentence=sentence, command=f"agentpg user password {name}")


def _endless(found: Accounts) -> Finding:
    say = Say(_BY_CODE["U04"])
    if not found.endless_tokens:
        return say("ok", N_("every token in use has an end"))
    account, _, name = found.endless_tokens[0].partition("/")
    revoke = Remedy(
        sentence=N_("End it, once the program has another."),
        command=f"agentpg user token {account} --revoke '{name}'",
        risk="careful",
    )
    text = N_("{number} tokens never end: {names}")
    return say("warning", text, "", (revoke,), **_named(found.endless_tokens))


def _ending(facts: Facts, found: Accounts) -> Finding:
    say = Say(_BY_CODE["U05"], {"U05": f"< {exactly(facts.token_warning)} (token_warning)"})
    days = amount(facts.token_warning)
    if not found.ending_tokens:
        return say("ok", N_("no token in use ends within {days}"), days=days)
    account = found.ending_tokens[0].partition("/")[0]
    renew = Remedy(
        sentence=N_("Make a new one with the same scopes."), command=f"agentpg user show {account}"
    )
    text = N_("{number} tokens in use end within {days}: {names}")
    return say("info", text, "", (renew,), days=days, **_named(found.ending_tokens))


def _locked(found: Accounts) -> Finding:
    say = Say(_BY_CODE["U06"])
    if not found.locked:
        return say("ok", N_("no name is locked"))
    level: Level = "warning" if found.locked > _GUESSED else "info"
    text = N_("{number} names are locked after log-ins that failed")
    return say(level, text, "", (_LIST,), number=found.locked)


def _chain(log: Log) -> Finding:
    say = Say(_BY_CODE["U07"])
    verdict = log.recent
    if verdict.broken is None:
        text = N_("the last {number} entries are as they were written")
        return say("ok", text, number=min(verdict.entries, RECENT))
    broken: Break = verdict.broken
    text = N_("the chain of the audit log breaks at entry {number}: {kind}")
    evidence: dict[str, Any] = {
        "number": broken.number,
        "kind": broken.kind,
        "good_up_to": str(verdict.end),
    }
    return say("critical", text, "", (_EXPORT, _VERIFY), **evidence)


def _verified(facts: Facts, log: Log) -> Finding:
    threshold = f"> {exactly(facts.verify_within)} (audit_verify_within)"
    say = Say(_BY_CODE["U08"], {"U08": threshold})
    since = log.verified.unverified_since
    if since is None or facts.now - since <= facts.verify_within:
        return say("ok", N_("no entry stands unverified for long"))
    age = facts.now - since
    text = N_("entries of {ago} ago were never verified")
    evidence: dict[str, Any] = {"ago": amount(age), "age_seconds": round(age.total_seconds())}
    return say("warning", text, "", (_VERIFY,), **evidence)


def _named(names: Sequence[str]) -> dict[str, Any]:
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return {"number": len(names), "names": shown}


def _grant(schema: str, tables: Mapping[str, Sequence[str]]) -> Remedy:
    grants = []
    for table, columns in tables.items():
        only = f" ({', '.join(columns)})" if columns else ""
        grants.append(f"GRANT SELECT{only} ON {identifier(schema, table)} TO monitor;")
    return Remedy(sentence=N_("Let the role that monitors read them."), sql="\n".join(grants))
