"""What all statements share: temporary files, checkpoints, the reading of pages, S12 to S14."""

from __future__ import annotations

from typing import Any

from agentpg.desk.check import Say, Unlooked, amount, size
from agentpg.desk.doctor.slow.facts import Counters, Facts, Statement, Statements
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import Said, SlowCheck, percent
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_


def _temporary(say: Say, facts: Facts, policy: Policy) -> Said:
    counters = facts.counters
    if isinstance(counters, Unlooked):
        return (say.unknown(counters),)
    spilled, seconds = _spilled(counters, facts)
    if seconds is None:
        return (_spilled_ever(say, counters, policy),)
    rate = spilled / max(seconds / 3600, 1.0)
    if rate <= policy.temp_bytes_an_hour:
        text = N_("temporary files took {written} in {time}")
        said: dict[str, Any] = {
            "written": size(spilled),
            "written_bytes": spilled,
            "time": amount(seconds),
        }
        return (say("ok", text, **said),)
    statement = _largest_spill(facts)
    text = N_("queries wrote {written} of temporary files in {time}")
    if statement is not None:
        text = N_("queries wrote {written} of temporary files in {time}, most of all: {query}")
    return (
        say(
            "warning",
            text,
            remedies=_SPILLS,
            written=size(spilled),
            written_bytes=spilled,
            an_hour_bytes=round(rate),
            time=amount(seconds),
            seconds=round(seconds),
            query="" if statement is None else statement.text,
        ),
    )


def _spilled_ever(say: Say, counters: Counters, policy: Policy) -> Finding:
    said: dict[str, Any] = {
        "written": size(counters.temp_bytes),
        "written_bytes": counters.temp_bytes,
    }
    # Since nobody knows when.
    if counters.temp_bytes <= policy.temp_bytes_an_hour:
        return say("ok", N_("temporary files took {written} in all"), **said)
    text = N_("queries wrote {written} of temporary files; since when is not known")
    return say("info", text, remedies=_SPILLS, **said)


_SPILLS = (
    Remedy(
        sentence=N_("Give the role that runs them more memory for each sort, by its work_mem."),
        risk="careful",
    ),
    Remedy(
        sentence=N_("Let the log name what writes them."),
        sql="ALTER SYSTEM SET log_temp_files = '10MB'; SELECT pg_reload_conf()",
    ),
)


def _spilled(counters: Counters, facts: Facts) -> tuple[int, float | None]:
    """How much since a sample of yesterday, or since the counting began, and seconds of that."""
    before = None if facts.earlier is None else facts.earlier.counters.get("temp_bytes")
    if facts.earlier is not None and before is not None and before <= counters.temp_bytes:
        return round(counters.temp_bytes - before), facts.earlier.age_seconds
    if counters.since is None or isinstance(facts.server, Unlooked):
        return counters.temp_bytes, None
    return counters.temp_bytes, max((facts.server.now - counters.since).total_seconds(), 0.0)


def _largest_spill(facts: Facts) -> Statement | None:
    if not isinstance(facts.statements, Statements):
        return None
    spilling = [one for one in facts.statements.dearest if one.temp_bytes]
    return max(spilling, key=lambda one: one.temp_bytes, default=None)


def _checkpoints(say: Say, facts: Facts, policy: Policy) -> Said:
    found = facts.checkpoints
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    said: dict[str, Any] = {
        "timed": found.timed,
        "requested": found.requested,
        "since": found.since,
    }
    number = found.timed + found.requested
    if number < policy.least_checkpoints:
        return (say("ok", N_("there were too few checkpoints to judge: {number}"), number=number),)
    share = found.requested / number
    level: Level = "ok"
    if share > policy.requested:
        level = "warning" if share > policy.requested_warning else "info"
    larger = Remedy(
        sentence=N_("Let more WAL come between two checkpoints, where the disk has the room."),
        sql="ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf()",
        risk="careful",
    )
    return (
        say(
            level,
            N_("{percent} % of {number} checkpoints came before their time"),
            remedies=() if level == "ok" else (larger,),
            percent=percent(share),
            number=number,
            **said,
        ),
    )


def _reading(say: Say, facts: Facts, policy: Policy) -> Said:
    counters = facts.counters
    if isinstance(counters, Unlooked):
        return (say.unknown(counters),)
    pages = counters.pages_hit + counters.pages_read
    if counters.pages_read < policy.least_reads:
        text = N_("few pages were not in memory: {pages_read}")
        return (say("ok", text, pages_read=counters.pages_read),)
    share = counters.pages_hit / pages
    level = _by_memory(share, policy)
    said: dict[str, Any] = {
        "percent": percent(share),
        "pages_read": counters.pages_read,
        "pages_hit": counters.pages_hit,
        "read_seconds": round(counters.read_milliseconds / 1000, 1),
        "since": counters.since,
    }
    text = N_("{percent} % of the pages were in memory")
    if level == "ok":
        return (say("ok", text, **said),)
    if not counters.times_reads:
        why = Unlooked(N_("many pages are read, and the server does not time that"))
        return (say.unknown(why, _TIME_READS),)
    spent = _spent(counters)
    said["spent_percent"] = percent(spent)
    if spent < policy.reading:
        text = N_("{percent} % of the pages were in memory, and reading the others took no time")
        return (say("ok", text, **said),)
    text = N_(
        "{percent} % of the pages were in memory; {spent_percent} % of the time was spent reading "
        "the others"
    )
    return (say(level, text, remedies=_READ_LESS, **said),)


def _by_memory(share: float, policy: Policy) -> Level:
    levels: list[Level] = ["ok"]
    if share < policy.from_memory:
        levels.append("info")
    if share < policy.from_memory_warning:
        levels.append("warning")
    return max(levels, key=LEVELS.index)


def _spent(counters: Counters) -> float:
    active = counters.active_milliseconds
    return min(counters.read_milliseconds / active, 1.0) if active else 0.0


_TIME_READS = Remedy(
    sentence=N_("Let the server time its reads; that costs little where its clock is fast."),
    sql="ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf()",
)
_READ_LESS = (
    Remedy(
        sentence=N_("See which statements read most; an index lets them read less."),
        command="agentpg doctor slow --json",
    ),
    Remedy(
        sentence=N_("Give the server more memory for pages, up to a quarter of the machine's."),
        sql="ALTER SYSTEM SET shared_buffers = '2GB'",
        risk="careful",
    ),
)

LOAD_CHECKS = (
    SlowCheck(
        code="S12",
        title=N_("Temporary files of queries"),
        levels=("info", "warning"),
        threshold=N_("> 1 GB an hour / –"),
        contact="dba",
        cause=N_("sorts and hashes need more than work_mem"),
        proof=N_("a day later less was written."),
        idea="an index that has the order, less to sort, or more `work_mem` for that role alone.",
        decide=_temporary,
    ),
    SlowCheck(
        code="S13",
        title=N_("Checkpoints before their time"),
        levels=("info", "warning"),
        threshold=N_("> 60 % of at least 10 / –; info from 30 % on"),
        contact="dba",
        cause=N_("max_wal_size is small for what is written, or somebody asks for them"),
        proof=N_("of the next ten checkpoints most come by the clock."),
        meaning=(
            "A checkpoint makes the server write all changed pages, and the first change of each "
            "page after it goes into the WAL with the whole page. Backups ask for one each."
        ),
        idea="raise `max_wal_size`, where the disk has room for it.",
        decide=_checkpoints,
    ),
    SlowCheck(
        code="S14",
        title=N_("Time spent with reading"),
        levels=("info", "warning"),
        threshold=N_(
            "< 90 % from memory / –; info below 95 %; from 10,000 reads on that take 20 % of the "
            "time"
        ),
        contact="dba",
        cause=N_("what is used is larger than shared_buffers, or statements read whole tables"),
        proof=N_("after `SELECT pg_stat_reset()` and a day the share is higher."),
        idea="find what reads most; give the server more memory.",
        decide=_reading,
    ),
)
