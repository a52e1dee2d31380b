"""The report as one HTML page that needs nothing else: no script, no other file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from agentpg.desk.charts import Chart, Series, Span, bars, ranges, stacked_bars
from agentpg.desk.report_data import Report
from agentpg.desk.report_page import Words, heading, words_of
from agentpg.desk.report_sections import day_totals, notes, sections
from agentpg.desk.templates import template
from agentpg.language import N_
from agentpg.tasks.statistics import Activity

# So many agents have a colour of their own; the others share one.
_COLOURED = 5
_MOST_ROWS = 10


def html_report(report: Report, language: str = "en") -> str:
    """The whole page in "en" or "ko"."""
    words = words_of(language)
    top = heading(report, words)
    charts: defaultdict[str, list[Chart]] = defaultdict(list)
    for section, chart in _charts(report, words):
        charts[section].append(chart)
    return template("report.html.j2").render(
        language=words.language,
        top=top,
        contents=words.translate(N_("Contents")),
        attention=words.translate(N_("Needs attention")),
        sections=sections(report, words),
        charts=charts,
        notes_title=words.translate(N_("How to read it")),
        notes=notes(report, words),
    )


def _charts(report: Report, words: Words) -> Iterable[tuple[str, Chart]]:
    if not report.total.executions:
        return
    yield "days", _executions(report, words)
    if any(day.cost_usd for day in report.by_day):
        yield "days", _costs(report, words)
    if any(day.tokens for day in report.by_day):
        yield "days", _tokens(report, words)
    if any(model.cost_usd for model in report.models):
        yield "models", _model_costs(report, words)
    if any(kind.p50_seconds is not None for kind in report.by_type):
        yield "durations", _durations(report, words)


def _executions(report: Report, words: Words) -> Chart:
    _ = words.translate
    days = day_totals(report)
    good = [day.sum(lambda a: a.completed) for day in days]
    bad = [day.sum(lambda a: a.bad) for day in days]
    every = [day.sum(lambda a: a.executions) for day in days]
    other = [n - g - b for n, g, b in zip(every, good, bad, strict=True)]
    return stacked_bars(
        "executions",
        _("Executions by day"),
        _("{executions} in all, {bad} of them failures; the most on one day are {most}.").format(
            executions=words.figures.count(report.total.executions),
            bad=words.figures.count(report.total.bad),
            most=words.figures.count(max(every)),
        ),
        places=_places(report, words),
        series=[
            Series(_("completed"), "good", good),
            Series(_("failed, timed out, lost"), "bad", bad),
            Series(_("cancelled or under way"), "other", other),
        ],
        show=lambda n: words.figures.count(round(n)),
    )


def _costs(report: Report, words: Words) -> Chart:
    _ = words.translate
    return stacked_bars(
        "costs",
        _("Known cost by day and agent"),
        _("{cost} in all.").format(cost=words.figures.money(report.total.cost_usd)),
        places=_places(report, words),
        series=_by_agent(report, words, lambda a: float(a.cost_usd or 0)),
        show=_dollars,
    )


def _tokens(report: Report, words: Words) -> Chart:
    _ = words.translate
    return stacked_bars(
        "tokens",
        _("Known tokens by day and agent"),
        _("{tokens} in all.").format(tokens=words.figures.count(report.total.tokens)),
        places=_places(report, words),
        series=_by_agent(report, words, lambda a: a.tokens),
        show=words.figures.short,
    )


def _model_costs(report: Report, words: Words) -> Chart:
    _ = words.translate
    figures = words.figures
    priced = [m for m in report.models if m.cost_usd][:_MOST_ROWS]
    spans = [
        Span(
            m.model or figures.unknown,
            0,
            float(m.cost_usd or 0),
            figures.cost(m.cost_usd, m.calls, m.unpriced_calls),
        )
        for m in priced
    ]
    described = _("The dearest is {model} with {cost}.").format(
        model=spans[0].name, cost=spans[0].words
    )
    return bars("models", _("Known cost by model"), described, spans=spans)


def _durations(report: Report, words: Words) -> Chart:
    _ = words.translate
    duration = words.figures.duration
    timed = [a for a in report.by_type if a.p50_seconds is not None and a.p95_seconds is not None]
    spans = [
        Span(
            words.handler(a.agent_name, a.task_type),
            a.p50_seconds or 0,
            a.p95_seconds or 0,
            f"{duration(a.p50_seconds)} – {duration(a.p95_seconds)}",
        )
        for a in timed[:_MOST_ROWS]
    ]
    return ranges(
        "durations",
        _("From the median to the 95th percentile"),
        _(
            "Half of the executions end by the left end of a bar, 95 of 100 by the right end. "
            "The scale is logarithmic."
        ),
        spans=spans,
        show=duration,
    )


def _places(report: Report, words: Words) -> list[str]:
    return [*(words.day(day) for day in report.window.days[:-1]), words.translate(N_("today"))]


def _by_agent(report: Report, words: Words, value: Callable[[Activity], float]) -> list[Series]:
    """One series for each of the dearest agents, the same colours in every chart."""
    spending = [a for a in report.by_agent if a.cost_usd or a.tokens]
    ranked = sorted(spending, key=lambda a: (-(a.cost_usd or 0), -a.tokens))
    names = [a.agent_name for a in ranked]
    series = [
        Series(name or words.figures.unknown, f"c{n}", _daily(report, [name], value))
        for n, name in enumerate(names[:_COLOURED], start=1)
    ]
    others = _daily(report, names[_COLOURED:], value)
    return [*series, Series(words.translate(N_("others")), "other", others)]


def _daily(
    report: Report, names: Sequence[str | None], value: Callable[[Activity], float]
) -> list[float]:
    return [
        sum(value(a) for a in day.agents if a.agent_name in names) for day in day_totals(report)
    ]


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 100 or value == int(value) else f"${value:,.2g}"
