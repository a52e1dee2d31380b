"""What a server stands on: its release, memory, load, clock, H07 to H11."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.desk.check import Say, Unlooked, amount, size
from agentpg.desk.doctor.server.facts import Facts
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.doctor.server.releases import AS_OF, RELEASES, Release
from agentpg.desk.doctor.server.saying import Said, ServerCheck
from agentpg.desk.finding import Level, Remedy
from agentpg.language import N_

_UPGRADE = Remedy(
    sentence=N_("Plan the move to a newer major release; a restored backup shows whether it fits."),
    command="agentpg backup restore --help",
)
_MINOR = Remedy(
    sentence=N_("Install the newest minor release and restart the server; the data stays as is."),
)
_PROCESSES = Remedy(
    sentence=N_("See which processes take it."), command="ps -eo pid,rss,pcpu,args --sort -rss"
)


def _release(say: Say, facts: Facts, policy: Policy) -> Said:
    server = facts.server
    known = RELEASES.get(server.major)
    if known is None:
        why = Unlooked(N_("this release of agentpg does not know that version of PostgreSQL"))
        return (say.unknown(why),)
    level, text = _judged(known, facts, policy)
    behind = known.behind(server.version_number % 10_000)
    remedies = () if level == "ok" else (_MINOR,) if behind else (_UPGRADE,)
    if server.asked_at.date() >= known.ends:
        remedies = (_UPGRADE,)
    return (
        say(
            level,
            text,
            server.version,
            remedies,
            behind=behind,
            newest=f"{server.major}.{known.newest}",
            ends=known.ends.isoformat(),
            as_of=AS_OF.isoformat(),
        ),
    )


def _judged(known: Release, facts: Facts, policy: Policy) -> tuple[Level, str]:
    today = facts.server.asked_at.date()
    behind = known.behind(facts.server.version_number % 10_000)
    if today >= known.ends:
        return "warning", N_("PostgreSQL {subject} gets no more repairs since {ends}")
    if behind:
        level: Level = "warning" if behind >= policy.minors_warning else "info"
        text = N_("PostgreSQL {subject} is {behind} minor releases behind {newest}, of {as_of}")
        return level, text
    if today >= known.ends - policy.ends_info:
        return "info", N_("PostgreSQL {subject} gets repairs until {ends} only")
    return "ok", N_("PostgreSQL {subject} is current by what was known on {as_of}")


def _memory(say: Say, facts: Facts, policy: Policy) -> Said:
    machine = facts.machine
    if isinstance(machine, Unlooked):
        return (say.unknown(machine),)
    share = machine.available_bytes / machine.memory_bytes
    level: Level = "ok"
    if share < policy.memory_warning:
        level = "critical" if share < policy.memory_critical else "warning"
    less = Remedy(
        sentence=N_("Let the server take less: work_mem for each sort, and shared_buffers."),
        sql="SELECT name, setting, unit FROM pg_settings WHERE name IN "
        "('shared_buffers', 'work_mem', 'maintenance_work_mem', 'max_connections')",
    )
    return (
        say(
            level,
            N_("{available} of {memory} are available to programs, {percent} %"),
            remedies=() if level == "ok" else (_PROCESSES, less),
            available=size(machine.available_bytes),
            available_bytes=machine.available_bytes,
            memory=size(machine.memory_bytes),
            memory_bytes=machine.memory_bytes,
            percent=round(share * 100),
        ),
    )


def _load(say: Say, facts: Facts, policy: Policy) -> Said:
    machine = facts.machine
    if isinstance(machine, Unlooked):
        return (say.unknown(machine),)
    each = machine.load / machine.processors
    level: Level = "ok"
    if each > policy.load_info:
        level = "warning" if each > policy.load_warning else "info"
    return (
        say(
            level,
            N_("over five minutes {load} processes wanted to run on {processors} processors"),
            remedies=() if level == "ok" else (_PROCESSES,),
            load=round(machine.load, 1),
            processors=machine.processors,
        ),
    )


def _kills(say: Say, facts: Facts, policy: Policy) -> Said:
    machine = facts.machine
    if isinstance(machine, Unlooked):
        return (say.unknown(machine),)
    kills = machine.kills or machine.kills_in_all
    if kills is None:
        return (say.unknown(Unlooked(N_("the kernel does not count them here"))),)
    if not kills:
        return (say("ok", N_("the kernel has ended no process for want of memory")),)
    crashed = facts.server.crashed_at
    is_recent = crashed is not None and facts.server.asked_at - crashed <= policy.crashed_warning
    strict = Remedy(
        sentence=N_("Let the kernel promise no more memory than there is."),
        command="sysctl vm.overcommit_memory=2",
        risk="careful",
    )
    text = N_("the kernel has ended {kills} processes for want of memory since it started")
    if machine.kills:
        text = N_("the kernel has ended {kills} processes of the server's group for want of memory")
    level: Level = "warning" if is_recent else "info"
    return (say(level, text, remedies=(_PROCESSES, strict), kills=kills),)


def _clock(say: Say, facts: Facts, policy: Policy) -> Said:
    ahead = facts.ahead_seconds
    if abs(ahead) <= policy.clock_warning.total_seconds():
        return (say("ok", N_("the server's clock and this machine's agree")),)
    see = Remedy(sentence=N_("See on both machines which clock is wrong."), command="timedatectl")
    text = N_("the server's clock is {apart} behind this machine's")
    if ahead > 0:
        text = N_("the server's clock is {apart} ahead of this machine's")
    return (say("warning", text, remedies=(see,), apart=amount(abs(ahead)), seconds=round(ahead)),)


def _newest() -> Sequence[str]:
    return [f"{major}.{release.newest}" for major, release in RELEASES.items() if major >= 14]


MACHINE_CHECKS = (
    ServerCheck(
        code="H07",
        title=N_("Release of PostgreSQL"),
        levels=("info", "warning"),
        threshold=N_("info 1 minor release behind or < 180 d left, 2 behind or out of support / –"),
        contact="dba",
        cause=N_("updates were put off, or are not installed by themselves"),
        proof=N_("`SHOW server_version` says a newer one."),
        meaning=f"By a table of {AS_OF.isoformat()} in the code, from "
        f"postgresql.org/support/versioning: {', '.join(_newest())}. Nothing asks the network.",
        idea="install the newest minor release; the data stays as it is.",
        decide=_release,
    ),
    ServerCheck(
        code="H08",
        title=N_("Memory of the machine"),
        levels=("warning", "critical"),
        threshold=N_("< 10 % / < 5 % available without swapping"),
        contact="ops",
        cause=N_("more sessions or larger sorts than the memory is for, or another program"),
        proof=N_("`free` shows more available memory."),
        meaning="Looked at where the server runs on this machine; of a control group with a limit, "
        "what is left below it.",
        idea="find the processes that take it, and let the server take less.",
        decide=_memory,
    ),
    ServerCheck(
        code="H09",
        title=N_("Load of the machine"),
        levels=("info", "warning"),
        threshold=N_("info > 2, > 4 for each processor over five minutes / –"),
        contact="ops",
        cause=N_("more is asked of the machine than its processors or disks can do"),
        proof=N_("`uptime` shows a smaller load."),
        idea="find the processes that run or wait for the disk.",
        decide=_load,
    ),
    ServerCheck(
        code="H10",
        title=N_("Processes that the kernel has ended"),
        levels=("info", "warning"),
        threshold=N_("info > 0, with a crash of the server within 24 h / –"),
        contact="ops",
        cause=N_("the memory was used up, and the kernel chose a process to end"),
        proof=N_("the number does not rise, and H02 is silent."),
        idea="give the machine more memory, or the server less; forbid overcommitting.",
        decide=_kills,
    ),
    ServerCheck(
        code="H11",
        title=N_("The server's clock"),
        levels=("warning",),
        threshold=N_("> 5 s from the clock of the machine that looks / –"),
        contact="ops",
        cause=N_("one of the two is not set by NTP, or was set by hand"),
        proof=N_("the two clocks agree."),
        meaning="Schedules, time-outs, the ages of backups and the ends of certificates are "
        "reckoned by one clock or the other.",
        idea="let NTP set both.",
        decide=_clock,
    ),
)
