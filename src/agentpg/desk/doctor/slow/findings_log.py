"""What the server's log tells of slow statements and waits, S15."""

from __future__ import annotations

from collections import Counter

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.slow.facts import Facts, Log, Logged, Logging
from agentpg.desk.doctor.slow.pace import in_short
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import Said, SlowCheck
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_SHOWN = 5

_TELL = Remedy(
    sentence=N_("Let the log tell what takes longer than a second, and who waits for whom."),
    sql=(
        "ALTER SYSTEM SET log_min_duration_statement = '1s'; "
        "ALTER SYSTEM SET log_lock_waits = on; SELECT pg_reload_conf()"
    ),
)
_READ = Remedy(
    sentence=N_("Run it on the server's machine, as root or as the server's account."),
    sql="GRANT pg_read_server_files, pg_monitor TO {role}",
)


def _log(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    logging = facts.logging
    if isinstance(logging, Unlooked):
        return (say.unknown(logging),)
    if isinstance(facts.log, Unlooked):
        sql = _READ.sql.format(role=facts.role)
        return (say.unknown(facts.log, Remedy(sentence=_READ.sentence, sql=sql)),)
    if facts.log.entries:
        return (_told(say, facts.log, logging),)
    if not logging.language.startswith(("en", "C", "POSIX")) and logging.language:
        language = Unlooked(N_("the server logs in a language that is not read here"))
        return (say.unknown(language),)
    if _is_silent(logging):
        text = N_("the server's log tells neither slow statements nor waits for locks")
        return (say("info", text, remedies=(_TELL,), path=facts.log.path),)
    text = N_("the end of the server's log tells no slow statement, and no wait for a lock")
    return (say("ok", text, path=facts.log.path, bytes_read=facts.log.bytes_read),)


def _told(say: Say, log: Log, logging: Logging) -> Finding:
    counted = Counter(one.kind for one in log.entries)
    slow = [one for one in log.entries if one.kind == "slow"]
    worst = max(slow or log.entries, key=lambda one: one.milliseconds or 0.0)
    text = N_(
        "the log tells of {slow} slow statements, {waits} waits for locks, {deadlocks} deadlocks "
        "and {timeouts} time-outs; the last: {query}"
    )
    if slow:
        text = N_(
            "the log tells of {slow} slow statements, {waits} waits for locks, {deadlocks} "
            "deadlocks and {timeouts} time-outs; the slowest took {longest}: {query}"
        )
    return say(
        "info",
        text,
        log.path,
        (_TELL,) if _is_silent(logging) else (),
        slow=counted["slow"],
        waits=counted["wait"],
        deadlocks=counted["deadlock"],
        timeouts=counted["timeout"],
        longest=in_short(worst.milliseconds or 0.0),
        query=worst.text,
        entries=[_plain(one) for one in log.entries[-_SHOWN:]],
        bytes_read=log.bytes_read,
    )


def _plain(one: Logged) -> dict[str, object]:
    return {
        "kind": one.kind,
        "at": one.at,
        "pid": one.pid,
        "milliseconds": one.milliseconds,
        "text": one.text,
    }


def _is_silent(logging: Logging) -> bool:
    return logging.least_duration == "-1" and not logging.tells_waits


LOG_CHECKS = (
    SlowCheck(
        code="S15",
        title=N_("What the server's log tells"),
        levels=("info",),
        threshold=N_("any slow statement, wait, deadlock or time-out at the end of the log"),
        contact="dba",
        cause=N_("what was slow a while ago is seen here alone"),
        proof=N_("the end of the log tells of none that are new."),
        meaning=(
            "The last 256 kB of the log that the server writes now, where it can be read: on the "
            "server's machine, or as a role that may read its files. Statements are shown without "
            "their values, and lines with parameters not at all."
        ),
        idea="`log_min_duration_statement` and `log_lock_waits` let the log tell more.",
        decide=_log,
    ),
)
