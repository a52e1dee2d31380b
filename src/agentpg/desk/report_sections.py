"""The tables of a report, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from agentpg.desk.report_data import Report
from agentpg.desk.report_page import Words, cost_of, tokens_of
from agentpg.language import N_
from agentpg.tasks.statistics import Activity

# A longer table says how many rows are missing.
_MOST_ROWS = 25


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and what it holds: numbers, code, or words never to be parted."""

    title: str
    number: bool = False
    code: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `more` says in words what was left out."""

    columns: list[Column]
    rows: list[list[str]]
    more: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; `key` names it for charts and links."""

    key: str
    title: str
    intro: str
    table: Table


@dataclass(frozen=True, slots=True)
class DayTotal:
    """All agents' executions of one day."""

    day: date
    agents: list[Activity] = field(default_factory=list)

    def sum(self, count: Callable[[Activity], int]) -> int:
        """A count over all agents."""
        return sum(count(agent) for agent in self.agents)


def sections(report: Report, words: Words) -> list[Section]:
    """The parts of the report that have something to say, in their order."""
    if not report.total.executions:
        return [s for s in (_now(report, words),) if s.table.rows]
    parts = (_days, _agents, _models, _durations, _errors, _losses, _now)
    return [section for part in parts if (section := part(report, words)).table.rows]


def notes(report: Report, words: Words) -> list[str]:
    """How the figures are meant."""
    _ = words.translate
    texts = [
        _(
            "Executions are counted by the moment of their claim. Failures are those that "
            "failed, timed out or were lost, as a share of those that ended."
        ),
        _(
            "Tokens and cost are those that are known; what is not known is said beside them "
            "and never counted as 0. “–” means that no model was called."
        ),
        _("Before means the time of the same length before this one."),
    ]
    back = report.handed_back
    if back.executions:
        spent = words.figures.cost(back.cost_usd, back.llm_calls, back.unpriced_calls)
        texts.append(
            _(
                "Handed back by workers that stopped, and neither counted here nor what was spent "
                "on them: {executions}, {cost}."
            ).format(
                executions=words.several(back.executions, N_("1 execution"), N_("{n} executions")),
                cost=spent,
            )
        )
    return texts


def day_totals(report: Report) -> list[DayTotal]:
    """Every day of the report, also those without executions."""
    totals = {day: DayTotal(day) for day in report.window.days}
    for activity in report.by_day:
        if activity.day in totals:
            totals[activity.day].agents.append(activity)
    return list(totals.values())


def _days(report: Report, words: Words) -> Section:
    _ = words.translate
    figures = words.figures
    titles = [
        Column(_("Day"), whole=True),
        *_numbers(_("Executions"), _("Failures"), _("Tokens"), _("Cost")),
    ]
    rows = [
        [
            day.day.isoformat(),
            figures.count(day.sum(lambda a: a.executions)),
            _bad(words, day.sum(lambda a: a.bad), day.sum(lambda a: a.ended)),
            figures.tokens(
                day.sum(lambda a: a.tokens),
                day.sum(lambda a: a.llm_calls),
                day.sum(lambda a: a.unknown_calls),
            ),
            _day_cost(day, words),
        ]
        for day in reversed(day_totals(report))
    ]
    return Section("days", _("Day by day"), "", _table(words, titles, rows))


def _day_cost(day: DayTotal, words: Words) -> str:
    costs = [a.cost_usd for a in day.agents if a.cost_usd is not None]
    calls, unpriced = day.sum(lambda a: a.llm_calls), day.sum(lambda a: a.unpriced_calls)
    return words.figures.cost(sum(costs[1:], costs[0]) if costs else None, calls, unpriced)


def _agents(report: Report, words: Words) -> Section:
    _ = words.translate
    figures = words.figures
    columns = [
        Column(_("Agent")),
        *_numbers(
            _("Executions"), _("Failures"), _("Retries"), _("Mean"), _("95th percentile"),
            _("Tokens"), _("Cost"),
        ),
    ]  # fmt: skip
    rows = [
        [
            a.agent_name or figures.unknown,
            figures.count(a.executions),
            _bad(words, a.bad, a.ended),
            figures.count(a.retries),
            figures.duration(a.avg_seconds),
            figures.duration(a.p95_seconds),
            tokens_of(a, words),
            cost_of(a, words),
        ]
        for a in report.by_agent
    ]
    return Section("agents", _("Agents"), "", _table(words, columns, rows))


def _models(report: Report, words: Words) -> Section:
    _ = words.translate
    figures = words.figures
    columns = [
        Column(_("Model"), whole=True),
        Column(_("Provider")),
        *_numbers(
            _("Calls"), _("Failed"), _("Input tokens"), _("Output tokens"), _("Median"), _("Cost")
        ),
    ]
    rows = [
        [
            m.model or figures.unknown,
            m.provider or figures.unknown,
            figures.count(m.calls),
            figures.count(m.failed_calls + m.lost_calls),
            figures.tokens(m.input_tokens, m.calls, m.unknown_calls),
            figures.tokens(m.output_tokens, m.calls, m.unknown_calls),
            figures.duration(m.p50_seconds),
            figures.cost(m.cost_usd, m.calls, m.unpriced_calls),
        ]
        for m in report.models
    ]
    intro = _("The calls to language models, the dearest model first.")
    return Section("models", _("Models"), intro, _table(words, columns, rows))


def _durations(report: Report, words: Words) -> Section:
    _ = words.translate
    duration = words.figures.duration
    columns = [
        Column(_("Agent")),
        Column(_("Task type")),
        *_numbers(
            _("Executions"), _("Median"), _("95th percentile"), _("Longest"), _("Median wait"),
            _("95th percentile of the wait"),
        ),
    ]  # fmt: skip
    rows = [
        [
            a.agent_name or words.figures.unknown,
            a.task_type or words.figures.unknown,
            words.figures.count(a.executions),
            *map(duration, (a.p50_seconds, a.p95_seconds, a.max_seconds)),
            *map(duration, (a.p50_wait_seconds, a.p95_wait_seconds)),
        ]
        for a in report.by_type
    ]
    intro = _("The handlers' own time, the slowest first; and how long tasks waited to be claimed.")
    return Section("durations", _("Durations and waits"), intro, _table(words, columns, rows))


def _errors(report: Report, words: Words) -> Section:
    _ = words.translate
    columns = [
        Column(_("Error"), code=True),
        Column(_("Agent / task type")),
        *_numbers(_("Executions"), _("Tasks")),
        Column(_("Last"), whole=True),
        Column(_("Last task"), code=True),
    ]
    rows = [
        [
            e.error or words.figures.unknown,
            words.handler(e.agent_name, e.task_type),
            words.figures.count(e.executions),
            words.figures.count(e.tasks),
            words.moment(e.last_at),
            str(e.last_task),
        ]
        for e in report.errors
    ]
    intro = _("The commonest errors; numbers in them are shown as #, so that alike ones are one.")
    return Section("errors", _("Errors"), intro, _table(words, columns, rows))


def _losses(report: Report, words: Words) -> Section:
    _ = words.translate
    columns = [
        Column(_("Worker")),
        Column(_("Last"), whole=True),
        *_numbers(_("Executions lost")),
        Column(_("Agents")),
    ]
    rows = [
        [
            f"{loss.host}, {loss.pid}" if loss.host else str(loss.worker or words.figures.unknown),
            words.moment(loss.last_at),
            words.figures.count(loss.executions),
            ", ".join(loss.agents or []),
        ]
        for loss in report.losses
    ]
    intro = _("Workers that died with tasks in their hands; others have taken these over.")
    return Section("losses", _("Lost executions"), intro, _table(words, columns, rows))


def _now(report: Report, words: Words) -> Section:
    _ = words.translate
    count = words.figures.count
    columns = [
        Column(_("Agent / task type")),
        *_numbers(_("Ready or later"), _("Held"), _("Running"), _("Waiting"), _("Workers")),
        Column(_("Ready since"), whole=True),
    ]
    rows = [
        [
            words.handler(w.agent_name, w.task_type),
            *map(count, (w.pending, w.held, w.running, w.waiting)),
            _("no worker knows this") if w.nobody_knows else count(w.workers),
            words.moment(w.oldest_ready_at) if w.oldest_ready_at else "–",
        ]
        for w in report.agents_now
        if w.pending + w.held + w.running + w.waiting
    ]
    intro = _("Tasks that have not ended, as of the end of this report.")
    return Section("now", _("Unfinished now"), intro, _table(words, columns, rows))


def _numbers(*titles: str) -> list[Column]:
    return [Column(title, number=True) for title in titles]


def _bad(words: Words, bad: int, ended: int) -> str:
    if not bad:
        return words.figures.count(0)
    return f"{words.figures.count(bad)} ({words.figures.share(bad, ended)})"


def _table(words: Words, columns: list[Column], rows: Sequence[list[str]]) -> Table:
    left = len(rows) - _MOST_ROWS
    more = words.translate(N_("and {n} more")).format(n=words.figures.count(left))
    return Table(columns, list(rows[:_MOST_ROWS]), more if left > 0 else "")
