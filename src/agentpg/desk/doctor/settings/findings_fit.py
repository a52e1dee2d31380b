"""Whether the settings fit the machine and its work, G07 to G12."""

from __future__ import annotations

from agentpg.desk.check import Say, Unlooked, size
from agentpg.desk.doctor.settings.facts import Facts
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposing import propose
from agentpg.desk.doctor.settings.proposing_writing import requested_share
from agentpg.desk.doctor.settings.saying import (
    TELL_DISK,
    TELL_MACHINE,
    Said,
    SettingsCheck,
    of_topic,
    refused,
)
from agentpg.desk.doctor.settings.units import in_unit, shown
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_


def _memory(say: Say, facts: Facts, policy: Policy) -> Said:
    machine = facts.machine
    if isinstance(machine, Unlooked):
        return (say.unknown(machine, TELL_MACHINE),)
    if machine.ram_bytes is None:
        return (say.unknown(Unlooked(N_("how much memory it has is not known")), TELL_MACHINE),)
    text = N_("the memory is well shared out: the server may use {ram}")
    return of_topic(say, facts, policy, "memory", text, ram=size(machine.ram_bytes))


def _writing(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.checkpoints, Unlooked):
        return refused(say, facts.checkpoints, facts)
    share = requested_share(facts, policy)
    rate = None if isinstance(facts.wal, Unlooked) else facts.wal.per_second
    said = {"rate": "–" if rate is None else size(rate)}
    if share is not None and share > policy.requested_warning and not _may_grow(facts, policy):
        return (_no_room_for_wal(say, share, said),)
    text = N_("checkpoints begin by the clock; WAL comes at {rate} a second")
    if share is None:
        text = N_("too few checkpoints were counted to judge; WAL comes at {rate} a second")
    return of_topic(
        say,
        facts,
        policy,
        "writing",
        text,
        **said,
        requested_share=share,
        bytes_per_second=rate,
    )


def _may_grow(facts: Facts, policy: Policy) -> bool:
    return any(one.name == "max_wal_size" for one in propose(facts, policy))


def _no_room_for_wal(say: Say, share: float, said: dict[str, str]) -> Finding:
    return say(
        "warning",
        N_("{percent} % of the checkpoints were forced, and the disk is too small for more WAL"),
        "max_wal_size",
        (Remedy(sentence=N_("Put pg_wal on a larger disk, or write less at a time.")),),
        percent=round(share * 100),
        **said,
    )


def _disk(say: Say, facts: Facts, policy: Policy) -> Said:
    one, machine = facts.setting("random_page_cost"), facts.machine
    if one is None:
        return of_topic(say, facts, policy, "disk", "")
    well = N_("the planner's costs of reading fit the disk")
    if float(one.value) <= policy.random_most_ssd:
        return of_topic(say, facts, policy, "disk", well)
    if isinstance(machine, Unlooked):
        return (say.unknown(machine, TELL_MACHINE),)
    if machine.disk is None:
        text = N_("{subject} is {now}, for a disk that turns; what kind it has is not known")
        return (say("info", text, one.name, (TELL_DISK,), now=one.value),)
    return of_topic(say, facts, policy, "disk", well)


def _roles(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.roles, Unlooked):
        return refused(say, facts.roles, facts)
    value, one = facts.for_all("statement_timeout"), facts.setting("statement_timeout")
    if value is not None and one is not None and in_unit(value, one.unit):
        return (_for_all(say, shown(value, one.unit)),)
    well = N_("every role that needs time-outs has them")
    return of_topic(say, facts, policy, "roles", well, roles=len(facts.roles))


def _for_all(say: Say, now: str) -> Finding:
    return say(
        "warning",
        N_("{subject} is {now} for everybody: it ends migrations, vacuum and restores as well"),
        "statement_timeout",
        (
            Remedy(
                sentence=N_("Set it for the roles that ask, and not for the server."),
                sql=f"ALTER ROLE … SET statement_timeout = '{now}'; "
                "ALTER SYSTEM RESET statement_timeout; SELECT pg_reload_conf()",
            ),
        ),
        now=now,
    )


def _kernel(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    machine = facts.kernel
    if isinstance(machine, Unlooked):
        here = Remedy(sentence=N_("Run it on the server's machine."))
        return (say.unknown(machine, here),)
    found = []
    if machine.huge_pages == "always":
        found.append(_huge_pages(say))
    if machine.overcommit is not None and machine.overcommit != 2:
        found.append(_overcommit(say, machine.overcommit))
    return tuple(found) or (say("ok", N_("the kernel's memory is set as a server wants it")),)


def _huge_pages(say: Say) -> Finding:
    file = "/sys/kernel/mm/transparent_hugepage/enabled"
    return say(
        "info",
        N_("transparent huge pages are given always: that can make sessions stand still"),
        "transparent_hugepage",
        (
            Remedy(
                sentence=N_("Give them only to who asks; and so at each start of the machine."),
                command=f"echo madvise > {file}",
                risk="careful",
            ),
        ),
        now="always",
    )


def _overcommit(say: Say, mode: int) -> Finding:
    return say(
        "info",
        N_(
            "the kernel promises more memory than there is (mode {mode}): when it runs out, it "
            "ends a process of the server, and all sessions with it"
        ),
        "vm.overcommit_memory",
        (
            Remedy(
                sentence=N_("On a machine of the server's own: promise only what there is."),
                command="sysctl -w vm.overcommit_memory=2",
                risk="careful",
            ),
        ),
        mode=mode,
    )


def _counting(say: Say, facts: Facts, policy: Policy) -> Said:
    return of_topic(say, facts, policy, "counting", N_("what statements cost is counted"))


FIT_CHECKS = (
    SettingsCheck(
        code="G07",
        title=N_("How the memory is shared out"),
        levels=("info", "warning"),
        threshold=N_(
            "shared_buffers > 40 % of RAM, work_mem x max_connections x 2 > RAM, the "
            "workers' maintenance_work_mem > 25 %; info: shared_buffers < 15 %, and other values "
            "/ –"
        ),
        contact="dba",
        cause=N_("the defaults are for a small machine, or the machine has changed"),
        proof=N_("`agentpg tune settings` proposes nothing for memory."),
        meaning="Judged by the memory that the server may use, within its control group.",
        idea="`agentpg tune settings` has the values; `--apply` sets them, with an undo file.",
        decide=_memory,
    ),
    SettingsCheck(
        code="G08",
        title=N_("Checkpoints and WAL"),
        levels=("info", "warning"),
        threshold=N_(
            "> 30 % of 10 checkpoints or more not by the clock; slots without a limit / –"
        ),
        contact="dba",
        cause=N_("max_wal_size is small for what is written"),
        proof=N_("most checkpoints begin by the clock again."),
        meaning="After each checkpoint every page is written whole once; where they come often, "
        "that is most of the WAL.",
        idea="raise `max_wal_size` to five minutes of WAL, as far as the disk allows.",
        decide=_writing,
    ),
    SettingsCheck(
        code="G09",
        title=N_("The planner's costs of reading"),
        levels=("info",),
        threshold=N_("random_page_cost > 2 on an SSD / –"),
        contact="dba",
        cause=N_("the default is for a disk that turns"),
        proof=N_("the setting fits the disk."),
        idea="set `random_page_cost` to 1.1 on an SSD.",
        decide=_disk,
    ),
    SettingsCheck(
        code="G10",
        title=N_("Time-outs of roles"),
        levels=("info", "warning"),
        threshold=N_("statement_timeout for the whole server; info: none for a role / –"),
        contact="dba",
        cause=N_("the default is no limit"),
        proof=N_("the role has its time-outs, and the server none."),
        meaning="They belong to roles: what is set for the server ends backups, too.",
        idea="`ALTER ROLE … SET`, for the roles of programs.",
        decide=_roles,
    ),
    SettingsCheck(
        code="G11",
        title=N_("The kernel's memory"),
        levels=("info",),
        threshold=N_("transparent huge pages always, overcommit_memory not 2 / –"),
        contact="ops",
        cause=N_("the kernel's defaults are for desktops"),
        proof=N_("the kernel's setting is another, also after a restart of the machine."),
        idea="`sysctl`, on a machine that is the server's own.",
        decide=_kernel,
    ),
    SettingsCheck(
        code="G12",
        title=N_("What the server counts"),
        levels=("info",),
        threshold=N_("track_io_timing off, pg_stat_statements not loaded / –"),
        contact="dba",
        cause=N_("the defaults count little"),
        proof=N_("`agentpg doctor slow` tells what statements cost."),
        idea="switch them on; `pg_stat_statements` takes a restart.",
        decide=_counting,
    ),
)
