"""The top of a report."""

from __future__ import annotations

from agentpg.db import Database, connect
from agentpg.desk.report_data import Report, collect_report
from agentpg.desk.report_page import Card, heading, words_of

ENGLISH = words_of("en")
KOREAN = words_of("ko")


def _card(cards: list[Card], label: str) -> Card:
    return next(card for card in cards if card.label == label)


def test_cards_add_what_is_not_known_and_what_changed(busy_report: Report) -> None:
    cards = heading(busy_report, ENGLISH).cards
    unpriced, change = _card(cards, "Cost").notes
    assert unpriced == f"+ {busy_report.total.unpriced_calls:,} unpriced calls"
    assert change.endswith(("than before", "as before"))
    assert _card(cards, "Cost").value.startswith("$")
    assert _card(cards, "Failures").bad


def test_notices_name_what_needs_attention(busy_report: Report) -> None:
    notices = " ".join(heading(busy_report, ENGLISH).notices)
    assert "of ResearchAgent's executions failed (" in notices
    assert "No living worker handles BillingAgent / invoice, and tasks wait for one: 4." in notices
    assert "were lost with their workers." in notices
    assert "llama-3.3-70b-instruct" in notices


def test_an_empty_installation_needs_no_attention(empty_report: Report) -> None:
    top = heading(empty_report, ENGLISH)
    assert top.notices == []
    assert top.summary.startswith("No execution was recorded in this time.")
    assert [card.value for card in top.cards] == ["0", "–", "0", "–", "–", "–"]


def test_one_is_not_several(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, "
            "execution_start, execution_end, outcome) "
            "VALUES (uuid7(), 1, 'A', 't', now() - interval '1 s', now(), 'lost')"
        )
    top = heading(collect_report(database), ENGLISH)
    assert top.summary == "1 execution by 1 agent; 100.0% of those that ended failed."
    assert top.notices == ["1 execution was lost with its worker."]


def test_korean_has_its_own_figures(busy_report: Report) -> None:
    top = heading(busy_report, KOREAN)
    assert top.title == "운영 및 비용 보고서"
    assert "가격 미상 호출" in _card(top.cards, "비용").notes[0]
    assert KOREAN.day(busy_report.window.since.date()).endswith("일")
