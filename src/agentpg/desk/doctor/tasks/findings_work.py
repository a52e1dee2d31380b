"""Work that does not get done: tasks without workers, that wait, or whose worker is gone, T01 to
T04, T08, T09, T13."""

from __future__ import annotations

import shlex

from agentpg.desk.check import Say, Unlooked, amount, by
from agentpg.desk.doctor.tasks.facts import Facts, Gone, Held, Ready, Waiting
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.doctor.tasks.saying import MOST, Said, TaskCheck, each, show
from agentpg.desk.finding import LEVELS, Finding, Level, Remedy
from agentpg.language import N_

_START = Remedy(
    sentence=N_("Start a worker with the app that has the handler."),
    command="agentpg worker --app MODULE:APP",
)
_AGENTS = Remedy(
    sentence=N_("See which agents and workers there are."), command="agentpg agent list"
)


def _unhandled(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(ready: Ready) -> Finding | None:
        if ready.workers or ready.paused_seconds is not None:
            return None
        level = by(
            ready.oldest_seconds,
            policy.unhandled_warning.total_seconds(),
            policy.unhandled_critical.total_seconds(),
        )
        if level == "ok":
            return None
        return say(
            level,
            N_("{tasks} tasks of {subject} have no worker, the oldest for {age}"),
            ready.name,
            (_START, _AGENTS),
            cause=N_("no worker is alive at all") if facts.alive == 0 else "",
            tasks=ready.tasks,
            age=amount(ready.oldest_seconds),
            age_seconds=round(ready.oldest_seconds),
        )

    return each(say, facts.ready, judge, N_("every task that could run has a worker"))


def _oldest(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(ready: Ready) -> Finding | None:
        if not ready.workers or ready.paused_seconds is not None:
            return None
        level = by(
            ready.oldest_seconds,
            policy.wait_warning.total_seconds(),
            policy.wait_critical.total_seconds(),
        )
        if level == "ok":
            return None
        return _waits(say, ready, "info" if ready.limited else level)

    return each(say, facts.ready, judge, N_("no task has waited for long"))


def _waits(say: Say, ready: Ready, level: Level) -> Finding:
    agent = shlex.quote(ready.agent)
    more = Remedy(
        sentence=N_("Start more workers, or let each run more at a time (AGENTPG_CONCURRENCY)."),
        command="agentpg worker --help",
    )
    limit = Remedy(
        sentence=N_("See the limit that makes them wait."), command=f"agentpg agent limit {agent}"
    )
    return say(
        level,
        N_("the oldest of {tasks} ready tasks of {subject} has waited for {age}"),
        ready.name,
        (limit,) if ready.limited else (more, _AGENTS),
        cause=N_("a limit of the agent lets only so many run") if ready.limited else "",
        tasks=ready.tasks,
        workers=ready.workers,
        age=amount(ready.oldest_seconds),
        age_seconds=round(ready.oldest_seconds),
    )


def _gone(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy

    def judge(gone: Gone) -> Finding:
        alone = facts.alive == 0
        agents = ", ".join(gone.agents[:MOST])
        place = f"{gone.host}:{gone.process}" if gone.host else str(gone.worker)
        return say(
            "critical" if alone else "warning",
            N_("{tasks} tasks of {agents} run on {subject}, which has been silent for {age}"),
            place,
            (_START, show(gone.example)),
            cause=N_("no worker lives that could put them back") if alone else "",
            # Workers come and go on a machine.
            thing=gone.host,
            tasks=gone.tasks,
            agents=agents,
            worker=str(gone.worker),
            age=amount(gone.silent_seconds),
            age_seconds=round(gone.silent_seconds),
            example=str(gone.example),
        )

    return each(say, facts.gone, judge, N_("every task that runs has a worker that beats"))


def _lost(say: Say, facts: Facts, policy: Policy) -> Said:
    lost = facts.lost
    if isinstance(lost, Unlooked):
        return (say.unknown(lost),)
    if not lost:
        return (say("ok", N_("no worker has died within the last hour"), workers=0),)
    log = Remedy(
        sentence=N_("Read the log of the worker, and whether its machine had memory left."),
        command="journalctl -u 'agentpg-*' --since -1h",
    )
    executions = sum(one.executions for one in lost)
    return (
        say(
            "warning" if len(lost) >= policy.lost_warning else "info",
            N_("{workers} workers died within the last hour, {subject} last, with {executions} "
               "executions"),
            f"{lost[0].host}:{lost[0].process}",
            (log,),
            thing="",
            workers=len(lost),
            executions=executions,
            places=[f"{one.host}:{one.process}" for one in lost],
        ),
    )  # fmt: skip


def _held(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(held: Held) -> Finding | None:
        level = _forgotten(held.oldest_seconds, policy)
        if level == "ok":
            return None
        release = Remedy(
            sentence=N_("See which they are; release them, or cancel them."),
            command="agentpg task list --held",
        )
        return say(
            level,
            N_("{tasks} tasks of {agents} are held, the oldest for {age}: {subject}"),
            held.reason,
            (release, show(held.example)),
            tasks=held.tasks,
            agents=", ".join(held.agents),
            age=amount(held.oldest_seconds),
            age_seconds=round(held.oldest_seconds),
            example=str(held.example),
        )

    return each(say, facts.held, judge, N_("no task has been held for long"))


def _forgotten(seconds: float, policy: Policy) -> Level:
    if seconds > policy.held_warning.total_seconds():
        return "warning"
    return "info" if seconds > policy.held_info.total_seconds() else "ok"


def _waiting(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(waiting: Waiting) -> Finding | None:
        if waiting.oldest_seconds <= policy.waiting_info.total_seconds():
            return None
        is_long = waiting.oldest_seconds > policy.waiting_warning.total_seconds()
        end = Remedy(
            sentence=N_("Let the program that set it go on with it, or cancel it."),
            command=f"agentpg task cancel {waiting.example}",
            risk="destroys",
        )
        return say(
            "warning" if is_long else "info",
            N_("{tasks} tasks of {subject} wait, the oldest for {age}, and no worker wakes them"),
            f"{waiting.agent}/{waiting.type}",
            (show(waiting.example), end),
            tasks=waiting.tasks,
            age=amount(waiting.oldest_seconds),
            age_seconds=round(waiting.oldest_seconds),
            example=str(waiting.example),
        )

    return each(say, facts.waiting, judge, N_("no task waits for what can't come"))


def _paused(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.ready, Unlooked):
        return (say.unknown(facts.ready),)
    agents: dict[str, list[Ready]] = {}
    for ready in facts.ready:
        if ready.paused_seconds is not None:
            agents.setdefault(ready.agent, []).append(ready)
    found = [_paused_agent(say, some, policy) for some in agents.values()]
    bad = [one for one in found if one.level != "ok"]
    return tuple(bad[:MOST]) or (say("ok", N_("no agent with tasks has been paused for long")),)


def _paused_agent(say: Say, some: list[Ready], policy: Policy) -> Finding:
    seconds = some[0].paused_seconds or 0.0
    level: Level = "info" if seconds > policy.paused_info.total_seconds() else "ok"
    is_long = seconds > policy.paused_warning.total_seconds()
    resume = Remedy(
        sentence=N_("Resume it, if what it was paused for is over."),
        command=f"agentpg agent resume {shlex.quote(some[0].agent)}",
        risk="careful",
    )
    return say(
        max(level, "warning" if is_long else "ok", key=LEVELS.index),
        N_("{subject} has been paused for {age}, and {tasks} tasks wait for it"),
        some[0].agent,
        (resume,),
        tasks=sum(one.tasks for one in some),
        age=amount(seconds),
        age_seconds=round(seconds),
    )


WORK_CHECKS = (
    TaskCheck(
        code="T01",
        title=N_("Tasks that no worker runs"),
        levels=("warning", "critical"),
        threshold=N_("the oldest > 1 min / > 15 min"),
        contact="ops",
        cause=N_("no worker that has the handler runs, or its name is misspelt"),
        proof=N_("`agentpg agent list` shows a worker for it, and the tasks run."),
        idea="start a worker with the app that has the handler; cancel what is misspelt.",
        decide=_unhandled,
    ),
    TaskCheck(
        code="T02",
        title=N_("How long ready tasks wait"),
        levels=("info", "warning", "critical"),
        threshold="> 10 min / > 2 h (task_wait_warning, task_wait_critical)",
        contact="ops",
        cause=N_("more is submitted than the workers can run, or they hang"),
        proof=N_("`agentpg agent list` shows a younger oldest task."),
        meaning="Info where a limit of the agent makes its tasks wait: somebody has said so.",
        idea="start more workers, or let each run more at a time.",
        decide=_oldest,
    ),
    TaskCheck(
        code="T03",
        title=N_("Tasks whose worker is gone"),
        levels=("warning", "critical"),
        threshold=N_("silent for two leases / and no other worker lives"),
        contact="ops",
        cause=N_("the worker was killed or hangs, and nobody has put its tasks back yet"),
        proof=N_("`agentpg status` shows no such task; they run again."),
        idea="start a worker: it puts the tasks back within a lease.",
        decide=_gone,
    ),
    TaskCheck(
        code="T04",
        title=N_("Workers that died"),
        levels=("info", "warning"),
        threshold=N_("info 1, >= 3 within an hour / –"),
        contact="ops",
        cause=N_("they were killed, ran out of memory, or lost the database for a lease"),
        proof=N_("an hour without another one."),
        idea="read the worker's log, and look at the memory of its machine.",
        decide=_lost,
    ),
    TaskCheck(
        code="T08",
        title=N_("Tasks that are held"),
        levels=("info", "warning"),
        threshold=N_("info > 1 d, > 7 d / –"),
        contact="ops",
        cause=N_("they were held for an incident or by a restore, and forgotten"),
        proof=N_("`agentpg task list --held` shows none of them."),
        idea="release them, or cancel them: nobody does that by itself.",
        decide=_held,
    ),
    TaskCheck(
        code="T09",
        title=N_("Tasks that wait for what can't come"),
        levels=("info", "warning"),
        threshold=N_("info > 1 h, > 1 d / –"),
        contact="ops",
        cause=N_("a program set the state, and did not come back to it"),
        proof=N_("`agentpg task show` says another state."),
        meaning="This release wakes no task in the state waiting: only what set it can.",
        idea="let the program that set it go on with it, or cancel it.",
        decide=_waiting,
    ),
    TaskCheck(
        code="T13",
        title=N_("Paused agents whose tasks wait"),
        levels=("info", "warning"),
        threshold=N_("info > 1 h, > 1 d / –"),
        contact="ops",
        cause=N_("it was paused for an incident, and forgotten"),
        proof=N_("`agentpg agent list` does not call it paused."),
        idea="resume it, if what it was paused for is over.",
        decide=_paused,
    ),
)
