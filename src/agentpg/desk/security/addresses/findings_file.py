"""The file itself: what the server makes of it, and lines that do nothing."""

from __future__ import annotations

from datetime import timedelta

from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.hba.covering import unreachable
from agentpg.desk.hba.reading import Line
from agentpg.desk.security.addresses.case import (
    PROPOSE,
    READABLE,
    AddressCheck,
    Case,
    Said,
    some,
)
from agentpg.language import N_

_RELOAD = Remedy(
    sentence=N_("Have the server read it, once every line is meant."), sql="SELECT pg_reload_conf()"
)


_CONFIRM = Remedy(
    sentence=N_("Confirm it, if all get in that should."), command="agentpg security hba confirm"
)
_UNDO = Remedy(
    sentence=N_("Take it back; apply it anew where it was meant."),
    command="agentpg security hba undo",
)

# Who undoes it needs a moment.
_LATE_SECONDS = 5.0


def _errors(say: Say, case: Case) -> Said:
    rules = case.facts.rules
    if isinstance(rules, Unlooked):
        return (say.unknown(rules, READABLE),)
    wrong = [rule for rule in rules if rule.error]
    found = [
        say(
            "critical" if rule.is_refused else "info",
            N_("line {subject}: {error}"),
            f"{rule.file.rpartition('/')[2] or 'pg_hba.conf'}:{rule.number}",
            [Remedy(sentence=N_("Mend the line."))] if rule.is_refused else [PROPOSE],
            error=rule.error,
        )
        for rule in wrong
    ]
    return tuple(found) or (
        say("ok", N_("the server understands all {count} lines"), count=len(rules)),
    )


def _changed(say: Say, case: Case) -> Said:
    changed = case.facts.changed
    if isinstance(changed, Unlooked):
        return (say.unknown(changed),)
    if not changed:
        return (say("ok", N_("what the file says is what holds")),)
    text = N_("pg_hba.conf was written after the server read it: what it says does not hold yet")
    return (say("warning", text, "pg_hba.conf", [_RELOAD]),)


def _unreachable(say: Say, case: Case) -> Said:
    lines = case.facts.lines
    if isinstance(lines, Unlooked):
        return (say.unknown(lines, READABLE),)
    useless = unreachable(lines, case.facts.known)
    found = [_useless(say, lines[at], earlier) for at, earlier in useless.items()]
    return tuple(found) or (say("ok", N_("every line can be reached")),)


def _useless(say: Say, line: Line, earlier: Line) -> Finding:
    # Who wrote it believes that it keeps somebody out.
    deceives = line.method == "reject" and earlier.method != "reject"
    sentence = N_("line {subject} never decides: line {earlier} takes all that it would ({line})")
    subject = f"{line.file.rpartition('/')[2]}:{line.number}"
    level: Level = "warning" if deceives else "info"
    return say(level, sentence, subject, [PROPOSE], earlier=earlier.number, line=line.text)


def _without_way(say: Say, case: Case) -> Said:
    server = case.facts.server
    if isinstance(server, Unlooked) or case.blind is not None:
        return (say.unknown(case.blind or Unlooked(""), READABLE),)
    inside = [one for one in case.effects if server.database in one.databases]
    able = {role.name for one in inside if one.lets_in for role in one.roles}
    lost = sorted({role.name for one in inside for role in one.roles} - able)
    if not lost:
        return (
            say(
                "ok",
                N_("every role that may log in has a way to {database}"),
                database=server.database,
            ),
        )
    sentence = N_("no line lets {roles} into {database}, from anywhere")
    remedy = Remedy(sentence=N_("Add a line for them, or take their LOGIN."))
    return (
        say(
            "info",
            sentence,
            lost[0],
            [remedy],
            roles=some(lost),
            database=server.database,
            count=len(lost),
        ),
    )


def _waits(say: Say, case: Case) -> Said:
    left = case.facts.waits
    if isinstance(left, Unlooked):
        return (say.unknown(left),)
    if left is None:
        return (say("ok", N_("no change of the file waits to be confirmed")),)
    if left > -_LATE_SECONDS:
        text = N_("a change of the file is undone in {left}, unless it is confirmed")
        said = amount(timedelta(seconds=max(left, 0.0)))
        return (say("info", text, "pg_hba.conf", [_CONFIRM], cause="", left=said),)
    text = N_(
        "a change of the file holds that was not confirmed in time: who was to undo it is gone"
    )
    return (say("warning", text, "pg_hba.conf", [_UNDO]),)


FILE_CHECKS = (
    AddressCheck(
        code="L01",
        source="PostgreSQL pg_hba_file_rules",
        title=N_("Lines that the server does not understand"),
        levels=("info", "critical"),
        threshold=N_(
            "critical: any line that makes the server refuse the file; it then goes on with the "
            "former one, and does not start again"
        ),
        contact="dba",
        cause=N_("it was edited, and nobody looked at what the server makes of it"),
        proof=N_("`agentpg security hba show` has no line with an error."),
        decide=_errors,
    ),
    AddressCheck(
        code="L02",
        source="PostgreSQL 20.1",
        title=N_("A file that does not hold yet"),
        levels=("warning",),
        threshold=N_("warning: written after pg_conf_load_time()"),
        contact="dba",
        cause=N_("it was edited without a reload"),
        proof=N_("pg_conf_load_time() is later than the file."),
        decide=_changed,
    ),
    AddressCheck(
        code="L08",
        source="PostgreSQL 20.1",
        title=N_("Lines that never decide"),
        levels=("info", "warning"),
        threshold=N_("warning: a reject that an earlier line makes void; info: any other"),
        contact="dba",
        cause=N_("the first line that fits decides, and a wider one stands before it"),
        proof=N_("`agentpg security hba explain` names the line for whom it was meant."),
        decide=_unreachable,
    ),
    AddressCheck(
        code="L09",
        source="PostgreSQL 20.1",
        title=N_("Roles without a way in"),
        levels=("info",),
        threshold=N_("info: a role that may log in, and that no line lets into the database"),
        contact="dba",
        cause=N_("a line is missing, or the role need not log in"),
        proof=N_("`agentpg security hba explain --role` names a line that lets it in."),
        decide=_without_way,
    ),
    AddressCheck(
        code="L18",
        source="PostgreSQL 20.1",
        title=N_("A change that was not confirmed"),
        levels=("info", "warning"),
        threshold=N_("warning: one that waits for longer than was said when it was applied"),
        contact="dba",
        cause=N_("the machine was started anew before its time was over"),
        proof=N_("`agentpg security hba show` has one no more."),
        decide=_waits,
    ),
)
