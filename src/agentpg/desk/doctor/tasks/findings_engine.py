"""The engine itself: schedules, the releases of its workers, its schema, T10 to T12."""

from __future__ import annotations

import shlex
from typing import Any

from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.doctor.tasks.facts import Facts, Schedule, Schema
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.doctor.tasks.saying import Said, TaskCheck, each, show
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

_MIGRATE = Remedy(
    sentence=N_("See what is missing, then upgrade the schema; a backup first."),
    command="agentpg schema migrate",
    risk="careful",
)


def _schedules(say: Say, facts: Facts, policy: Policy) -> Said:
    return each(
        say,
        facts.schedules,
        lambda one: _schedule(say, one, facts, policy),
        N_("every schedule fires"),
    )


def _schedule(say: Say, one: Schedule, facts: Facts, policy: Policy) -> Finding | None:
    name = shlex.quote(one.name)
    look = Remedy(sentence=N_("Look at the schedule."), command=f"agentpg schedule show {name}")
    if one.problem is not None and one.paused_seconds is None:
        text = N_("the schedule {subject} cannot fire: {why}")
        return say("warning", text, one.name, (look,), why=one.problem)
    if one.late_seconds is not None and one.late_seconds > policy.late_warning.total_seconds():
        return say(
            "warning",
            N_("the schedule {subject} should have fired {age} ago"),
            one.name,
            (look,),
            cause=N_("no worker is alive at all") if facts.alive == 0 else "",
            age=amount(one.late_seconds),
            age_seconds=round(one.late_seconds),
        )
    if one.failed:
        text = N_("the last task of the schedule {subject} failed")
        return say("warning", text, one.name, (show(one.last_task_id), look))
    return _paused(say, one, policy)


def _paused(say: Say, one: Schedule, policy: Policy) -> Finding | None:
    seconds = one.paused_seconds or 0.0
    if seconds <= policy.held_info.total_seconds():
        return None
    resume = Remedy(
        sentence=N_("Let it fire again, or remove it."),
        command=f"agentpg schedule resume {shlex.quote(one.name)}",
        risk="careful",
    )
    return say(
        "info",
        N_("the schedule {subject} has been paused for {age}"),
        one.name,
        (resume,),
        age=amount(seconds),
        age_seconds=round(seconds),
    )


def _releases(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    versions = facts.versions
    if isinstance(versions, Unlooked):
        return (say.unknown(versions),)
    others = [one for one in versions if one.version != facts.release]
    if not others:
        return (say("ok", N_("all workers are of this release"), release=facts.release),)
    restart = Remedy(
        sentence=N_("Install one release on all machines, and start the workers again."),
        command="systemctl restart 'agentpg-worker@*'",
        risk="careful",
    )
    text = N_("{workers} workers, as {subject}, are of release {version}; this one is {release}")
    level: Level = "info" if len(versions) == 1 else "warning"
    return tuple(
        say(
            level,
            text,
            f"{one.host}:{one.process}",
            (restart,),
            thing=one.version,
            workers=one.workers,
            version=one.version,
            release=facts.release,
        )
        for one in others
    )


def _schema(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    schema = facts.schema
    if isinstance(schema, Unlooked):
        return (say.unknown(schema),)
    level, text, remedies = _fit(schema)
    values: dict[str, Any] = {"found": schema.found, "wanted": schema.wanted}
    return (say(level, text, schema.name, remedies, **values),)


def _fit(schema: Schema) -> tuple[Level, str, tuple[Remedy, ...]]:
    if not schema.found:
        text = N_("there is no schema {subject} of agentpg in this database")
        return "warning", text, (_MIGRATE,)
    if schema.found < schema.wanted:
        text = N_("the schema {subject} is at version {found}, and this release needs {wanted}")
        return "critical", text, (_MIGRATE,)
    if schema.works_with > schema.wanted:
        install = Remedy(sentence=N_("Install the release that the schema was upgraded for."))
        text = N_("the schema {subject} is at version {found}, too new for this release")
        return "critical", text, (install,)
    return "ok", N_("the schema {subject} is at version {found}"), ()


ENGINE_CHECKS = (
    TaskCheck(
        code="T10",
        title=N_("Schedules that do not fire"),
        levels=("info", "warning"),
        threshold=N_("cannot fire, > 1 min late, or the last task failed; info paused > 1 d / –"),
        contact="ops",
        cause=N_("its line or its task is wrong, or what it does meets an error"),
        proof=N_("`agentpg schedule list` shows a next moment, and its last task completed."),
        idea="look at the schedule, and at its last task.",
        decide=_schedules,
    ),
    TaskCheck(
        code="T11",
        title=N_("Releases of the workers"),
        levels=("info", "warning"),
        threshold=N_("info another one, more than one at a time / –"),
        contact="ops",
        cause=N_("an upgrade was not finished, or a machine was left out"),
        proof=N_("`agentpg status` shows one version for all workers."),
        idea="install one release on all machines.",
        decide=_releases,
    ),
    TaskCheck(
        code="T12",
        title=N_("Version of the schema"),
        levels=("warning", "critical"),
        threshold=N_("no schema / one that this release can't work on"),
        contact="dba",
        cause=N_("the program was upgraded without the schema, or this is another database"),
        proof=N_("`agentpg status` shows the version."),
        idea="upgrade the schema, or install the release that it is for.",
        decide=_schema,
    ),
)
