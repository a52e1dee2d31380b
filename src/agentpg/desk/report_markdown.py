"""The report as Markdown."""

from __future__ import annotations

from agentpg.desk import markdown as md
from agentpg.desk.report_data import Report
from agentpg.desk.report_page import Card, Heading, heading, words_of
from agentpg.desk.report_sections import Section, Table, notes, sections


def markdown_report(report: Report, language: str = "en") -> str:
    """The whole report in "en" or "ko"."""
    words = words_of(language)
    parts = [
        *_top(heading(report, words)),
        *(_section(section) for section in sections(report, words)),
        "---",
        *(md.text(note) for note in notes(report, words)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _top(top: Heading) -> list[str]:
    cards = [f"- **{md.text(card.label)}**: {md.text(_value(card))}" for card in top.cards]
    notices = "\n".join(f"> - {md.text(notice)}" for notice in top.notices)
    return [
        f"# {md.text(top.title)}",
        f"{md.text(top.period)}  \n{md.text(top.source)}",
        md.text(top.summary),
        "\n".join(cards),
        notices or f"> {md.text(top.nothing)}",
    ]


def _value(card: Card) -> str:
    added = "; ".join(note for note in card.notes if note)
    return f"{card.value} ({added})" if added else card.value


def _section(section: Section) -> str:
    parts = (f"## {md.text(section.title)}", md.text(section.intro), _table(section.table))
    return "\n\n".join(part for part in parts if part)


def _table(table: Table) -> str:
    codes = [column.code for column in table.columns]
    rows = [
        [
            md.code(cell) if is_code else md.text(cell)
            for cell, is_code in zip(row, codes, strict=True)
        ]
        for row in table.rows
    ]
    right = [number for number, column in enumerate(table.columns) if column.number]
    drawn = md.table([md.text(column.title) for column in table.columns], rows, right)
    return f"{drawn}\n\n{md.text(table.more)}".strip()
