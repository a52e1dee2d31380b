"""What people read: everything that they need, in their language, and nothing that harms."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.notify.condition import Remedy
from agentpg.notify.message import Message
from agentpg.notify.rendering import Said, Wording, say
from tests.notify.sample import MINUTE, NOW, a_condition, a_message, an_alert

pytestmark = pytest.mark.without_server


def said(message: Message, language: str = "en", runbook: str = "") -> Said:
    return say(message, Wording(language, ZoneInfo("UTC"), runbook))


def test_the_text_is_whole() -> None:
    alert = an_alert(returns=2)
    text = said(a_message(alert)).text
    assert (
        text
        == f"""\
Alerts of db.internal:5432/agentic_ai: 1

CRITICAL  B01  there is no backup
  since: 2026-03-01 09:50:00+00:00 (for 10 min)
  unsteady: it has come back 2 times
  likely cause: no backup has been made, or the repository is another one
  threshold: > 26 h / > 50 h
  age: 2 d 12 h
  size: 17 MB
  names: a, b
  1. Make one.
       agentpg backup create
  ✓ `agentpg backup list` shows it.
  runbook: docs/reference/findings/backup.md#b01
  acknowledge: agentpg notify ack {str(alert.id)[-8:]}

--\x20
agentpg, 2026-03-01 10:00:00+00:00"""
    )


def test_what_is_over_says_for_how_long_it_was() -> None:
    over = an_alert(state="resolved", resolved_at=NOW - MINUTE)
    message = said(a_message(over, kind="resolved"), "ko")
    assert message.subject.startswith("[agentpg 해소됨] B01 ")
    assert "9 min" in message.text
    assert "agentpg notify ack" not in message.text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_flood_stays_readable(language: str) -> None:
    alerts = [an_alert(a_condition(subject=f"public.t{n}")) for n in range(500)]
    message = said(a_message(*alerts), language)
    assert len(message.text.splitlines()) < 300
    assert "(+499)" in message.subject
    assert len(message.html) < 60_000
    assert max(map(cell_width, message.text.splitlines())) <= 100


def test_html_takes_no_orders_from_what_was_found() -> None:
    nasty = a_condition(sentence="{subject}", subject="<script>alert(1)</script>\r\nBcc: x@y")
    message = said(a_message(an_alert(nasty)))
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert "\n" not in message.subject


def test_a_remedy_says_what_it_risks() -> None:
    remedy = Remedy(sentence="Drop it.", sql="DROP TABLE t;", risk="destroys")
    text = said(a_message(an_alert(a_condition(remedies=(remedy,))))).text
    assert "1. Drop it. (what it removes does not come back)\n       DROP TABLE t;" in text


def test_pages_are_links_where_it_is_known_where_they_are() -> None:
    message = said(a_message(), runbook="https://docs.internal/agentpg/")
    link = "https://docs.internal/agentpg/reference/findings/backup.md#b01"
    assert f'href="{link}"' in message.html
    assert link in message.text


def test_a_template_of_another_release_is_said_as_it_is() -> None:
    unknown = a_condition(sentence="{gone} is not known")
    assert "{gone} is not known" in said(a_message(an_alert(unknown))).text


def test_a_reason_has_its_own_values() -> None:
    found = a_condition(sentence="{subject}: {because}", subject="x",
                        evidence={"because": "it takes {size}", "size": "1 MB"})  # fmt: skip
    assert found.message() == "x: it takes 1 MB"
