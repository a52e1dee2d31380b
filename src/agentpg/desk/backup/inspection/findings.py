"""What is wrong with the backups of an installation, B01 to B19: decided on frozen facts.

Each check says one thing, and ok where all is well, so that what was looked at is seen. The
levels and thresholds are in the table at the end, and in `policy.py`.
"""

from __future__ import annotations

import statistics
from datetime import timedelta

from agentpg.desk.backup.inspection.facts import Catalogue, Facts, Known
from agentpg.desk.backup.inspection.findings_place import PLACE_CHECKS
from agentpg.desk.backup.inspection.findings_wal import WAL_CHECKS
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.backup.inspection.saying import BackupCheck
from agentpg.desk.backup.model import OF_DATABASES
from agentpg.desk.check import Say, Unlooked, amount, by
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_CREATE = Remedy(sentence=N_("Make a backup now."), command="agentpg backup create", risk="safe")
_DRILL = Remedy(
    sentence=N_("Prove the newest backup by a restore."),
    command="agentpg backup drill",
    risk="safe",
)
_SCHEDULES = Remedy(
    sentence=N_("Look whether BackupAgent's schedules run and a worker has AGENTPG_DSN_BACKUP."),
    command="agentpg schedule list",
)
_CLOCK = Remedy(
    sentence=N_("Set the clocks of this machine and the server right, and look at the moments."),
    command="agentpg backup list",
)
_LIST = Remedy(sentence=N_("Look at the backups."), command="agentpg backup list")

_FASTER = Remedy(
    sentence=N_("Restore with more jobs, or keep less history."), command="agentpg retention show"
)
_ARCHIVE = Remedy(
    sentence=N_("Archive the WAL, so that the last minute can be recovered."),
    command="agentpg backup archive on",
    risk="careful",
)

_NEEDED_FOR_RATIO = 3

# What these look at is not there before the first backup, which B01 says.
_OF_WHAT_IS_THERE = ("B02", "B03", "B04", "B12", "B13", "B17")


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes.

    Where there is nothing at all, one says so, and those that would look at it are silent.
    """
    silent = _silent(facts, policy)
    return tuple(
        check.decide(Say(check, policy.thresholds), facts, policy)
        for check in CHECKS
        if check.code not in silent
    )


def _silent(facts: Facts, policy: Policy) -> tuple[str, ...]:
    catalogue = facts.catalogue
    if isinstance(catalogue, Unlooked) or catalogue.known or catalogue.damaged:
        return ()
    # Whoever has set a target is told that it is not met.
    return _OF_WHAT_IS_THERE if any(_both(policy)) else (*_OF_WHAT_IS_THERE, "B18")


def _no_backup(say: Say, facts: Facts) -> Finding:
    return say(
        "critical",
        N_("there is no backup"),
        remedies=(_CREATE, _SCHEDULES),
        cause=N_("the repository {place} is new, or another one, or its disk is not mounted"),
        place=facts.place_name,
        backups=0,
    )


def _age(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    known = facts.catalogue.known
    if not known:
        return _no_backup(say, facts)
    last = known[-1].backup
    age = facts.now - last.taken_at
    if age < -policy.clocks_differ:
        return _in_the_future(say, last.name, -age)
    level = by(
        age.total_seconds(),
        policy.age_warning.total_seconds(),
        policy.age_critical.total_seconds(),
    )
    return say(
        level,
        N_("the last backup {subject} is {age} old"),
        last.name,
        () if level == "ok" else (_CREATE, _SCHEDULES),
        age=amount(age),
        age_seconds=round(age.total_seconds()),
    )


def _in_the_future(say: Say, name: str, ahead: timedelta) -> Finding:
    """A clock was wrong: nothing tells how old it is, and it hides what is newer."""
    text = N_("{subject} has a moment that is {ahead} ahead of this machine's clock")
    seconds = round(ahead.total_seconds())
    return say("warning", text, name, (_CLOCK,), ahead=amount(ahead), ahead_seconds=seconds)


def _restorable(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    catalogue = facts.catalogue
    good = [one for one in catalogue.known if one.is_good and _stands_alone(one)]
    level: Level = "ok" if len(good) >= policy.restorable else "warning" if good else "critical"
    return say(
        level,
        N_("{good} whole backups can be restored; {bad} more are damaged or failed their drill"),
        facts.place_name,
        () if level == "ok" else (_CREATE, _LIST),
        good=len(good),
        bad=sum(not one.is_good for one in catalogue.known) + len(catalogue.damaged),
        damaged=list(catalogue.damaged),
    )


def _drill_age(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    catalogue = facts.catalogue
    found = catalogue.last_passed
    if found is None and not catalogue.known:
        # Only what can't be read is there: B12 says so.
        return say("warning", N_("there is no backup to drill"), remedies=(_CREATE, _DRILL))
    if found is None:
        age = facts.now - catalogue.known[0].backup.taken_at
        level: Level = "critical" if age > policy.drill_critical else "warning"
        return say(
            level,
            N_("no backup has passed a drill, and the oldest is {age} old"),
            remedies=(_DRILL, _SCHEDULES),
            age=amount(age),
            age_seconds=round(age.total_seconds()),
        )
    known, drill = found
    age = facts.now - drill.ended_at
    if age < -policy.clocks_differ:
        return _in_the_future(say, known.backup.name, -age)
    level = by(
        age.total_seconds(),
        policy.drill_warning.total_seconds(),
        policy.drill_critical.total_seconds(),
    )
    return say(
        level,
        N_("the last drill that was passed, of {subject}, was {age} ago"),
        known.backup.name,
        () if level == "ok" else (_DRILL, _SCHEDULES),
        age=amount(age),
        age_seconds=round(age.total_seconds()),
    )


def _proof(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    drilled = [one for one in facts.catalogue.known if one.last is not None]
    for one in reversed(drilled):
        if one.last is not None and one.last.outcome == "failed":
            return _not_proved(say, one, "critical", N_("the drill of {subject} failed: {why}"))
    newest = drilled[-1] if drilled else None
    if newest is not None and newest.last is not None and newest.last.outcome == "unknown":
        return _not_proved(
            say, newest, "unknown", N_("the drill of {subject} could not find out: {why}")
        )
    if newest is None:
        return say("ok", N_("no drill has found a difference"), drills=0)
    text = N_("{subject} was restored, and held exactly what its source held")
    return say("ok", text, newest.backup.name, drills=len(drilled))


def _not_proved(say: Say, one: Known, level: Level, sentence: str) -> Finding:
    checks = [] if one.last is None else [c for c in one.last.checks if c.outcome != "passed"]
    show = Remedy(
        sentence=N_("Look at what was compared, and do not rely on this backup."),
        command=f"agentpg backup show {one.backup.name}",
    )
    return say(
        level,
        sentence,
        one.backup.name,
        (show, _CREATE, _DRILL),
        why="; ".join(f"{c.name}: {c.reason}" for c in checks) or "–",
        checks=[c.name for c in checks],
        differences=sum(len(c.differences) for c in checks),
    )


def _whole(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    for one in reversed(facts.catalogue.known):
        if one.amiss:
            return say(
                "critical",
                N_("{subject} is not whole: {count} files are missing or cut short, as {first}"),
                one.backup.name,
                (_verify(one), _CREATE),
                count=len(one.amiss),
                first=one.amiss[0],
            )
    if facts.catalogue.damaged:
        name = facts.catalogue.damaged[0]
        return say("critical", N_("the record of {subject} cannot be read"), name, (_LIST, _CREATE))
    return _in_proportion(say, facts.catalogue, policy)


def _in_proportion(say: Say, catalogue: Catalogue, policy: Policy) -> Finding:
    """The newest backup's share of the database's size, beside those of its kind before."""
    well = N_("all files of all backups are there, in their sizes")
    if not catalogue.known:
        return say("ok", well, files=0)
    last = catalogue.known[-1]
    shares = [_share(one) for one in catalogue.known[:-1] if one.backup.kind == last.backup.kind]
    usual = [share for share in shares if share]
    mine = _share(last)
    if len(usual) < _NEEDED_FOR_RATIO or not mine:
        return say("ok", well, files=sum(len(one.backup.files) for one in catalogue.known))
    median = statistics.median(usual)
    if 1 - policy.size_off <= mine / median <= 1 / (1 - policy.size_off):
        return say("ok", well, files=sum(len(one.backup.files) for one in catalogue.known))
    return say(
        "critical",
        N_(
            "{subject} takes {percent} % of the database's size, and those before took "
            "{usual_percent} %"
        ),
        last.backup.name,
        (_verify(last), _DRILL),
        percent=round(mine * 100, 1),
        usual_percent=round(median * 100, 1),
        size_bytes=last.backup.size_bytes,
        source_bytes=last.backup.source_bytes,
    )


def _fitting(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    dumps = [one.backup for one in facts.catalogue.known if one.backup.kind in OF_DATABASES]
    if not dumps:
        return say("ok", N_("there is no dump to restore with other programs"))
    last = dumps[-1]
    server, tool = last.source.server_version // 10_000, last.tool_major
    if tool > server:
        install = Remedy(
            sentence=N_("Let a pg_dump of the server's own version make it."),
            command=f"apt-get install postgresql-client-{server}",
        )
        text = N_("{subject} was made by pg_dump {tool}, which may write what {server} can't read")
        return say("warning", text, last.name, (install, _CREATE), tool=tool, server=server)
    if last.details.get("globals") is False:
        grant = Remedy(
            sentence=N_("Let a role make it that may read pg_roles and pg_tablespace."),
            command="agentpg config show",
        )
        text = N_("{subject} lacks the roles and tablespaces of the cluster: {why}")
        why = str(last.details.get("globals_missing", "–"))
        return say("warning", text, last.name, (grant, _CREATE), why=why)
    return say("ok", N_("{subject} fits its server, and has the roles"), last.name, tool=tool)


def _drilled_left(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    known = facts.catalogue.known
    proved = sum(one.last is not None and one.last.outcome == "passed" for one in known)
    if known and not proved:
        text = N_("of {backups} backups that would be kept, none is proved by a drill")
        return say("warning", text, remedies=(_DRILL,), backups=len(known), proved=0)
    text = N_("{proved} of {backups} backups are proved, and the last of them is never removed")
    return say("ok", text, backups=len(known), proved=proved)


def _targets(say: Say, facts: Facts, policy: Policy) -> Finding:
    if policy.rto is None and policy.rpo is None:
        return say("ok", N_("nobody has said how long a restore may take or what may be lost"))
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, _repository_remedy())
    measured = _measured(facts, facts.catalogue, policy)
    if policy.rto is not None and len(measured) < sum(t is not None for t in _both(policy)):
        why = N_("no drill has been passed, and nothing says how long a restore takes")
        return say.unknown(Unlooked(why), _DRILL)
    value, target, sentence, remedies = max(measured, key=lambda one: one[0] / one[1])
    level = by(value / target, policy.target_warning, 1.0)
    return say(
        level,
        sentence,
        remedies=() if level == "ok" else remedies,
        value=amount(value),
        target=amount(target),
        seconds=round(value.total_seconds(), 1),
        target_seconds=target.total_seconds(),
        percent=round(value / target * 100),
    )


def _both(policy: Policy) -> tuple[timedelta | None, timedelta | None]:
    return policy.rto, policy.rpo


def _measured(
    facts: Facts, catalogue: Catalogue, policy: Policy
) -> list[tuple[timedelta, timedelta, str, tuple[Remedy, ...]]]:
    """What was measured of the targets that were set, how it is said, and what helps."""
    found: list[tuple[timedelta, timedelta, str, tuple[Remedy, ...]]] = []
    restore = _rto(catalogue)
    if policy.rto is not None and restore is not None:
        text = N_("a restore takes {value}, of {target} that are allowed")
        found.append((restore, policy.rto, text, (_FASTER,)))
    if policy.rpo is not None:
        text = N_("the work of {value} would be lost, of {target} that are allowed")
        found.append((_rpo(facts, catalogue), policy.rpo, text, (_ARCHIVE, _CREATE)))
    return found


def _rto(catalogue: Catalogue) -> timedelta | None:
    found = catalogue.last_passed
    return None if found is None else found[1].restore


def _rpo(facts: Facts, catalogue: Catalogue) -> timedelta:
    """The work since the last moment that is safe: a backup, or archived WAL on top of one."""
    moments = [one.backup.taken_at for one in catalogue.known if one.is_good]
    archiver = facts.archiver
    if catalogue.has_physical and not isinstance(archiver, Unlooked):
        moments += [archiver.last_archived_at] if archiver.last_archived_at else []
    return facts.now - max(moments) if moments else timedelta(days=36500)


def _share(one: Known) -> float:
    backup = one.backup
    return backup.size_bytes / backup.source_bytes if backup.source_bytes else 0.0


def _stands_alone(one: Known) -> bool:
    return not one.backup.details.get("needs")


def _verify(one: Known) -> Remedy:
    return Remedy(
        sentence=N_("See what is wrong with its files."),
        command=f"agentpg backup verify {one.backup.name}",
    )


def _repository_remedy() -> Remedy:
    return Remedy(
        sentence=N_("Look at where the backups lie, and at the rights to it."),
        command="agentpg config show",
    )


_BACKUP_CHECKS = (
    BackupCheck(
        code="B01",
        title=N_("Age of the last backup"),
        levels=("warning", "critical"),
        threshold="> 26 h / > 50 h (backup_age_warning, backup_age_critical)",
        contact="ops",
        cause=N_("the schedule of BackupAgent does not run, or its task fails"),
        proof=N_("`agentpg backup list` shows a new backup."),
        decide=_age,
    ),
    BackupCheck(
        code="B02",
        title=N_("Whole backups that can be restored"),
        levels=("warning", "critical"),
        threshold="< 2 / 0",
        contact="dba",
        cause=N_("backups were removed or damaged, or hardly any was made"),
        proof=N_("`agentpg backup verify` finds nothing amiss in two of them."),
        decide=_restorable,
    ),
    BackupCheck(
        code="B03",
        title=N_("Age of the last drill that was passed"),
        levels=("warning", "critical"),
        threshold="> 8 d / > 31 d (backup_drill_warning, backup_drill_critical)",
        contact="dba",
        cause=N_("the weekly drill has no schedule, or its task fails"),
        proof=N_("`agentpg backup drill` passes."),
        decide=_drill_age,
    ),
    BackupCheck(
        code="B04",
        title=N_("What the drills found"),
        levels=("critical",),
        threshold=N_("any difference / –"),
        contact="dba",
        cause=N_("a file of the backup is damaged, or it lacks something of its source"),
        proof=N_("a drill of a new backup passes."),
        decide=_proof,
    ),
    BackupCheck(
        code="B12",
        title=N_("Files of the backups, and their size beside those before"),
        levels=("critical",),
        threshold=N_("– / any file amiss, or 50 % off the median"),
        contact="dba",
        cause=N_("files were removed, cut short or not copied to the end"),
        proof=N_("`agentpg backup verify` finds nothing amiss."),
        decide=_whole,
    ),
    BackupCheck(
        code="B13",
        title=N_("Whether a dump fits its server, and has the roles"),
        levels=("warning",),
        threshold=N_("pg_dump newer than the server, or no globals / –"),
        contact="dba",
        cause=N_("another machine's programs made it, or a role that may not read all"),
        proof=N_("the next dump says ok here."),
        decide=_fitting,
    ),
    BackupCheck(
        code="B17",
        title=N_("Backups that are proved"),
        levels=("warning",),
        threshold="0 / –",
        contact="dba",
        cause=N_("nothing has been drilled since these backups were made"),
        proof=N_("`agentpg backup drill` passes."),
        decide=_drilled_left,
    ),
    BackupCheck(
        code="B18",
        title=N_("Time to restore, and work that would be lost"),
        levels=("warning", "critical"),
        threshold="> 80 % / > 100 % (backup_rto, backup_rpo)",
        contact="dba",
        cause=N_("there is more history than the target allows for, or WAL is archived too seldom"),
        proof=N_("the next drill is within the target."),
        decide=_targets,
    ),
)

CHECKS = tuple(sorted((*_BACKUP_CHECKS, *WAL_CHECKS, *PLACE_CHECKS), key=lambda check: check.code))
