"""The report as a page, also in a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.report_data import Report, collect_report
from agentpg.desk.report_html import html_report
from tests.desk.browser import CHROMIUM, measure

in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")

_VOID = {"meta", "link", "br"}


class _Balance(HTMLParser):
    """Fails where a tag is closed that is not the open one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.ids += [said["id"] or ""] if "id" in said else []
        self.named += (said.get("aria-labelledby") or "").split()
        self.named += [h[1:] for h in (said.get("href") or "",) if h.startswith("#")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "ko"])
def test_tags_are_balanced_and_references_lead_somewhere(
    busy_report: Report, language: str
) -> None:
    parser = _Balance()
    parser.feed(html_report(busy_report, language))
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)
    assert set(parser.named) <= set(parser.ids)


def test_the_page_needs_nothing_else(busy_report: Report) -> None:
    page = html_report(busy_report)
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!#|data:)', page) == []
    assert "url(" not in page
    assert "@import" not in page


def test_charts_have_a_title_a_description_and_a_table(busy_report: Report) -> None:
    page = html_report(busy_report)
    charts = re.findall(r'<svg class="picture".*?</svg>', page, re.DOTALL)
    assert len(charts) == 5
    assert all("<title id=" in chart and "<desc id=" in chart for chart in charts)
    for section in re.findall(r"<section.*?</section>", page, re.DOTALL):
        assert "<table>" in section


def test_what_programs_wrote_is_text(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
            "execution_start, execution_end, outcome, error_message, duration_seconds) VALUES "
            "(uuid7(), 1, '<b>A</b>', '\"><script>', now() - interval '1 s', now(), 'failed', "
            "'<img src=x onerror=alert(1)>', 1)"
        )
    page = html_report(collect_report(database))
    assert "<b>A" not in page
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;b&gt;A&lt;/b&gt;" in page


def test_nothing_done_gives_a_page_without_charts(empty_report: Report) -> None:
    page = html_report(empty_report, "ko")
    assert '<html lang="ko">' in page
    assert "이 기간에 기록된 실행이 없습니다." in page
    assert "<svg" not in page


@in_a_browser
@pytest.mark.one_server
@pytest.mark.parametrize(
    ("language", "width", "dark"),
    [("en", 1200, False), ("ko", 1200, True), ("en", 360, True), ("ko", 360, False)],
)
def test_it_fits_a_real_browser(
    busy_report: Report, tmp_path: Path, language: str, width: int, dark: bool
) -> None:
    seen = measure(html_report(busy_report, language), tmp_path, width=width, dark=dark)
    assert seen["scroll_width"] <= seen["width"] <= width
    assert seen["beyond"] == []
    assert seen["console"] == []
    assert seen["charts"] == 5
    assert seen["bars"] > 40
    assert (seen["clashes"], seen["cut"]) == ([], [])
    assert seen["language"] == language
    assert seen["background"] == ("rgb(14, 17, 22)" if dark else "rgb(245, 246, 248)")


@in_a_browser
@pytest.mark.one_server
@pytest.mark.parametrize(("days", "width"), [(30, 1000), (366, 360)])
def test_longer_reports_fit_a_real_browser_too(
    busy: Database, tmp_path: Path, days: int, width: int
) -> None:
    seen = measure(html_report(collect_report(busy, days)), tmp_path, width=width)
    assert seen["scroll_width"] <= seen["width"]
    assert (seen["clashes"], seen["cut"], seen["console"]) == ([], [], [])
