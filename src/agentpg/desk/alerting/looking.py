"""Looks at the rooms of the doctor whose turn it is, and says what may become an alert."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from agentpg.db import Database
from agentpg.desk import finding as desk
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.rooms import ROOMS, checks_of, examine
from agentpg.desk.finding import Contact, Finding, Level, Risk
from agentpg.language import N_
from agentpg.notify.alert import Alert
from agentpg.notify.condition import Condition, Remedy, at_least
from agentpg.notify.deciding import Look
from agentpg.notify.kept import Looked
from agentpg.notify.patience import Patience
from agentpg.settings import Settings

_log = logging.getLogger("agentpg.notify")

_MINUTE = timedelta(minutes=1)

# Rooms give their own questions seconds; this is for a file system that does not come back.
_PATIENCE = timedelta(minutes=2)
# The task that looks ends after ten: what is known by then is decided about.
_LONGEST_LOOK = timedelta(minutes=7)
_HANGS = N_("it takes longer than 2 minutes")
_LONGEST_REST = timedelta(hours=1)

# A look begins a little before or after its minute.
_JITTER = timedelta(seconds=10)

# A room takes a hundredth of a processor at most: one that takes 6 s is looked at every 10 min.
_REST_PER_SECOND = 100

# What lies behind some rooms costs money elsewhere, such as the requests to a bucket, or does not
# change from one minute to the next.
_QUARTER = timedelta(minutes=15)
_RESTS = dict.fromkeys(("backup", "settings", "plans", "indexes"), _QUARTER)

UNLOOKED_CODE = "N05"
UNLOOKED = N_("{checks} of {subject} could not be looked at: {why}")


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A look, and how long each room took."""

    look: Look
    seconds: Mapping[str, float] = field(default_factory=dict)


def due_rooms(looks: Mapping[str, Looked], alerts: Iterable[Alert], now: datetime) -> list[str]:
    """The rooms whose turn it is: those that cost little each minute, others the less often the
    longer they take. Where an alert is about to begin or to end, it is looked at each minute."""
    restless = {one.condition.room for one in alerts if one.state == "pending" or one.clear}
    return [
        room for room in ROOMS if room not in looks or _is_due(looks[room], now, room in restless)
    ]


def _is_due(looked: Looked, now: datetime, is_restless: bool) -> bool:
    ago = now - looked.looked_at
    # A moment that is still to come was noted by a clock that was wrong.
    return ago >= _rest_after(looked, is_restless) - _JITTER or ago < -_JITTER


def _rest_after(looked: Looked, is_restless: bool) -> timedelta:
    if is_restless:
        return _MINUTE
    cost = timedelta(seconds=looked.seconds * _REST_PER_SECOND)
    return max(_MINUTE, min(cost, _LONGEST_REST), _RESTS.get(looked.room, _MINUTE))


def look_at(
    database: Database, settings: Settings, rooms: Sequence[str], least: str = "warning"
) -> LookedAt:
    """Look at these rooms; findings from the level `least` on may become alerts."""
    found: list[Finding] = []
    conditions: list[Condition] = []
    seconds: dict[str, float] = {}
    until = time.monotonic() + _LONGEST_LOOK.total_seconds()
    for room in rooms:
        begun = time.monotonic()
        if begun > until:
            # The next look begins with these.
            break
        said = _said_in(room, database, settings)
        seconds[room] = time.monotonic() - begun
        found += said
        conditions += conditions_of(room, said, least)
    unknown = frozenset(one.code for one in found if one.level == "unknown")
    look = Look(conditions=conditions, rooms=frozenset(seconds), unknown=unknown)
    return LookedAt(look, seconds)


def _said_in(room: str, database: Database, settings: Settings) -> Sequence[Finding]:
    """What a room says; one that fails or hangs keeps nobody from being told of the others."""
    try:
        return Patience(_PATIENCE).get(
            lambda: examine(database, settings, (room,))[room], f"agentpg-look-{room}"
        )
    except TimeoutError:
        return _unknown(room, Unlooked(_HANGS))
    except Exception as error:  # noqa: BLE001 - told as what could not be looked at
        _log.exception("the room %s of the doctor has failed", room)
        return _unknown(room, Unlooked(f"{type(error).__name__}: {error}"))


def _unknown(room: str, why: Unlooked) -> Sequence[Finding]:
    return [Say(check).unknown(why) for check in checks_of(room)]


def conditions_of(room: str, findings: Sequence[Finding], least: str) -> list[Condition]:
    """What of a room's findings may become alerts; all that it could not look at is one."""
    amiss = [one for one in findings if one.level not in ("ok", "unknown")]
    conditions = [_condition(room, one) for one in amiss if at_least(one.level, least)]
    unknown = [one for one in findings if one.level == "unknown"]
    if unknown and at_least("unknown", least):
        conditions.append(_unlooked(room, unknown))
    return conditions


def _condition(room: str, finding: Finding) -> Condition:
    return Condition(
        room=room,
        code=finding.code,
        level=finding.level,
        subject=finding.subject,
        sentence=finding.sentence,
        evidence=finding.evidence,
        threshold=finding.threshold,
        cause=finding.cause,
        remedies=_remedies(finding),
        proof=finding.proof,
        contact=finding.contact,
        thing=finding.thing,
    )


def _unlooked(room: str, findings: Sequence[Finding]) -> Condition:
    first = findings[0]
    look = Remedy(
        sentence=N_("See what could not be looked at, and what helps."),
        command=f"agentpg doctor {room}",
    )
    return Condition(
        room=room,
        code=UNLOOKED_CODE,
        level="unknown",
        subject=room,
        sentence=UNLOOKED,
        evidence={
            "checks": " ".join(dict.fromkeys(one.code for one in findings)),
            "why": str(first.evidence.get("why") or first.message()),
        },
        remedies=(*_remedies(first), look),
        # What the rooms may not see is told to one contact, in one message.
        contact="dba",
    )


def _remedies(finding: Finding) -> tuple[Remedy, ...]:
    return tuple(
        Remedy(sentence=one.sentence, command=one.command, sql=one.sql, risk=one.risk)
        for one in finding.remedies
    )


def finding_of(condition: Condition) -> Finding:
    """The finding that a condition was made of, to be shown as the doctor shows it."""
    return Finding(
        code=condition.code,
        level=cast(Level, condition.level),
        subject=condition.subject,
        sentence=condition.sentence,
        evidence=condition.evidence,
        threshold=condition.threshold,
        cause=condition.cause,
        remedies=tuple(
            desk.Remedy(
                sentence=one.sentence,
                command=one.command,
                sql=one.sql,
                risk=cast(Risk, one.risk),
            )
            for one in condition.remedies
        ),
        proof=condition.proof,
        contact=cast(Contact, condition.contact),
    )
