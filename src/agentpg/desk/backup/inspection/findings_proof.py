"""What the drills have proved, and whether the targets are met, B03, B04, B17, B18."""

from __future__ import annotations

from datetime import timedelta

from agentpg.desk.backup.inspection.facts import Catalogue, Facts, Known
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.backup.inspection.saying import (
    CREATE,
    DRILL,
    SCHEDULES,
    BackupCheck,
    in_the_future,
    repository_remedy,
)
from agentpg.desk.check import Say, Unlooked, amount, by
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_FASTER = Remedy(
    sentence=N_("Restore with more jobs, or keep less history."), command="agentpg retention show"
)
_ARCHIVE = Remedy(
    sentence=N_("Archive the WAL, so that the last minute can be recovered."),
    command="agentpg backup archive on",
    risk="careful",
)


def _drill_age(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    catalogue = facts.catalogue
    found = catalogue.last_passed
    if found is None and not catalogue.known:
        # Only what can't be read is there: B12 says so.
        return say("warning", N_("there is no backup to drill"), remedies=(CREATE, DRILL))
    if found is None:
        age = facts.now - catalogue.known[0].backup.taken_at
        # The weekly drill may be still to come.
        level: Level = "warning" if age > policy.drill_warning else "info"
        return say(
            "critical" if age > policy.drill_critical else level,
            N_("no backup has passed a drill, and the oldest is {age} old"),
            remedies=(DRILL, SCHEDULES),
            cause=N_("the weekly drill is still to come") if level == "info" else "",
            age=amount(age),
            age_seconds=round(age.total_seconds()),
        )
    known, drill = found
    age = facts.now - drill.ended_at
    if age < -policy.clocks_differ:
        return in_the_future(say, known.backup.name, -age)
    level = by(
        age.total_seconds(),
        policy.drill_warning.total_seconds(),
        policy.drill_critical.total_seconds(),
    )
    return say(
        level,
        N_("the last drill that was passed, of {subject}, was {age} ago"),
        known.backup.name,
        () if level == "ok" else (DRILL, SCHEDULES),
        age=amount(age),
        age_seconds=round(age.total_seconds()),
    )


def _proof(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
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
        (show, CREATE, DRILL),
        why="; ".join(f"{c.name}: {c.reason}" for c in checks) or "–",
        checks=[c.name for c in checks],
        differences=sum(len(c.differences) for c in checks),
    )


def _drilled_left(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    known = facts.catalogue.known
    proved = sum(one.last is not None and one.last.outcome == "passed" for one in known)
    if known and not proved:
        text = N_("of {backups} backups that would be kept, none is proved by a drill")
        return say("warning", text, remedies=(DRILL,), backups=len(known), proved=0)
    text = N_("{proved} of {backups} backups are proved, and the last of them is never removed")
    return say("ok", text, backups=len(known), proved=proved)


def _targets(say: Say, facts: Facts, policy: Policy) -> Finding:
    if policy.rto is None and policy.rpo is None:
        return say("ok", N_("nobody has said how long a restore may take or what may be lost"))
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    measured = _measured(facts, facts.catalogue, policy)
    if policy.rto is not None and len(measured) < sum(t is not None for t in _both(policy)):
        why = N_("no drill has been passed, and nothing says how long a restore takes")
        return say.unknown(Unlooked(why), DRILL)
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
        found.append((_rpo(facts, catalogue), policy.rpo, text, (_ARCHIVE, CREATE)))
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


PROOF_CHECKS = (
    BackupCheck(
        code="B03",
        title=N_("Age of the last drill that was passed"),
        levels=("info", "warning", "critical"),
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
