"""Switches that do harm, for the server or for a role or database, G04 to G06."""

from __future__ import annotations

from collections.abc import Callable

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.settings.durability import lowers_durability
from agentpg.desk.doctor.settings.facts import Facts, Own
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.saying import (
    Said,
    SettingsCheck,
    of_topic,
)
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

# What reads damaged pages as if nothing were wrong.
_DAMAGING = ("zero_damaged_pages", "ignore_checksum_failure")


def _durability(say: Say, facts: Facts, policy: Policy) -> Said:
    said = of_topic(say, facts, policy, "durability", N_("what is committed is kept"))
    return _with_own(say, facts, said, lambda one: lowers_durability(one.name, one.value))


def _planner(say: Say, facts: Facts, policy: Policy) -> Said:
    said = of_topic(say, facts, policy, "planner", N_("the planner may go every way"))
    off = ("off", "false", "no", "0")
    return _with_own(
        say, facts, said, lambda one: one.name.startswith("enable_") and one.value.lower() in off
    )


def _upkeep(say: Say, facts: Facts, policy: Policy) -> Said:
    return of_topic(say, facts, policy, "upkeep", N_("the server vacuums and counts by itself"))


def _with_own(say: Say, facts: Facts, said: Said, harms: Callable[[Own], bool]) -> Said:
    """With what roles and databases have for themselves."""
    own = () if isinstance(facts.own, Unlooked) else facts.own
    found = tuple(_own(say, one) for one in own if harms(one))
    return (*(one for one in said if one.level != "ok"), *found) if found else said


def _own(say: Say, one: Own) -> Finding:
    whose = f"ROLE {identifier(one.role)}" if one.role else f"DATABASE {identifier(one.database)}"
    within = f" IN DATABASE {identifier(one.database)}" if one.role and one.database else ""
    # A role that may lose its last moments is what synchronous_commit is for.
    meant = one.name == "synchronous_commit" and one.role
    level: Level = "critical" if one.name in _DAMAGING else "info" if meant else "warning"
    text = N_("{subject} is {now} for the role {role}")
    if not one.role:
        text = N_("{subject} is {now} for the whole database {database}")
    reset = Remedy(
        sentence=N_("Take it back, unless somebody has a reason; it holds for new sessions."),
        sql=f"ALTER {whose}{within} RESET {one.name}",
    )
    return say(
        level,
        text,
        one.name,
        (reset,),
        now=one.value,
        role=one.role,
        database=one.database,
    )


SWITCH_CHECKS = (
    SettingsCheck(
        code="G04",
        title=N_("Whether what is committed is kept"),
        levels=("info", "warning", "critical"),
        threshold=N_(
            "synchronous_commit off (for a role: info), full_page_writes off where the file system "
            "is ZFS or not known / fsync or else full_page_writes off, zero_damaged_pages or "
            "ignore_checksum_failure on"
        ),
        contact="dba",
        cause=N_("somebody has switched it for speed, or to save a damaged table"),
        proof=N_("the setting has its safe value."),
        idea="switch it back; nothing is restarted.",
        decide=_durability,
    ),
    SettingsCheck(
        code="G05",
        title=N_("Ways that the planner may not go"),
        levels=("warning",),
        threshold=N_("an enable_… that is on by default is off / –"),
        contact="dba",
        cause=N_("it was switched off for one query, and holds for all"),
        proof=N_("the setting is on, and the query was mended otherwise."),
        idea="switch it on; for one query `SET LOCAL` in its transaction.",
        decide=_planner,
    ),
    SettingsCheck(
        code="G06",
        title=N_("Whether the server sees to its tables"),
        levels=("warning",),
        threshold=N_("autovacuum, track_counts or track_activities off / –"),
        contact="dba",
        cause=N_("somebody has switched it off for a load, and forgotten it"),
        proof=N_("the setting is on."),
        meaning="[V04](vacuum.md#v04) says which tables suffer.",
        idea="switch it on; nothing is restarted.",
        decide=_upkeep,
    ),
)
