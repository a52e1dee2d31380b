"""Which statements take the time, by pg_stat_statements, S10 and S11."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentpg.db import literal
from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.doctor.slow.facts import (
    Facts,
    Lacking,
    Statement,
    Statements,
)
from agentpg.desk.doctor.slow.pace import Pace, in_short, is_comparable, paces
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import MOST, Said, SlowCheck, let_see, percent
from agentpg.desk.doctor.slow.texts import is_maintenance
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.monitor.statements import Extension
from agentpg.language import N_

_NAME = "pg_stat_statements"

_PLANNED = re.compile(r"(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|VALUES|TABLE)\b", re.IGNORECASE)
_PLANS_GENERICALLY = 160000


def _slow(say: Say, facts: Facts, policy: Policy) -> Said:
    found = facts.statements
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    if isinstance(found, Lacking):
        why, remedies = _why_lacking(found.extension)
        return (say.unknown(why, *remedies),)
    slow = [
        _one_slow(say, pace, facts, policy, level)
        for pace in paces(found, facts.earlier)
        if (level := _level(pace, policy)) != "ok"
    ]
    if slow:
        return tuple(slow[:MOST])
    if found.hidden:
        hidden = Unlooked(N_("the statements of other roles are hidden"))
        return (say.unknown(hidden, let_see(facts)),)
    text = N_("of {number} statements none is slow and takes much of the time")
    return (say("ok", text, number=found.number, since=found.since),)


def _level(pace: Pace, policy: Policy) -> Level:
    if is_maintenance(pace.statement.text) or pace.share < policy.share:
        return "ok"
    mean = pace.mean_milliseconds
    often = (
        pace.calls >= policy.slow_calls
        and mean >= policy.slow_milliseconds
        # A large batch takes its time.
        and pace.row_milliseconds >= policy.row_milliseconds
    )
    very = pace.calls >= policy.very_slow_calls and mean >= policy.very_slow_milliseconds
    if _is_slower(pace, policy) and pace.calls >= policy.slow_calls:
        return "warning"
    if not often and not very:
        return "ok"
    return "warning" if pace.share >= policy.share_warning else "info"


def _is_slower(pace: Pace, policy: Policy) -> bool:
    # Of what takes no time, thrice is none.
    return pace.times_slower() > policy.slower and pace.mean_milliseconds > 1


def _one_slow(say: Say, pace: Pace, facts: Facts, policy: Policy, level: Level) -> Finding:
    one = pace.statement
    text = N_("{percent} % of the time goes to a statement that takes {mean} a call: {query}")
    if _is_slower(pace, policy):
        text = N_("a statement takes {mean} a call, and took {before} before: {query}")
    return say(
        level,
        text,
        str(one.id),
        tuple(_tune(one, facts)),
        cause=_cause(one),
        percent=percent(pace.share),
        mean=in_short(pace.mean_milliseconds),
        before=in_short(pace.before_milliseconds or 0.0),
        query=one.text,
        calls=pace.calls,
        milliseconds=round(pace.milliseconds, 1),
        mean_milliseconds=round(pace.mean_milliseconds, 3),
        before_milliseconds=pace.before_milliseconds,
        longest_milliseconds=round(one.longest_milliseconds, 3),
        rows_a_call=round(one.rows / one.calls, 1) if one.calls else None,
        pages_read=one.pages_read,
        pages_hit=one.pages_hit,
        temp_bytes=one.temp_bytes,
        read_milliseconds=round(one.read_milliseconds, 1),
        is_new=pace.is_new,
    )


def _cause(one: Statement) -> str:
    calls = max(one.calls, 1)
    rows = max(one.rows, calls)
    if one.temp_bytes > calls * 1024**2:
        return N_("it sorts or hashes more than work_mem holds, and writes temporary files")
    if one.read_milliseconds > one.milliseconds / 2:
        return N_("it waits for the disk: what it reads is not in memory")
    if (one.pages_hit + one.pages_read) / rows > 100:
        return N_("it reads many pages for each row that it gives: an index is missing")
    if rows / calls > 10_000:
        return N_("it gives very many rows")
    return N_("it computes, or waits for locks")


def _tune(one: Statement, facts: Facts) -> Iterator[Remedy]:
    yield Remedy(
        sentence=N_("Look at its plan, with values as they are used; then mend what it says."),
        command=f"agentpg tune explain --query-id {one.id}" if _PLANNED.match(one.text) else "",
        sql=_explained(one.text, facts),
    )
    yield Remedy(sentence=N_("Let the planner know the tables as they are now."), sql="ANALYZE")


def _explained(text: str, facts: Facts) -> str:
    """How to have it explained as it stands; empty where that can't be: it is cut, has no plan, or
    has parameters that only PostgreSQL 16 plans for."""
    if text.endswith("…") or "?" in text or not _PLANNED.match(text):
        return ""
    if "$1" not in text:
        return f"EXPLAIN {text}"
    if isinstance(facts.server, Unlooked) or facts.server.version < _PLANS_GENERICALLY:
        return ""
    return f"EXPLAIN (GENERIC_PLAN) {text}"


def _why_lacking(extension: Extension) -> tuple[Unlooked, tuple[Remedy, ...]]:
    """Why there are no statements, and the exact way to have them."""
    create = Remedy(
        sentence=N_("Make the extension in this database, as a superuser."),
        sql=f"CREATE EXTENSION {_NAME}",
    )
    if not extension.available:
        install = Remedy(
            sentence=N_("Install the server's contrib modules on its machine first."),
            command="apt-get install postgresql-contrib",
        )
        return Unlooked(N_("the files of pg_stat_statements are not installed")), (
            install,
            *_load(extension),
            create,
        )
    if not extension.loaded:
        made = () if extension.schema else (create,)
        return Unlooked(N_("the server has not loaded pg_stat_statements")), (
            *_load(extension),
            *made,
        )
    return Unlooked(N_("pg_stat_statements is loaded, and not made in this database")), (create,)


def _load(extension: Extension) -> Iterator[Remedy]:
    if extension.libraries is None:
        yield Remedy(
            sentence=N_(
                "Add pg_stat_statements to shared_preload_libraries, beside what it has, and "
                "restart the server."
            ),
            sql="SHOW shared_preload_libraries",
            risk="careful",
        )
        return
    names = [name.strip() for name in extension.libraries.split(",") if name.strip()]
    listed = ", ".join(literal(name.strip('"')) for name in (*names, _NAME))
    yield Remedy(
        sentence=N_("Let the server load it, and restart the server."),
        sql=f"ALTER SYSTEM SET shared_preload_libraries = {listed}",
        risk="careful",
    )


def _evictions(say: Say, facts: Facts, policy: Policy) -> Said:
    found = facts.statements
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    if isinstance(found, Lacking):
        return (say.unknown(_why_lacking(found.extension)[0]),)
    number, hours = _evicted(found, facts)
    if number <= policy.evictions_an_hour * max(hours, 1.0):
        text = N_("pg_stat_statements has room for the statements: {number} of {most}")
        return (say("ok", text, number=found.number, most=found.most, evictions=found.evictions),)
    larger = Remedy(
        sentence=N_("Give it more room; that takes a restart."),
        sql=f"ALTER SYSTEM SET pg_stat_statements.max = {found.most * 2}",
        risk="careful",
    )
    return (
        say(
            "warning",
            N_("pg_stat_statements had to forget statements {evictions} times in {time}"),
            remedies=(larger,),
            evictions=number,
            time=amount(hours * 3600),
            hours=round(hours, 1),
            number=found.number,
            most=found.most,
        ),
    )


def _evicted(found: Statements, facts: Facts) -> tuple[int, float]:
    """How often since a sample of yesterday or since the counting began, and hours of that."""
    earlier, number, since = facts.earlier, found.evictions, found.since
    if earlier is not None and is_comparable(found, earlier) and earlier.evictions is not None:
        number, since = max(number - earlier.evictions, 0), earlier.taken_at
    now = since if isinstance(facts.server, Unlooked) else facts.server.now
    return number, max((now - since).total_seconds(), 0.0) / 3600


STATEMENT_CHECKS = (
    SlowCheck(
        code="S10",
        title=N_("Statements that take most of the time"),
        levels=("info", "warning"),
        threshold=N_(
            ">= 30 % of all time / –, at >= 50 ms a call and 0.5 ms a row in >= 50 calls, or at "
            ">= 1 s a call in >= 3; or 3 times as slow as before; info from 10 % on"
        ),
        contact="dba",
        proof=N_(
            "its mean falls: `agentpg doctor slow` shows it, a day later, for that day alone."
        ),
        meaning=(
            "By pg_stat_statements: since a sample that MaintenanceAgent kept a day ago, or else "
            "since its counting began. Texts have no values. Where the extension is missing, the "
            "finding says how to have it."
        ),
        idea="`EXPLAIN (ANALYZE, BUFFERS)` shows the plan; then an index, or less to read.",
        decide=_slow,
    ),
    SlowCheck(
        code="S11",
        title=N_("Statements that pg_stat_statements forgets"),
        levels=("warning",),
        threshold=N_("> 1 eviction an hour / –"),
        contact="dba",
        cause=N_("statements with names or numbers of their own in each: there are too many kinds"),
        proof=N_("a day later none were forgotten."),
        idea="raise `pg_stat_statements.max`, or use parameters instead of values in texts.",
        decide=_evictions,
    ),
)
