"""Errors of the server itself that its log tells of, S17."""

from __future__ import annotations

from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.doctor.slow.facts import Facts, Log, Trouble
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.doctor.slow.saying import Said, SlowCheck
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_SENTENCES = {
    "shared memory": N_(
        "{times} statements failed: there is no room in /dev/shm for the shared memory of "
        "parallel queries; the last {age} ago"
    ),
    "temporary files": N_(
        "{times} statements failed: their temporary files were larger than temp_file_limit; the "
        "last {age} ago"
    ),
    "no room": N_("{times} writes of the server failed: a disk was full; the last {age} ago"),
    "damage": N_("{times} reads met a damaged page; the last {age} ago"),
    "locks": N_("{times} statements failed: the table of locks was full; the last {age} ago"),
    "memory": N_("{times} statements failed for want of memory; the last {age} ago"),
    "killed": N_("{times} processes of the server were ended by a signal; the last {age} ago"),
}
_CAUSES = {
    "shared memory": N_("a container has 64 MB there unless it is told otherwise"),
    "temporary files": N_("sorts and hashes need more than work_mem"),
    "no room": N_("the disk is full, or was"),
    "damage": N_("the disk or the memory of the machine has changed what was written"),
    "locks": N_("one transaction touches very many tables, partitions or indexes"),
    "memory": N_("more sessions or larger sorts than the memory is for, or another program"),
    "killed": N_("signal 9 is the kernel, for want of memory, or a person; others are faults"),
}
_REMEDIES = {
    "shared memory": Remedy(
        sentence=N_("Give it more room; of a container, by --shm-size."), command="df -h /dev/shm"
    ),
    "temporary files": Remedy(
        sentence=N_("Give the role that runs them more memory for each sort, by its work_mem."),
        risk="careful",
    ),
    "no room": Remedy(sentence=N_("See what fills the disks."), command="agentpg doctor disk"),
    "damage": Remedy(
        sentence=N_("See what is damaged, and restore it from a backup."),
        command="agentpg doctor backup",
    ),
    "locks": Remedy(
        sentence=N_("Raise max_locks_per_transaction, with a restart."), risk="careful"
    ),
    "memory": Remedy(
        sentence=N_("See which processes take it."), command="ps -eo pid,rss,pcpu,args --sort -rss"
    ),
    "killed": Remedy(
        sentence=N_("See whether the kernel ended them."), command="dmesg | grep -i oom"
    ),
}


def _troubles(say: Say, facts: Facts, policy: Policy) -> Said:
    log, logging = facts.log, facts.logging
    if isinstance(logging, Unlooked):
        return (say.unknown(logging),)
    if isinstance(log, Unlooked):
        return (say.unknown(log),)
    found = tuple(_told(say, one, log, policy) for one in log.troubles)
    if not found and logging.language and not logging.language.startswith(("en", "C", "POSIX")):
        return (say.unknown(Unlooked(N_("the server logs in a language that is not read here"))),)
    return found or (say("ok", N_("the end of the server's log tells of no error of its own")),)


def _told(say: Say, one: Trouble, log: Log, policy: Policy) -> Finding:
    lately = one.seconds_ago is None or one.seconds_ago <= policy.lately.total_seconds()
    return say(
        "warning" if lately else "info",
        _SENTENCES[one.kind],
        one.kind,
        (_REMEDIES[one.kind],),
        cause=_CAUSES[one.kind],
        times=one.times,
        age=amount(max(one.seconds_ago or 0.0, 0.0)),
        last_at=one.last_at,
        path=log.path,
    )


TROUBLE_CHECKS = (
    SlowCheck(
        code="S17",
        title=N_("Errors of the server in its log"),
        levels=("info", "warning"),
        threshold=N_("any of the kinds within an hour; info within a day / –"),
        contact="dba",
        proof=N_("an hour later the log tells of no new one."),
        meaning=(
            "The last 256 kB of the log, as for S15; told are errors of the server itself, and not "
            "of statements: /dev/shm, temp_file_limit, a full disk, damaged pages, a full table of "
            "locks, want of memory, and processes that a signal has ended. It is known by the "
            "server's English words."
        ),
        idea="by the kind; the log has the statement and the moment.",
        decide=_troubles,
    ),
)
