"""What should be other about the server's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentpg.desk.check import Unlooked, size
from agentpg.desk.doctor.settings.facts import Facts, Server
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal, count_of, proposal_of, taken_by
from agentpg.desk.doctor.settings.units import megabytes
from agentpg.desk.finding import Level
from agentpg.language import N_

_MIB = 1024**2


def propose_memory(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    """By the memory that the server may use; nothing where that is not known."""
    machine = facts.machine
    if isinstance(machine, Unlooked) or machine.ram_bytes is None:
        return
    ram = machine.ram_bytes
    if ram < policy.ram_least:
        return
    yield from _buffers(facts, ram, policy)
    yield from _cache(facts, ram, policy)
    yield from _maintenance(facts, ram, policy)
    yield from _work(facts, ram, policy)


def _buffers(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found = taken_by(facts, "shared_buffers")
    if found is None:
        return
    one, taken = found
    if policy.buffers_least <= taken / ram <= policy.buffers_most:
        return
    why = N_("a quarter of the {ram} of memory serves most; now it is {percent} %")
    values = {"ram": size(ram), "percent": f"{100 * taken / ram:.1f}"}
    source = "PostgreSQL manual: Resource Consumption"
    level: Level = "warning" if taken / ram > policy.buffers_most else "info"
    proposed = megabytes(ram * policy.buffers)
    # With huge pages that must be there, more than was set aside of them keeps it from starting.
    pages = facts.setting("huge_pages")
    asked = pages is not None and pages.value == "on" and ram * policy.buffers > taken
    yield proposal_of(one, proposed, "memory", why, source, values=values, level=level, asked=asked)


def _cache(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found = taken_by(facts, "effective_cache_size")
    if found is None:
        return
    one, taken = found
    if policy.cache_least <= taken / ram <= policy.cache_most:
        return
    why = N_("the planner reckons with {taken} of cache; the machine has about {cache}")
    values = {"taken": size(taken), "cache": size(ram * policy.cache)}
    source = "PostgreSQL manual: Query Planning"
    yield proposal_of(one, megabytes(ram * policy.cache), "memory", why, source, values=values)


def _maintenance(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found, workers = (
        taken_by(facts, "maintenance_work_mem"),
        count_of(facts, "autovacuum_max_workers"),
    )
    if found is None or not workers:
        return
    one, taken = found
    proposed = min(ram * policy.maintenance, policy.maintenance_most)
    proposed = min(proposed, ram * policy.maintenance_share / workers)
    together = taken * workers
    values = {"ram": size(ram), "workers": workers, "together": size(together)}
    source = N_("RAM / 16, up to 2 GB")
    if together > ram * policy.maintenance_share:
        why = N_("{workers} workers of autovacuum may take {together} of {ram} at once")
        yield proposal_of(
            one, megabytes(proposed), "memory", why, source, values=values, level="warning"
        )
    elif taken * 2 < proposed:
        why = N_("vacuum and new indexes go faster with more; the machine has {ram}")
        yield proposal_of(one, megabytes(proposed), "memory", why, source, values=values)


def _work(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found, sessions = taken_by(facts, "work_mem"), count_of(facts, "max_connections")
    if found is None or not sessions or isinstance(facts.server, Unlooked):
        return
    one, taken = found
    most = ram * policy.work / (sessions * policy.work_sorts)
    values = {
        "sessions": sessions,
        "together": size(taken * sessions * policy.work_sorts),
        "ram": size(ram),
        "spilled": size(facts.server.temp_bytes),
    }
    source = "work_mem x max_connections x 2 < RAM / 2"
    if taken > most:
        why = N_("{sessions} sessions with two sorts each may take {together} of {ram}")
        level: Level = "warning" if taken * policy.work > most else "info"
        said: dict[str, Any] = {"values": values, "level": level}
        fewer = facts.setting("max_connections")
        if most >= _MIB:
            yield proposal_of(one, megabytes(most), "memory", why, source, **said)
        elif fewer is not None and not facts.server.in_recovery:
            # With less to sort in than this, nothing works well; and a standby with fewer sessions
            # than its primary does not start.
            number = int(ram * policy.work / (taken * policy.work_sorts)) // 10 * 10
            number = max(number, _sessions_least(facts, facts.server, policy))
            if number < sessions:
                yield proposal_of(fewer, str(number), "memory", why, source, asked=True, **said)
    elif taken * 4 <= most and facts.server.temp_bytes >= policy.spilled_bytes:
        why = N_("sorts have written {spilled} to disk, and there is memory for more")
        proposed = megabytes(min(most / 2, policy.work_most))
        yield proposal_of(one, proposed, "memory", why, source, values=values)


def _sessions_least(facts: Facts, server: Server, policy: Policy) -> int:
    """How many sessions must stay possible: those that are open and as many again, a pool, and
    what is reserved, without which the server would not even start."""
    names = ("superuser_reserved_connections", "reserved_connections")
    reserved = sum(count_of(facts, name) or 0 for name in names)
    wanted = policy.sessions_times * server.sessions + policy.pool + reserved
    return -(-wanted // 10) * 10
