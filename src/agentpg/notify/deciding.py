"""What becomes of the alerts after a look, and who is told what. Pure: nothing is read or sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from agentpg.notify.alert import Alert, Event, Silence
from agentpg.notify.condition import LEVELS, Condition
from agentpg.notify.policy import Policy

Fate = Literal["found", "gone", "not looked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look has found.

    `rooms` are those that were looked at. `unknown` has the codes of checks that could not look:
    what they found before is neither there nor gone.
    """

    conditions: Sequence[Condition] = ()
    rooms: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    def fate_of(self, condition: Condition) -> Fate:
        """What this look says of what another one has found."""
        if any(one.fingerprint == condition.fingerprint for one in self.conditions):
            return "found"
        if condition.room not in self.rooms or condition.code in self.unknown:
            return "not looked"
        return "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to keep, what to forget, and what each contact is told."""

    changed: Sequence[Alert] = ()
    dropped: Sequence[UUID] = ()
    told: dict[str, list[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What every step of a decision needs."""

    look: Look
    silences: Sequence[Silence]
    policy: Policy
    now: datetime
    new_id: Callable[[], UUID]


def decide(alerts: Iterable[Alert], case: Case) -> Decision:
    """The decision for the alerts that were kept: those that are open or were so lately."""
    known = _latest(alerts)
    found = _worst_of_each(case.look.conditions)
    changed: list[Alert] = []
    dropped: list[UUID] = []
    told: defaultdict[str, list[Event]] = defaultdict(list)
    for fingerprint in dict.fromkeys((*known, *found)):
        before = known.get(fingerprint)
        after = _moved(before, found.get(fingerprint), case)
        if after is None:
            if before is not None:
                dropped.append(before.id)
            continue
        after = _telling(before, after, case, told)
        if after != before:
            changed.append(after)
    for events in told.values():
        events.sort(key=_urgency)
    return Decision(changed=changed, dropped=dropped, told=dict(told))


def _worst_of_each(conditions: Iterable[Condition]) -> dict[str, Condition]:
    """Of each thing the worst that was found, and of equals the first: two sessions of one program
    are one thing."""
    found: dict[str, Condition] = {}
    for one in conditions:
        kept = found.setdefault(one.fingerprint, one)
        if LEVELS.index(one.level) > LEVELS.index(kept.level):
            found[one.fingerprint] = one
    return found


def _latest(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Of each thing the alert that is open, or else the last one."""
    return {one.fingerprint: one for one in sorted(alerts, key=_age)}


def _age(alert: Alert) -> tuple[bool, datetime]:
    return alert.state != "resolved", alert.since


def _urgency(event: Event) -> tuple[bool, int, str]:
    """The worst first, what is over last."""
    condition = event.alert.condition
    return event.kind == "resolved", -LEVELS.index(condition.level), condition.code


# How an alert moves.


def _moved(before: Alert | None, found: Condition | None, case: Case) -> Alert | None:
    """The alert after the look; None where there is nothing to keep."""
    if found is not None:
        return _seen(before, found, case)
    if (
        before is None
        or before.state == "resolved"
        or case.look.fate_of(before.condition) == "not looked"
    ):
        return before
    return _unseen(before, case)


def _seen(before: Alert | None, found: Condition, case: Case) -> Alert:
    now = case.now
    if before is None or _is_long_over(before, case):
        begun = Alert(id=case.new_id(), condition=found, state="pending", since=now, seen_at=now)
        return _fired(begun, case)
    if before.state == "resolved":
        return _fired(_returned(before, found, now), case)
    looks = before.looks + 1
    again = replace(before, condition=found, seen_at=now, looks=looks, clear=0)
    return _fired(again, case)


def _is_long_over(alert: Alert, case: Case) -> bool:
    over = alert.resolved_at
    return over is not None and case.now - over > case.policy.return_window


def _returned(before: Alert, found: Condition, now: datetime) -> Alert:
    """The same alert again, soon after it was over."""
    return replace(
        before,
        condition=found,
        state="pending",
        since=now,
        seen_at=now,
        looks=1,
        clear=0,
        returns=before.returns + 1,
        resolved_at=None,
        first_told_at=None,
        told_at=None,
        told_level=None,
        told=(),
        escalated_at=None,
        acked_at=None,
        acked_by=None,
        ack_note=None,
    )


def _fired(alert: Alert, case: Case) -> Alert:
    if alert.state == "pending" and alert.looks >= case.policy.looks:
        return replace(alert, state="firing", fired_at=case.now)
    return alert


def _unseen(before: Alert, case: Case) -> Alert | None:
    if before.state == "pending":
        if before.fired_at is None:
            return None
        # It had fired before, and came back for less than it takes to fire.
        return replace(before, state="resolved", resolved_at=case.now)
    after = replace(before, clear=before.clear + 1, looks=0)
    if _is_steady(after, case):
        return replace(after, state="resolved", resolved_at=case.now)
    return after


def _is_steady(alert: Alert, case: Case) -> bool:
    """Whether it is over: one that comes and goes must stay away for longer."""
    if alert.clear < case.policy.looks:
        return False
    unsteady = alert.returns >= case.policy.most_returns
    return not unsteady or case.now - alert.seen_at >= case.policy.steady_after


# What is told.


def _telling(
    before: Alert | None, after: Alert, case: Case, told: defaultdict[str, list[Event]]
) -> Alert:
    """The alert as it is after its contacts have been told."""
    if any(one.covers(after.condition, case.now) for one in case.silences):
        return after
    if after.state == "resolved":
        if before is not None and before.state == "firing" and after.told:
            _tell(told, after.told, Event(kind="resolved", alert=after))
        return after
    if after.state != "firing" or after.clear:
        return after
    return _told_firing(after, case, told)


def _told_firing(alert: Alert, case: Case, told: defaultdict[str, list[Event]]) -> Alert:
    policy, now = case.policy, case.now
    meant = policy.meant_for(alert.condition)
    if alert.told_at is not None and _is_worse(alert):
        anew = replace(alert, acked_at=None, acked_by=None, ack_note=None)
        return _noted(anew, "worse", (*alert.told, *meant), now, told)
    if alert.acked_at is not None:
        return alert
    if alert.told_at is None:
        return _noted(alert, "firing", meant, now, told)
    if _is_to_escalate(alert, case):
        others = policy.others(alert.told)
        escalated = replace(alert, escalated_at=now)
        return _noted(escalated, "escalated", others, now, told) if others else escalated
    if now - alert.told_at >= policy.repeat_after(alert.condition.level):
        return _noted(alert, "still", (*alert.told, *meant), now, told)
    return alert


def _is_worse(alert: Alert) -> bool:
    told = alert.told_level or "ok"
    return LEVELS.index(alert.condition.level) > LEVELS.index(told)


def _is_to_escalate(alert: Alert, case: Case) -> bool:
    after, told_at = case.policy.escalate_after, alert.first_told_at
    if after is None or told_at is None or alert.escalated_at is not None:
        return False
    return alert.condition.level == "critical" and case.now - told_at >= after


def _noted(
    alert: Alert,
    kind: Literal["firing", "worse", "still", "escalated"],
    contacts: Sequence[str],
    now: datetime,
    told: defaultdict[str, list[Event]],
) -> Alert:
    """Tell these contacts, and note it; where there is nobody to tell, nothing is noted."""
    names = tuple(dict.fromkeys(contacts))
    if not names:
        return alert
    after = replace(
        alert,
        first_told_at=alert.first_told_at or now,
        told_at=now,
        told_level=alert.condition.level,
        told=tuple(dict.fromkeys((*alert.told, *names))),
    )
    _tell(told, names, Event(kind=kind, alert=after))
    return after


def _tell(told: defaultdict[str, list[Event]], names: Sequence[str], event: Event) -> None:
    for name in names:
        told[name].append(event)
