"""Which settings should be others, and why: decided on frozen facts.

The doctor says it and `agentpg tune settings` shows and applies it. Nothing is proposed that
makes what was committed less safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.settings.durability import propose_durability
from agentpg.desk.doctor.settings.facts import Facts, Role
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal, is_server_wide, proposal_of
from agentpg.desk.doctor.settings.proposing_memory import propose_memory
from agentpg.desk.doctor.settings.proposing_writing import propose_writing
from agentpg.desk.doctor.settings.units import in_unit
from agentpg.language import N_


def propose(facts: Facts, policy: Policy) -> tuple[Proposal, ...]:
    """All proposals, by topic; none for what could not be looked at."""
    if isinstance(facts.settings, Unlooked):
        return ()
    # What the role that asks has for itself says nothing of the server.
    wide = {name: one for name, one in facts.settings.items() if is_server_wide(one)}
    server = replace(facts, settings=wide)
    found = [
        *propose_durability(server),
        *_planner(server),
        *_upkeep(server),
        *propose_memory(server, policy),
        *propose_writing(server, policy),
        *_disk(server, policy),
        *_counting(server),
        *_roles(facts, policy),
    ]
    return tuple(found)


def _planner(facts: Facts) -> Iterator[Proposal]:
    known = {} if isinstance(facts.settings, Unlooked) else facts.settings
    for name, one in sorted(known.items()):
        if name.startswith("enable_") and one.default_value == "on" and one.value == "off":
            why = N_("the planner may not use this way, in any query")
            source = "PostgreSQL manual: Query Planning"
            yield proposal_of(one, "on", "planner", why, source, level="warning")


def _upkeep(facts: Facts) -> Iterator[Proposal]:
    whys = {
        "autovacuum": N_("no table is vacuumed or analysed by itself"),
        "track_counts": N_("autovacuum does not learn of changes, and does nothing"),
        "track_activities": N_("nobody can see what sessions do"),
    }
    for name, why in whys.items():
        one = facts.setting(name)
        if one is not None and one.value == "off":
            source = "PostgreSQL manual: Routine Vacuuming"
            yield proposal_of(one, "on", "upkeep", why, source, level="warning")


def _disk(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    machine = facts.machine
    if isinstance(machine, Unlooked) or machine.disk != "ssd":
        return
    one = facts.setting("random_page_cost")
    if one is not None and float(one.value) > policy.random_most_ssd:
        why = N_("an SSD reads anywhere at about the same cost; indexes look dearer than they are")
        source = "PostgreSQL manual: Query Planning"
        yield proposal_of(one, f"{policy.random_ssd:g}", "disk", why, source)
    one = facts.setting("effective_io_concurrency")
    if one is not None and one.default_value == one.value == "1":
        why = N_("an SSD takes many requests at once")
        source = "PostgreSQL manual: Resource Consumption"
        yield proposal_of(one, str(policy.concurrency_ssd), "disk", why, source)


def _counting(facts: Facts) -> Iterator[Proposal]:
    one = facts.setting("track_io_timing")
    if one is not None and one.value == "off":
        why = N_("nobody can tell time on disk from time at work")
        yield proposal_of(one, "on", "counting", why, "PostgreSQL manual: Run-time Statistics")
    one = facts.setting("shared_preload_libraries")
    if one is None or isinstance(facts.server, Unlooked) or not facts.server.has_statements:
        return
    loaded = [part.strip().strip('"') for part in one.value.split(",") if part.strip()]
    if "pg_stat_statements" not in loaded:
        parts = (*loaded, "pg_stat_statements")
        why = N_("nobody counts what statements cost; then CREATE EXTENSION pg_stat_statements")
        source = "PostgreSQL manual: pg_stat_statements"
        yield proposal_of(one, ", ".join(parts), "counting", why, source, parts=parts)


def _roles(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    if isinstance(facts.roles, Unlooked):
        return
    for role in facts.roles:
        # A superuser repairs, and a replica's session is meant to last.
        if role.superuser or role.replicates:
            continue
        yield from _of_role(facts, role, policy)


def _of_role(facts: Facts, role: Role, policy: Policy) -> Iterator[Proposal]:
    whys = {
        "idle_in_transaction_session_timeout": (
            N_("a transaction that is forgotten keeps its locks and all dead rows"),
            policy.idle_in_transaction,
        ),
        "statement_timeout": (N_("a query that runs away runs for ever"), policy.statement),
    }
    for name, (why, proposed) in whys.items():
        # Who owns tables also migrates, vacuums and is dumped by: that may take its time.
        if name == "statement_timeout" and role.owns:
            continue
        one = facts.setting(name)
        if one is None:
            continue
        said = role.settings.get(name)
        value = said if said is not None else facts.for_all(name) or one.default_value
        if not in_unit(value, one.unit):
            yield Proposal(
                name=name,
                now="0" if said is None else said,
                proposed=proposed,
                topic="roles",
                why=why,
                source="PostgreSQL manual: Client Connection Defaults",
                asked=True,
                role=role.name,
            )
