"""What is sealed opens at its own place with its own key, and nowhere else."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st

from agentpg.errors import AgentpgError, SealBroken, SealingKeyMissing, SettingError
from agentpg.sealing import Keyring, Place, new_key, open_token, read_rules, seal_text
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server

TASK, OTHER = UUID(int=1), UUID(int=2)
KEY = new_key(date(2026, 11, 29))
RING = Keyring((KEY,))
PLACE = Place.in_task("payload", TASK)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    token = seal_text(KEY, PLACE, text)
    assert open_token(RING, PLACE, token) == text
    assert len(text) < 8 or text not in token


@pytest.mark.parametrize(
    "place",
    [
        Place.in_task("payload", OTHER),
        Place.in_task("result", TASK),
        Place.in_schedule("Billing", "invoice"),
    ],
)
def test_it_opens_at_no_other_place(place: Place) -> None:
    with pytest.raises(SealBroken):
        open_token(RING, place, seal_text(KEY, PLACE, "hunter2"))


def test_it_opens_at_no_other_place_where_its_kind_was_rewritten() -> None:
    token = seal_text(KEY, PLACE, "hunter2").replace("1t:", "1s:", 1)
    with pytest.raises(SealBroken):
        open_token(RING, Place.in_schedule("Billing", "invoice"), token)


def test_no_other_key_opens_it() -> None:
    other = new_key(date(2026, 11, 30))
    token = seal_text(other, PLACE, "hunter2")
    with pytest.raises(SealingKeyMissing, match="2026-11-30, which is not here"):
        open_token(RING, PLACE, token)
    # Nor does a key that only bears its name.
    with pytest.raises(SealBroken):
        open_token(RING, PLACE, token.replace("2026-11-30", KEY.name))


@given(st.data())
@settings(max_examples=150, derandomize=True, deadline=None)
def test_what_was_changed_is_noticed(data: st.DataObject) -> None:
    token = seal_text(KEY, PLACE, "hunter2")
    at = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.characters(codec="utf-8").filter(lambda one: one != token[at]))
    changed = token[:at] + sign + token[at + 1 :]
    try:
        opened = open_token(RING, PLACE, changed)
    except AgentpgError:
        return
    # The last sign of base64 has bits that stand for nothing.
    assert at >= len(token) - 2
    assert opened == "hunter2"


def test_the_same_text_is_never_sealed_the_same() -> None:
    assert seal_text(KEY, PLACE, "a") != seal_text(KEY, PLACE, "a")


def test_rules() -> None:
    rules = read_rules("Billing Reports/weekly:payload,result")
    assert rules.covers("Billing", "any", "log")
    assert rules.covers("Reports", "weekly", "result")
    assert not rules.covers("Reports", "weekly", "error")
    assert not rules.covers("Reports", "daily", "payload")
    assert not rules.covers(None, None, "payload")
    assert rules.may_cover("Reports", None, "payload")
    assert not rules.may_cover("Reports", "daily", "payload")
    assert read_rules("*:payload").covers("Any", "thing", "payload")


@pytest.mark.parametrize("rule", ["A:", "A:secret", "/x", "A/", "*/x", "A/b/c", ":payload", "A:,"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(SettingError, match="it must be rules"):
        load_settings(seal=rule)
