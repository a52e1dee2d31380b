"""What becomes of alerts, look by look, and who is told what and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from agentpg.notify.alert import Alert, Silence
from agentpg.notify.condition import Condition
from agentpg.notify.deciding import Case, Look, decide
from agentpg.notify.policy import Contact, Policy, Route
from tests.notify.sample import HOUR, MINUTE, NOW, a_condition

pytestmark = pytest.mark.without_server

BOTH = {
    "dba": Contact(name="dba", addresses=("dba@corp.internal",)),
    "ops": Contact(name="ops", webhook="https://hooks.internal/ops"),
}
Told = dict[str, list[str]]


class Desk:
    """Looks, minute by minute, and keeps what was decided."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(**{"contacts": BOTH, **policy})
        self.alerts: dict[object, Alert] = {}
        self.silences: list[Silence] = []
        self.now: datetime = NOW

    def look(
        self,
        *conditions: Condition,
        rooms: Iterable[str] = ("backup",),
        unknown: Iterable[str] = (),
        after: timedelta = MINUTE,
    ) -> Told:
        """What each contact is told after this look: the kind and the code."""
        self.now += after
        look = Look(conditions=conditions, rooms=frozenset(rooms), unknown=frozenset(unknown))
        case = Case(
            look=look, silences=self.silences, policy=self.policy, now=self.now, new_id=uuid7
        )
        decision = decide(self.alerts.values(), case)
        self.alerts |= {one.id: one for one in decision.changed}
        for dropped in decision.dropped:
            del self.alerts[dropped]
        return {
            name: [f"{e.kind} {e.alert.condition.code}" for e in events]
            for name, events in decision.told.items()
        }

    def looks(self, number: int, *conditions: Condition) -> list[Told]:
        """So many looks with the same outcome; what was told, where something was."""
        return [told for _ in range(number) if (told := self.look(*conditions))]

    @property
    def only(self) -> Alert:
        [alert] = self.alerts.values()
        return alert

    def silence(self, lasts: timedelta = HOUR, **matchers: str) -> None:
        self.silences.append(
            Silence(
                id=uuid7(),
                matchers=matchers,
                owner="kim",
                reason="moved",
                begins_at=self.now,
                ends_at=self.now + lasts,
            )
        )


def test_it_is_told_when_it_has_held_and_when_it_is_over() -> None:
    desk = Desk()
    found = a_condition()
    assert desk.look(found) == {}
    assert desk.only.state == "pending"
    assert desk.look(found) == {"ops": ["firing B01"]}
    assert desk.looks(28, found) == [], "it is told once"
    assert desk.look() == {}, "one look that misses it is not enough"
    assert desk.look() == {"ops": ["resolved B01"]}
    assert desk.only.since == NOW + MINUTE
    assert desk.looks(28) == []


def test_what_was_there_for_one_look_is_forgotten() -> None:
    desk = Desk()
    assert (desk.look(a_condition()), desk.look()) == ({}, {})
    assert desk.alerts == {}


def test_one_look_makes_one_message_for_a_contact_the_worst_first() -> None:
    desk = Desk(looks=1)
    told = desk.look(
        a_condition("B02", "warning"), a_condition("B04", contact="dba"), a_condition("B03")
    )
    assert told == {"ops": ["firing B03", "firing B02"], "dba": ["firing B04"]}
    told = desk.look(a_condition("B09"), a_condition("B03"))
    assert told == {"ops": ["firing B09", "resolved B02"], "dba": ["resolved B04"]}, (
        "what is over comes last"
    )


def test_of_what_is_found_twice_the_worst_counts() -> None:
    """Two sessions of one program are one thing."""
    desk = Desk()
    found = [a_condition(level=level) for level in ("warning", "critical", "warning")]
    desk.look(*found)
    desk.look(*found)
    assert desk.only.condition.level == "critical"


def test_it_is_told_again_after_its_time_and_at_once_when_it_is_worse() -> None:
    desk = Desk(escalate_after=None)
    warning = a_condition(level="warning")
    desk.looks(2, warning)
    assert desk.look(warning, after=23 * HOUR) == {}
    assert desk.look(warning, after=HOUR) == {"ops": ["still B01"]}
    assert desk.look(a_condition()) == {"ops": ["worse B01"]}
    assert desk.look(warning) == {}, "better is no news"
    assert desk.look(a_condition(), after=4 * HOUR) == {"ops": ["still B01"]}


def test_what_could_not_be_looked_at_is_neither_there_nor_gone() -> None:
    desk = Desk()
    desk.looks(2, a_condition())
    for _ in range(5):
        assert desk.look(unknown=["B01"]) == {}
        assert desk.look(rooms=["disk"]) == {}
    assert (desk.only.state, desk.only.clear) == ("firing", 0)


def test_another_subject_is_another_alert() -> None:
    desk = Desk(looks=1)
    first, second = a_condition(subject="public.a"), a_condition(subject="public.b")
    assert desk.look(first) == {"ops": ["firing B01"]}
    assert desk.look(first, second) == {"ops": ["firing B01"]}
    assert desk.look(second) == {"ops": ["resolved B01"]}
    assert {one.condition.subject: one.state for one in desk.alerts.values()} == {
        "public.a": "resolved",
        "public.b": "firing",
    }


def test_what_comes_and_goes_is_kept_open_until_it_stays_away() -> None:
    desk = Desk()
    told = 0
    for _ in range(20):
        told += len(desk.looks(2, a_condition())) + len(desk.looks(2))
    assert told <= 8, "without damping it would be 40"
    assert (desk.only.returns, desk.only.state) == (3, "firing")
    assert desk.looks(27) == []
    [over] = desk.looks(3)
    assert over["ops"] == ["resolved B01"]


def test_a_silence_keeps_quiet_and_what_still_fires_is_told_then() -> None:
    desk = Desk()
    desk.silence(room="back*", level="critical")
    assert desk.looks(50, a_condition()) == []
    assert desk.looks(3, a_condition(), a_condition("B02", "warning")) == [{"ops": ["firing B02"]}]
    assert desk.looks(10, a_condition(), a_condition("B02", "warning")) == [{"ops": ["firing B01"]}]


def test_what_is_over_within_its_silence_was_never_told() -> None:
    desk = Desk()
    desk.silence(code="B0?")
    assert desk.looks(10, a_condition()) + desk.looks(10) == []


def test_nobody_acknowledges_and_the_other_contact_is_told() -> None:
    desk = Desk()
    desk.looks(2, a_condition())
    assert desk.look(a_condition(), after=29 * MINUTE) == {}
    assert desk.look(a_condition()) == {"dba": ["escalated B01"]}
    assert desk.looks(100, a_condition()) == [], "once"
    assert desk.look(a_condition(), after=4 * HOUR) == {"dba": ["still B01"], "ops": ["still B01"]}
    assert desk.looks(2) == [{"dba": ["resolved B01"], "ops": ["resolved B01"]}]


def test_a_warning_is_not_escalated() -> None:
    desk = Desk()
    assert desk.looks(200, a_condition(level="warning")) == [{"ops": ["firing B01"]}]


def test_who_acknowledges_is_not_told_again_until_it_is_worse() -> None:
    desk = Desk()
    desk.looks(2, a_condition(level="warning"))
    taken = replace(desk.only, acked_at=desk.now, acked_by="kim")
    desk.alerts = {taken.id: taken}
    assert desk.look(a_condition(level="warning"), after=48 * HOUR) == {}
    assert desk.look(a_condition()) == {"ops": ["worse B01"]}
    assert desk.only.acked_by is None
    taken = replace(desk.only, acked_at=desk.now, acked_by="kim")
    desk.alerts = {taken.id: taken}
    assert desk.look(a_condition(), after=48 * HOUR) == {}
    assert desk.looks(2) == [{"ops": ["resolved B01"]}]


def test_who_acknowledges_first_is_not_told_at_all() -> None:
    desk = Desk()
    desk.look(a_condition())
    desk.alerts = {one.id: replace(one, acked_at=desk.now) for one in desk.alerts.values()}
    assert desk.looks(60, a_condition()) == []


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([], ["ops"]),
        ([Route(pattern="backup", level="warning", contacts=("dba",))], ["dba"]),
        ([Route(pattern="B*", level="critical", contacts=("dba", "ops"))], ["dba", "ops"]),
        ([Route(pattern="B01", level="warning", contacts=())], []),
        ([Route(pattern="D*", level="warning", contacts=("dba",))], ["ops"]),
    ],
)
def test_routes_say_who_is_told(routes: list[Route], told: list[str]) -> None:
    assert sorted(Desk(looks=1, routes=routes).look(a_condition())) == told


def test_who_has_no_way_is_told_through_the_other() -> None:
    desk = Desk(looks=1, contacts={"dba": BOTH["dba"], "ops": Contact(name="ops")})
    assert desk.look(a_condition()) == {"dba": ["firing B01"]}
    assert desk.look(a_condition(), after=HOUR) == {}, "there is nobody to escalate to"


def test_with_nobody_to_tell_it_is_told_as_soon_as_there_is_somebody() -> None:
    desk = Desk(contacts={name: Contact(name=name) for name in BOTH})
    assert desk.looks(10, a_condition()) == []
    desk.policy = replace(desk.policy, contacts=BOTH)
    assert desk.look(a_condition()) == {"ops": ["firing B01"]}


def test_an_alert_is_kept_whole() -> None:
    desk = Desk()
    desk.looks(40, a_condition())
    assert Alert.read(desk.only.document()) == desk.only
