"""Work that goes wrong: failures, quarantine, rows that do not fit, calls to models, T05 to T07,
T14, T15."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from agentpg.desk.check import Say, Unlooked, by
from agentpg.desk.doctor.tasks.facts import Calls, Facts, Failing, Quarantined, Unfitting
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.doctor.tasks.saying import TASKS_FAILED, Said, TaskCheck, each, show
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_UNFITTING = {
    "execution without a task": N_("{found} executions of the last day have no task, as {subject}"),
    "open execution of a task that does not run": N_(
        "{found} executions are open, and their task does not run, as {subject}"
    ),
    "running task without an open execution": N_(
        "{found} tasks run, and have no open execution, as {subject}"
    ),
    "open call of an execution that has ended": N_(
        "{found} calls are open, and their execution has ended, as {subject}"
    ),
}


def _failing(say: Say, facts: Facts, policy: Policy) -> Said:
    def judge(failing: Failing) -> Finding | None:
        share = failing.failed / failing.ended
        level = by(share, policy.failed_warning, policy.failed_critical)
        if level == "critical" and failing.ended < policy.critical_ended:
            level = "warning"
        if level == "ok" or failing.ended < policy.least_ended:
            return None
        agent = shlex.quote(failing.agent)
        pause = Remedy(
            sentence=N_("If it fails on and on: pause it till the cause is mended."),
            command=f"agentpg agent pause {agent}",
            risk="careful",
        )
        again = Remedy(
            sentence=N_("Once that is mended, run again what has failed."),
            command=f"agentpg task retry --failed --agent {agent}",
            risk="careful",
        )
        return say(
            level,
            N_("{percent} % of {ended} executions of {subject} failed in the last hour: {error}"),
            f"{failing.agent}/{failing.type}",
            (show(failing.example), pause, again),
            percent=round(share * 100),
            ended=failing.ended,
            failed=failing.failed,
            error=failing.error or "–",
            example=str(failing.example),
        )

    return each(say, facts.failing, judge, N_("hardly any execution of the last hour has failed"))


def _quarantined(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy

    def judge(one: Quarantined) -> Finding:
        again = Remedy(
            sentence=N_("Once the handler is mended, run it again."),
            command=f"agentpg task retry {one.example}",
            risk="careful",
        )
        return say(
            "warning",
            N_("{tasks} tasks of {subject} were set aside within a day: their process died each "
               "time"),
            f"{one.agent}/{one.type}",
            (show(one.example), again),
            tasks=one.tasks,
            error=one.error or "–",
            example=str(one.example),
        )  # fmt: skip

    return each(say, facts.quarantined, judge, N_("no task was set aside within a day"))


def _unfitting(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy

    def judge(one: Unfitting) -> Finding | None:
        if not one.found:
            return None
        verify = Remedy(
            sentence=N_("Compare the schema: triggers and checks may have been changed."),
            command="agentpg schema verify",
        )
        return say(
            "warning",
            _UNFITTING[one.kind],
            one.example or "",
            (*((show(one.example),) if "without a task" not in one.kind else ()), verify),
            thing=one.kind,
            found=one.found,
            kind=one.kind,
        )

    return each(say, facts.unfitting, judge, N_("tasks, executions and calls fit each other"))


def _calls_failing(say: Say, facts: Facts, policy: Policy) -> Said:
    before = _before(facts)

    def judge(calls: Calls) -> Finding | None:
        if calls.calls < policy.least_calls:
            return None
        usual = before[calls.key].failing if calls.key in before else 0.0
        level = by(calls.failing, policy.calls_failed_warning, policy.calls_failed_critical)
        if level == "ok" or calls.failing < policy.jump * usual:
            return None
        return say(
            level,
            N_("{percent} % of {calls} calls of {agent} to {subject} failed in the last hour, "
               "{usual_percent} % on the day before: {error}"),
            calls.model,
            (TASKS_FAILED, _pause(calls)),
            agent=calls.agent,
            percent=round(calls.failing * 100),
            usual_percent=round(usual * 100),
            calls=calls.calls,
            failed=calls.failed,
            error=calls.error or "–",
        )  # fmt: skip

    return _of_calls(say, facts, judge, N_("calls to language models fail no more than before"))


def _calls_dear(say: Say, facts: Facts, policy: Policy) -> Said:
    before = _before(facts)

    def judge(calls: Calls) -> Finding | None:
        usual = before.get(calls.key)
        if calls.cost_usd < policy.least_cost_usd or usual is None:
            return None
        hourly = usual.cost_usd / max(usual.hours, 1.0)
        if usual.hours < policy.least_hours or calls.cost_usd <= policy.jump * hourly:
            return None
        stats = Remedy(sentence=N_("See which tasks spend it."), command="agentpg agent stats")
        return say(
            "warning",
            N_("{agent} spent {cost} $ on {subject} in the last hour, and {usual_cost} $ an hour "
               "before"),
            calls.model,
            (stats, _pause(calls)),
            agent=calls.agent,
            cost=f"{calls.cost_usd:.2f}",
            usual_cost=f"{hourly:.2f}",
            cost_usd=round(calls.cost_usd, 4),
            usual_cost_usd=round(hourly, 4),
            calls=calls.calls,
        )  # fmt: skip

    return _of_calls(say, facts, judge, N_("language models cost no more than before"))


def _of_calls(say: Say, facts: Facts, judge: Callable[[Calls], Finding | None], well: str) -> Said:
    if isinstance(facts.calls_before, Unlooked):
        return (say.unknown(facts.calls_before),)
    return each(say, facts.calls, judge, well)


def _before(facts: Facts) -> dict[tuple[str, str], Calls]:
    before = () if isinstance(facts.calls_before, Unlooked) else facts.calls_before
    return {one.key: one for one in before}


def _pause(calls: Calls) -> Remedy:
    return Remedy(
        sentence=N_("If it goes on: pause the agent till the cause is known."),
        command=f"agentpg agent pause {shlex.quote(calls.agent)}",
        risk="careful",
    )


RESULT_CHECKS = (
    TaskCheck(
        code="T05",
        title=N_("Executions that fail"),
        levels=("warning", "critical"),
        threshold=N_("> 20 % / > 50 % of the last hour's, from 10 on / from 50 on"),
        contact="ops",
        cause=N_("the handler meets an error each time, or what it calls is down"),
        proof=N_("the share falls, and `agentpg task list --status failed` gets no new ones."),
        idea="read the newest error; pause the agent while the cause is mended.",
        decide=_failing,
    ),
    TaskCheck(
        code="T06",
        title=N_("Tasks that were set aside"),
        levels=("warning",),
        threshold=N_("> 0 within a day / –"),
        contact="ops",
        cause=N_("the handler kills its process: too much memory, or a fault in a library"),
        proof=N_("run again, the task completes."),
        idea="mend the handler, then run the task again.",
        decide=_quarantined,
    ),
    TaskCheck(
        code="T07",
        title=N_("Rows that do not fit each other"),
        levels=("warning",),
        threshold=N_("> 0 of the last day's / –"),
        contact="dba",
        cause=N_("rows were changed or removed by hand, or a table was restored alone"),
        proof=N_("the next look finds none, a day later at the latest."),
        meaning="Executions without a task, open ones of a task that does not run, tasks that run "
        "without one, and open calls of an execution that has ended; of 20,000 rows at most.",
        idea="find who changed the rows; look whether triggers and checks are as they should be.",
        decide=_unfitting,
    ),
    TaskCheck(
        code="T14",
        title=N_("Calls to language models that fail"),
        levels=("warning", "critical"),
        threshold=N_(
            "> 10 % / > 50 % of the last hour's, from 20 on, and three times the day before's"
        ),
        contact="ops",
        cause=N_("the provider is down or limits the rate, or the key is no longer good"),
        proof=N_("the share falls in the next hour."),
        idea="read the newest error; pause the agent while the provider is down.",
        decide=_calls_failing,
    ),
    TaskCheck(
        code="T15",
        title=N_("What language models cost"),
        levels=("warning",),
        threshold=N_("three times the hours of the day before, from 1 $ on / –"),
        contact="ops",
        cause=N_("more tasks than usual, longer prompts, or a task that calls in a loop"),
        proof=N_("the next hour costs what the hours before did."),
        idea="find the tasks that spend it; pause the agent till the cause is known.",
        decide=_calls_dear,
    ),
)
