"""What a report says, in the reader's language, before it is set in Markdown or HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from agentpg.desk.figures import NOTHING, Figures
from agentpg.desk.report_data import Report
from agentpg.language import N_, Translate, translation
from agentpg.tasks.statistics import Activity

_MONTHS = (
    N_("Jan"), N_("Feb"), N_("Mar"), N_("Apr"), N_("May"), N_("Jun"),
    N_("Jul"), N_("Aug"), N_("Sep"), N_("Oct"), N_("Nov"), N_("Dec"),
)  # fmt: skip

# An agent is named where so many of its executions ended badly, of at least so many.
_NOTEWORTHY_SHARE = 0.1
_NOTEWORTHY_EXECUTIONS = 5
_MOST_NOTICES = 5

# A number of more letters is shortened where it stands large.
_WIDEST = 7

# A change of less than half a percent is none.
_NO_CHANGE = 0.005


@dataclass(frozen=True, slots=True)
class Words:
    """The reader's language: its code, its texts and its figures."""

    language: str
    translate: Translate
    figures: Figures

    def day(self, value: date) -> str:
        """Nov 16."""
        month = self.translate(_MONTHS[value.month - 1])
        return self.translate(N_("{month} {day}")).format(month=month, day=value.day)

    def moment(self, value: datetime | None) -> str:
        """2026-11-16 08:30."""
        return self.figures.unknown if value is None else f"{value:%Y-%m-%d %H:%M}"

    def several(self, number: int, one: str, many: str) -> str:
        """`one` for 1, or else `many` with the number in it."""
        text = self.translate(one if number == 1 else many)
        return text.format(n=self.figures.count(number))

    def handler(self, agent: str | None, task_type: str | None) -> str:
        """Agent and task type in one."""
        return " / ".join(name or self.figures.unknown for name in (agent, task_type))


@dataclass(frozen=True, slots=True)
class Card:
    """One of the figures at the top: what it is, its value, and what is to add to it."""

    label: str
    value: str
    notes: list[str]
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """The top of a report."""

    title: str
    period: str
    source: str
    summary: str
    cards: list[Card]
    notices: list[str]
    nothing: str


def words_of(language: str) -> Words:
    """The words of "en" or "ko"."""
    translate = translation(language)
    return Words(language, translate, Figures(translate))


def heading(report: Report, words: Words) -> Heading:
    """The top of the report."""
    _ = words.translate
    window = report.window
    period = _("{since} to {until} ({zone}): the last {days} days and today so far").format(
        since=words.moment(window.since),
        until=words.moment(window.until),
        zone=window.time_zone,
        days=report.days,
    )
    return Heading(
        title=_("Operations and cost report"),
        period=period,
        source=_("Database {database}").format(database=report.database),
        summary=_summary(report, words),
        cards=_cards(report, words),
        notices=list(_notices(report, words))[:_MOST_NOTICES],
        nothing=_("Nothing needs attention."),
    )


def cost_of(counted: Activity, words: Words) -> str:
    """Its cost, with what is not known."""
    return words.figures.cost(counted.cost_usd, counted.llm_calls, counted.unpriced_calls)


def tokens_of(counted: Activity, words: Words) -> str:
    """Its tokens, with what is not known."""
    return words.figures.tokens(counted.tokens, counted.llm_calls, counted.unknown_calls)


def _summary(report: Report, words: Words) -> str:
    _ = words.translate
    total = report.total
    if not total.executions:
        return _(
            "No execution was recorded in this time. A task appears here as soon as a worker "
            "has claimed it."
        )
    return _("{executions} by {agents}; {share} of those that ended failed.").format(
        executions=words.several(total.executions, N_("1 execution"), N_("{n} executions")),
        agents=words.several(len(report.by_agent), N_("1 agent"), N_("{n} agents")),
        share=words.figures.share(total.bad, total.ended),
    )


def _cards(report: Report, words: Words) -> list[Card]:
    _ = words.translate
    total = report.total
    count = words.figures.count

    def change(of: Callable[[Activity], float | Decimal | None]) -> str:
        return _change(words, of(total), of(report.before) if report.before else None)

    share = words.figures.share(total.bad, total.ended) if total.ended else NOTHING
    tokens, unknown = _split(tokens_of(total, words))
    short = words.figures.short(total.tokens) if len(tokens) > _WIDEST else tokens
    exact = tokens if short != tokens else ""
    cost, unpriced = _split(cost_of(total, words))
    return [
        Card(_("Executions"), count(total.executions), [change(lambda a: a.executions)]),
        Card(_("Failures"), share, [_kinds_of_failure(total, words)], bad=total.bad > 0),
        Card(_("Retries"), count(total.retries), [change(lambda a: a.retries)]),
        Card(_("Tokens"), short, [exact, unknown, change(lambda a: a.tokens)]),
        Card(_("Cost"), cost, [unpriced, change(lambda a: a.cost_usd)]),
        Card(_("Median wait"), _waited(total, words), [_("from ready to claimed")]),
    ]


def _kinds_of_failure(total: Activity, words: Words) -> str:
    _ = words.translate
    return _("{failed} failed, {timed_out} timed out, {lost} lost").format(
        failed=total.failed, timed_out=total.timed_out, lost=total.lost
    )


def _split(value: str) -> tuple[str, str]:
    """The number, which stands large, and how much is not in it."""
    known, _plus, more = value.partition(" + ")
    return known, f"+ {more}" if more else ""


def _waited(total: Activity, words: Words) -> str:
    wait = total.p50_wait_seconds
    return words.figures.duration(wait) if wait is not None or total.executions else NOTHING


def _change(words: Words, now: float | Decimal | None, before: float | Decimal | None) -> str:
    """How much more or less than in the same time before, where both are known."""
    _ = words.translate
    if now is None or not before:
        return ""
    change = float(now) / float(before) - 1
    if abs(change) < _NO_CHANGE:
        return _("as much as before")
    text = _("{change} more than before") if change > 0 else _("{change} less than before")
    return text.format(change=f"{abs(change):.0%}")


def _notices(report: Report, words: Words) -> Iterable[str]:
    yield from _failing(report, words)
    yield from _unserved(report, words)
    if report.total.lost:
        yield words.several(
            report.total.lost,
            N_("1 execution was lost with its worker."),
            N_("{n} executions were lost with their workers."),
        )
    yield from _unpriced(report, words)


def _failing(report: Report, words: Words) -> Iterable[str]:
    _ = words.translate
    often = [a for a in report.by_agent if a.ended >= _NOTEWORTHY_EXECUTIONS]
    for agent in sorted(often, key=lambda a: -a.bad / a.ended)[:2]:
        if agent.bad / agent.ended >= _NOTEWORTHY_SHARE:
            yield _("{share} of {agent}'s executions failed ({bad} of {ended}).").format(
                share=words.figures.share(agent.bad, agent.ended),
                agent=agent.agent_name or words.figures.unknown,
                bad=words.figures.count(agent.bad),
                ended=words.figures.count(agent.ended),
            )


def _unserved(report: Report, words: Words) -> Iterable[str]:
    _ = words.translate
    waiting = [work for work in report.agents_now if work.nobody_knows]
    for work in sorted(waiting, key=lambda w: -w.pending)[:2]:
        yield _("No living worker handles {handler}, and tasks wait for one: {n}.").format(
            handler=words.handler(work.agent_name, work.task_type),
            n=words.figures.count(work.pending),
        )


def _unpriced(report: Report, words: Words) -> Iterable[str]:
    _ = words.translate
    unpriced = [m for m in report.models if m.unpriced_calls]
    if unpriced:
        names = list(dict.fromkeys(m.model or words.figures.unknown for m in unpriced))
        yield _("The cost of {calls} is not known ({models}); it is in no sum here.").format(
            calls=words.several(
                sum(m.unpriced_calls for m in unpriced), N_("1 model call"), N_("{n} model calls")
            ),
            models=", ".join(names[:3]) + (" …" if len(names) > 3 else ""),
        )
