"""What became of a server: restarts, crashes, its role, its standbys, H02 to H05."""

from __future__ import annotations

from agentpg.desk.check import Say, Unlooked, amount, by, size
from agentpg.desk.doctor.server.facts import Facts, Receiving, Standby
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.doctor.server.saying import Said, ServerCheck, hidden
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_

_LOG = Remedy(
    sentence=N_("Read the server's log of that moment: it says which process died, and how."),
    command="agentpg doctor connection",
)
_STANDBY = Remedy(
    sentence=N_("See on the standby whether it runs, and what its log says."),
    sql="TABLE pg_stat_replication",
)


def _restart(say: Say, facts: Facts, policy: Policy) -> Said:
    server = facts.server
    crashed = server.crashed_at
    if crashed is not None and server.asked_at - crashed <= policy.crashed_warning:
        return (_crashed(say, facts),)
    up = server.asked_at - server.started_at
    level: Level = "info" if up <= policy.restarted_info else "ok"
    text = N_("the server has run for {age}")
    if level == "info":
        text = N_("the server was started {age} ago")
    cause = N_("somebody started it or its machine; nothing tells of a crash")
    return (
        say(
            level,
            text,
            cause=cause if level == "info" else "",
            age=amount(up),
            age_seconds=round(up.total_seconds()),
        ),
    )


def _crashed(say: Say, facts: Facts) -> Finding:
    server = facts.server
    crashed = server.crashed_at or server.started_at
    ago = server.asked_at - crashed
    text = N_("the server came back {age} ago without having been shut down before")
    if server.lost_a_process:
        text = N_("a process of the server died {age} ago, and all sessions with it")
    machine = facts.machine
    kills = None if isinstance(machine, Unlooked) else machine.kills
    cause = N_("the kernel ended it for want of memory, as it has {kills} processes here")
    return say(
        "warning",
        text,
        remedies=(_LOG,),
        cause=cause if kills else "",
        age=amount(ago),
        age_seconds=round(ago.total_seconds()),
        kills=kills,
    )


def _role(say: Say, facts: Facts, policy: Policy) -> Said:
    server, earlier = facts.server, facts.earlier
    if server.in_recovery:
        text = N_("the server is a standby: it only reads, and no worker can work on it")
        return (say("info", text, timeline=server.timeline),)
    if isinstance(earlier, Unlooked):
        return (say.unknown(earlier),)
    text = N_("the server takes writes, on timeline {timeline}")
    if earlier is None or earlier.timeline in (None, server.timeline):
        return (say("ok", text, timeline=server.timeline),)
    ago = server.asked_at - earlier.taken_at
    level: Level = "warning" if ago <= policy.promoted_warning else "info"
    look = Remedy(
        sentence=N_("See to it that the former primary is stopped, and that programs come here."),
        command="agentpg doctor connection",
    )
    return (
        say(
            level,
            N_(
                "within the last {age} the server was promoted: timeline {before} became {timeline}"
            ),
            remedies=(look,),
            age=amount(ago),
            age_seconds=round(ago.total_seconds()),
            before=earlier.timeline,
            timeline=server.timeline,
        ),
    )


def _lag(say: Say, facts: Facts, policy: Policy) -> Said:
    said = [*_lag_of_standbys(say, facts, policy), *_lag_of_itself(say, facts, policy)]
    return tuple(said) or (say("ok", N_("nothing streams from this server, nor to it")),)


def _lag_of_standbys(say: Say, facts: Facts, policy: Policy) -> list[Finding]:
    if isinstance(facts.standbys, Unlooked):
        return [say.unknown(facts.standbys)]
    if any(one.state is None for one in facts.standbys):
        return [hidden(say, facts)]
    found = [_behind(say, one, policy) for one in facts.standbys]
    bad = [one for one in found if one.level != "ok"]
    return bad or found[:1]


def _behind(say: Say, standby: Standby, policy: Policy) -> Finding:
    seconds, kept = standby.lag_seconds or 0.0, standby.lag_bytes or 0
    level = max(
        by(seconds, policy.lag_warning.total_seconds(), policy.lag_critical.total_seconds()),
        by(kept, policy.lag_warning_bytes, policy.lag_critical_bytes),
        key=LEVELS.index,
    )
    return say(
        level,
        N_("the standby {subject} is {lag} and {bytes} behind"),
        standby.name or str(standby.process),
        () if level == "ok" else (_STANDBY,),
        lag=amount(seconds),
        lag_seconds=round(seconds, 1),
        bytes=size(kept),
        lag_bytes=kept,
        state=standby.state,
        address=standby.address,
        process=standby.process,
    )


def _lag_of_itself(say: Say, facts: Facts, policy: Policy) -> list[Finding]:
    receiving = facts.receiving
    if receiving is None:
        return []
    if isinstance(receiving, Unlooked):
        return [say.unknown(receiving)]
    seconds = receiving.lag_seconds
    if seconds is None:
        return [say.unknown(Unlooked(N_("this standby has replayed nothing yet")))]
    level = by(seconds, policy.lag_warning.total_seconds(), policy.lag_critical.total_seconds())
    text, remedies = _why_behind(receiving)
    return [
        say(
            level,
            text,
            receiving.sender,
            () if level == "ok" else remedies,
            lag=amount(seconds),
            lag_seconds=round(seconds, 1),
            streams=receiving.streams,
            paused=receiving.paused,
        )
    ]


def _why_behind(receiving: Receiving) -> tuple[str, tuple[Remedy, ...]]:
    if receiving.paused:
        resume = Remedy(
            sentence=N_("Let it replay on."), sql="SELECT pg_wal_replay_resume()", risk="careful"
        )
        return N_("this standby does not replay: somebody paused it; it is {lag} behind"), (resume,)
    if not receiving.streams:
        see = Remedy(
            sentence=N_("See what its log says, and whether the primary lets it in."),
            sql="SHOW primary_conninfo; TABLE pg_stat_wal_receiver",
        )
        return N_("this standby does not stream; what it replayed last is {lag} old"), (see,)
    return N_("this standby streams from {subject}, and is {lag} behind"), (_STANDBY,)


def _missing(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.standbys, Unlooked):
        return (say.unknown(facts.standbys),)
    names = facts.server.synchronous_names
    if names and not facts.server.in_recovery:
        if any(one.state is None for one in facts.standbys):
            return (hidden(say, facts),)
        if not any(one.sync_state in ("sync", "quorum") for one in facts.standbys):
            return (_nobody_confirms(say, names),)
    return _fewer(say, facts)


def _nobody_confirms(say: Say, names: str) -> Finding:
    alone = Remedy(
        sentence=N_("Only if it does not come back soon: let transactions commit without it."),
        sql="ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()",
        risk="careful",
    )
    text = N_("no standby confirms commits, as {subject} is to: each one waits for ever")
    return say("critical", text, names, (_STANDBY, alone))


def _fewer(say: Say, facts: Facts) -> Said:
    earlier = facts.earlier
    standbys = () if isinstance(facts.standbys, Unlooked) else facts.standbys
    now = {one.name for one in standbys}
    if isinstance(earlier, Unlooked):
        return (say.unknown(earlier),)
    text = N_("all who streamed from this server still do")
    if earlier is None or facts.server.in_recovery:
        return (say("ok", text, standbys=len(now)),)
    ago = facts.server.asked_at - earlier.taken_at
    gone = [name for name in earlier.standbys if name not in now]
    return tuple(
        say(
            "warning",
            N_("{subject} streamed from this server {age} ago, and does not now"),
            name,
            (_STANDBY,),
            age=amount(ago),
            age_seconds=round(ago.total_seconds()),
        )
        for name in gone
    ) or (say("ok", text, standbys=len(now)),)


STATE_CHECKS = (
    ServerCheck(
        code="H02",
        title=N_("Restarts and crashes of the server"),
        levels=("info", "warning"),
        threshold=N_("info within 1 h after a start, a crash within 24 h / –"),
        contact="dba",
        cause=N_("a process was killed or failed, or the machine went down"),
        proof=N_("no further one comes; after a day this is silent."),
        meaning="After a crash all statistics of the server begin anew, by which it is told; a "
        "server that was made from a base backup began so, too.",
        idea="read the server's log, and look whether the machine had memory left.",
        decide=_restart,
    ),
    ServerCheck(
        code="H03",
        title=N_("Whether the server takes writes"),
        levels=("info", "warning"),
        threshold=N_("info for a standby, promoted since a sample of the last 24 h / –"),
        contact="dba",
        cause=N_("the primary failed, or somebody switched over"),
        proof=N_("all programs connect to the server that takes writes, and there is one alone."),
        idea="see that the former primary is stopped, and that programs come here.",
        decide=_role,
    ),
    ServerCheck(
        code="H04",
        title=N_("How far standbys are behind"),
        levels=("warning", "critical"),
        threshold=N_("> 30 s or 100 MB / > 300 s or 1 GB"),
        contact="dba",
        cause=N_("the network or the standby's disk is slower than the writes, or it stands"),
        proof=N_("the lag falls at each look."),
        meaning="A standby counts as caught up only while it streams.",
        idea="look at the standby: whether it runs, replays, and has room.",
        decide=_lag,
    ),
    ServerCheck(
        code="H05",
        title=N_("Standbys that are missing"),
        levels=("warning", "critical"),
        threshold=N_("one that streamed an hour ago / none that commits wait for"),
        contact="dba",
        cause=N_("the standby is down, or can't reach this server"),
        proof=N_("`pg_stat_replication` lists it again."),
        idea="start it again. Commits that wait for a standby go on when it is back.",
        decide=_missing,
    ),
)
