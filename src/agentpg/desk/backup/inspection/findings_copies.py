"""What is wrong with the backups that are there: age, number, files: B01, B02, B12, B13."""

from __future__ import annotations

import statistics

from agentpg.desk.backup.inspection.facts import Catalogue, Facts, Known
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.backup.inspection.saying import (
    CREATE,
    DRILL,
    LIST,
    SCHEDULES,
    BackupCheck,
    in_the_future,
    repository_remedy,
)
from agentpg.desk.backup.model import OF_DATABASES
from agentpg.desk.check import Say, Unlooked, amount, by
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_NEEDED_FOR_RATIO = 3


def _no_backup(say: Say, facts: Facts) -> Finding:
    return say(
        "critical",
        N_("there is no backup"),
        remedies=(CREATE, SCHEDULES),
        cause=N_("the repository {place} is new, or another one, or its disk is not mounted"),
        place=facts.place_name,
        backups=0,
    )


def _age(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    known = facts.catalogue.known
    if not known:
        return _no_backup(say, facts)
    last = known[-1].backup
    age = facts.now - last.taken_at
    if age < -policy.clocks_differ:
        return in_the_future(say, last.name, -age)
    level = by(
        age.total_seconds(),
        policy.age_warning.total_seconds(),
        policy.age_critical.total_seconds(),
    )
    return say(
        level,
        N_("the last backup {subject} is {age} old"),
        last.name,
        () if level == "ok" else (CREATE, SCHEDULES),
        age=amount(age),
        age_seconds=round(age.total_seconds()),
    )


def _restorable(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    catalogue = facts.catalogue
    good = [one for one in catalogue.known if one.is_good and _stands_alone(one)]
    level: Level = "ok" if len(good) >= policy.restorable else "warning" if good else "critical"
    bad = sum(not one.is_good for one in catalogue.known) + len(catalogue.damaged)
    text = N_("whole backups that can be restored: {good}")
    if bad:
        text = N_(
            "{good} whole backups can be restored; {bad} more are damaged or failed their drill"
        )
    return say(
        level,
        text,
        facts.place_name,
        () if level == "ok" else (CREATE, LIST),
        good=len(good),
        bad=bad,
        damaged=list(catalogue.damaged),
    )


def _stands_alone(one: Known) -> bool:
    return not one.backup.details.get("needs")


def _whole(say: Say, facts: Facts, policy: Policy) -> Finding:
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
    for one in reversed(facts.catalogue.known):
        if one.amiss:
            return say(
                "critical",
                N_("{subject} is not whole: {count} files are missing or cut short, as {first}"),
                one.backup.name,
                (_verify(one), CREATE),
                count=len(one.amiss),
                first=one.amiss[0],
            )
    if facts.catalogue.damaged:
        name = facts.catalogue.damaged[0]
        return say("critical", N_("the record of {subject} cannot be read"), name, (LIST, CREATE))
    return _in_proportion(say, facts.catalogue, policy)


def _verify(one: Known) -> Remedy:
    return Remedy(
        sentence=N_("See what is wrong with its files."),
        command=f"agentpg backup verify {one.backup.name}",
    )


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
        (_verify(last), DRILL),
        percent=round(mine * 100, 1),
        usual_percent=round(median * 100, 1),
        size_bytes=last.backup.size_bytes,
        source_bytes=last.backup.source_bytes,
    )


def _share(one: Known) -> float:
    backup = one.backup
    return backup.size_bytes / backup.source_bytes if backup.source_bytes else 0.0


def _fitting(say: Say, facts: Facts, policy: Policy) -> Finding:
    del policy
    if isinstance(facts.catalogue, Unlooked):
        return say.unknown(facts.catalogue, repository_remedy())
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
        return say("warning", text, last.name, (install, CREATE), tool=tool, server=server)
    if last.details.get("globals") is False:
        grant = Remedy(
            sentence=N_("Let a role make it that may read pg_roles and pg_tablespace."),
            command="agentpg config show",
        )
        text = N_("{subject} lacks the roles and tablespaces of the cluster: {why}")
        why = str(last.details.get("globals_missing", "–"))
        return say("warning", text, last.name, (grant, CREATE), why=why)
    return say("ok", N_("{subject} fits its server, and has the roles"), last.name, tool=tool)


COPY_CHECKS = (
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
)
