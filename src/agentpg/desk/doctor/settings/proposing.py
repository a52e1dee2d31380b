"""Which settings should be others, and why: decided on frozen facts.

The doctor says it and `agentpg tune settings` shows and applies it. Nothing is proposed that
makes what was committed less safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agentpg.db import identifier, literal
from agentpg.desk.check import Unlooked, size
from agentpg.desk.doctor.settings.facts import Facts, Role, Setting
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.units import in_bytes, in_unit, megabytes, shown
from agentpg.desk.finding import Level
from agentpg.language import N_, Translate, untranslated

Topic = Literal["durability", "planner", "upkeep", "memory", "writing", "disk", "roles", "counting"]

# What keeps what was committed: the safe value, and how bad another one is.
_DURABLE: Mapping[str, tuple[str, Level]] = {
    "fsync": ("on", "critical"),
    "full_page_writes": ("on", "critical"),
    "zero_damaged_pages": ("off", "critical"),
    "ignore_checksum_failure": ("off", "critical"),
    "synchronous_commit": ("on", "warning"),
}

_MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A setting that should be another: for the server, or for the sessions of a `role`.

    `now` and `proposed` are as people write them. `why` is a template with its `values`,
    `source` says where the rule is from. What is `asked` is only applied where it is named: it
    may end what somebody does.
    """

    name: str
    now: str
    proposed: str
    topic: Topic
    why: str
    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    level: Level = "info"
    restart: bool = False
    asked: bool = False
    role: str = ""
    parts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How it is named on the command line: the setting, for a role setting@role."""
        return f"{self.name}@{self.role}" if self.role else self.name

    @property
    def value_sql(self) -> str:
        """The value as SQL has it; a list is written as its parts."""
        return ", ".join(literal(part).strip() for part in self.parts or (self.proposed,))

    @property
    def sql(self) -> str:
        """The statement that sets it."""
        if self.role:
            return f"ALTER ROLE {identifier(self.role)} SET {self.name} = {self.value_sql}"
        return f"ALTER SYSTEM SET {self.name} = {self.value_sql}"

    def reason(self, translate: Translate = untranslated) -> str:
        """Why, with its numbers."""
        return translate(self.why).format_map(self.values)


def propose(facts: Facts, policy: Policy) -> tuple[Proposal, ...]:
    """All proposals, by topic; none for what could not be looked at."""
    if isinstance(facts.settings, Unlooked):
        return ()
    # What the role that asks has for itself says nothing of the server.
    wide = {name: one for name, one in facts.settings.items() if is_server_wide(one)}
    server = replace(facts, settings=wide)
    found = [
        *_durability(server),
        *_planner(server),
        *_upkeep(server),
        *_memory(server, policy),
        *_writing(server, policy),
        *_disk(server, policy),
        *_counting(server),
        *_roles(facts, policy),
    ]
    return tuple(found)


def is_about_durability(name: str) -> bool:
    """Whether what was committed is less safe with some values of this setting."""
    return name in _DURABLE


def lowers_durability(name: str, value: str) -> bool:
    """Whether a setting of this value makes what was committed less safe."""
    safe = _DURABLE.get(name)
    if safe is None:
        return False
    # The server takes the beginnings of words, too, where they are of one alone.
    said = value.strip().lower()
    words = ("off", "false", "no", "0", "local") if safe[0] == "on" else ("on", "true", "yes", "1")
    return said not in ("", "o") and any(word.startswith(said) for word in words)


def _proposal(
    one: Setting, proposed: str, topic: Topic, why: str, source: str, **more: Any
) -> Proposal:
    return Proposal(
        name=one.name,
        now=shown(one.value, one.unit),
        proposed=proposed,
        topic=topic,
        why=why,
        source=source,
        restart=one.needs_restart,
        **more,
    )


def _durability(facts: Facts) -> Iterator[Proposal]:
    whys = {
        "fsync": N_("a crash of the machine can destroy the whole cluster"),
        "full_page_writes": N_("a crash can leave pages half written, beyond repair"),
        "zero_damaged_pages": N_("a damaged page is emptied without a word"),
        "ignore_checksum_failure": N_("damaged pages are read as if they were whole"),
        "synchronous_commit": N_("a crash loses what was committed in the last moments"),
    }
    for name, (safe, level) in _DURABLE.items():
        one = facts.setting(name)
        if one is not None and lowers_durability(name, one.value):
            source = "PostgreSQL manual: Write Ahead Log and Developer Options"
            asked = name == "synchronous_commit" and _names_standbys(facts)
            yield _proposal(one, safe, "durability", whys[name], source, level=level, asked=asked)


def _names_standbys(facts: Facts) -> bool:
    """Whether commits would wait for standbys: for ever, where those are gone."""
    one = facts.setting("synchronous_standby_names")
    return one is not None and one.value.strip() != ""


def _planner(facts: Facts) -> Iterator[Proposal]:
    known = {} if isinstance(facts.settings, Unlooked) else facts.settings
    for name, one in sorted(known.items()):
        if name.startswith("enable_") and one.default_value == "on" and one.value == "off":
            why = N_("the planner may not use this way, in any query")
            source = "PostgreSQL manual: Query Planning"
            yield _proposal(one, "on", "planner", why, source, level="warning")


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
            yield _proposal(one, "on", "upkeep", why, source, level="warning")


def _memory(facts: Facts, policy: Policy) -> Iterator[Proposal]:
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


def _taken(facts: Facts, name: str) -> tuple[Setting, int] | None:
    one = facts.setting(name)
    taken = None if one is None else in_bytes(one.value, one.unit)
    return None if one is None or taken is None else (one, taken)


def _buffers(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found = _taken(facts, "shared_buffers")
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
    yield _proposal(one, proposed, "memory", why, source, values=values, level=level, asked=asked)


def _cache(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found = _taken(facts, "effective_cache_size")
    if found is None:
        return
    one, taken = found
    if policy.cache_least <= taken / ram <= policy.cache_most:
        return
    why = N_("the planner reckons with {taken} of cache; the machine has about {cache}")
    values = {"taken": size(taken), "cache": size(ram * policy.cache)}
    source = "PostgreSQL manual: Query Planning"
    yield _proposal(one, megabytes(ram * policy.cache), "memory", why, source, values=values)


def _maintenance(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found, workers = _taken(facts, "maintenance_work_mem"), _count(facts, "autovacuum_max_workers")
    if found is None or not workers:
        return
    one, taken = found
    proposed = min(ram * policy.maintenance, policy.maintenance_most)
    proposed = min(proposed, ram * policy.maintenance_share / workers)
    together = taken * workers
    values = {"ram": size(ram), "workers": workers, "together": size(together)}
    source = "RAM / 16, up to 2 GB"
    if together > ram * policy.maintenance_share:
        why = N_("{workers} workers of autovacuum may take {together} of {ram} at once")
        yield _proposal(
            one, megabytes(proposed), "memory", why, source, values=values, level="warning"
        )
    elif taken * 2 < proposed:
        why = N_("vacuum and new indexes go faster with more; the machine has {ram}")
        yield _proposal(one, megabytes(proposed), "memory", why, source, values=values)


def _work(facts: Facts, ram: int, policy: Policy) -> Iterator[Proposal]:
    found, sessions = _taken(facts, "work_mem"), _count(facts, "max_connections")
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
            yield _proposal(one, megabytes(most), "memory", why, source, **said)
        elif fewer is not None and not facts.server.in_recovery:
            # With less to sort in than this, nothing works well; and a standby with fewer sessions
            # than its primary does not start.
            number = max(int(ram * policy.work / (taken * policy.work_sorts)) // 10 * 10, 10)
            yield _proposal(fewer, str(number), "memory", why, source, asked=True, **said)
    elif taken * 4 <= most and facts.server.temp_bytes >= policy.spilled_bytes:
        why = N_("sorts have written {spilled} to disk, and there is memory for more")
        proposed = megabytes(min(most / 2, policy.work_most))
        yield _proposal(one, proposed, "memory", why, source, values=values)


def _count(facts: Facts, name: str) -> int | None:
    one = facts.setting(name)
    return int(one.value) if one is not None and one.value.isdigit() else None


def requested_share(facts: Facts, policy: Policy) -> float | None:
    """The share of the checkpoints that did not begin by the clock; None where too few did, or
    for too short a time, to tell."""
    counted = facts.checkpoints
    if isinstance(counted, Unlooked) or counted.seconds is None:
        return None
    number = counted.timed + counted.requested
    if number < policy.checkpoints_least:
        return None
    return counted.requested / number


def _writing(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    yield from _max_wal(facts, policy)
    one = facts.setting("checkpoint_completion_target")
    if one is not None and float(one.value) < policy.completion - 0.05:
        why = N_("checkpoints write in a burst; spread, they disturb less")
        source = "PostgreSQL manual: WAL Configuration"
        yield _proposal(one, f"{policy.completion:g}", "writing", why, source)
    yield from _slots(facts, policy)


def _max_wal(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    found, share = _taken(facts, "max_wal_size"), requested_share(facts, policy)
    if found is None or share is None or share <= policy.requested_warning:
        return
    one, taken = found
    wanted = max(2 * taken, _wal_of_a_checkpoint(facts, policy))
    volume = None if isinstance(facts.machine, Unlooked) else facts.machine.volume_bytes
    if volume is not None:
        wanted = min(wanted, int(volume * policy.wal_of_volume))
    if wanted <= taken:
        return
    why = N_("{percent} % of the checkpoints were forced, most by WAL: {rate} of it a second")
    rate = None if isinstance(facts.wal, Unlooked) else facts.wal.per_second
    values = {"percent": round(share * 100), "rate": "–" if rate is None else size(rate)}
    source = "5 minutes of WAL at the measured rate, 20 % of the disk at most"
    yield _proposal(
        one,
        megabytes(wanted),
        "writing",
        why,
        source,
        values=values,
        level="warning",
        # What the disk has room for is then for somebody else to say.
        asked=volume is None,
    )


def _wal_of_a_checkpoint(facts: Facts, policy: Policy) -> int:
    """What max_wal_size must be so that the WAL forces no checkpoint within the time."""
    rate = None if isinstance(facts.wal, Unlooked) else facts.wal.per_second
    # A checkpoint begins when WAL of so much has come, since the last one is still written.
    return int((rate or 0.0) * policy.checkpoint_time.total_seconds() * (1 + policy.completion))


def _slots(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    one = facts.setting("max_slot_wal_keep_size")
    if one is None or one.value != "-1":
        return
    if isinstance(facts.server, Unlooked) or not facts.server.slots:
        return
    volume = None if isinstance(facts.machine, Unlooked) else facts.machine.volume_bytes
    most = policy.slot_bytes if volume is None else volume * policy.slot_of_volume
    why = N_("a reader that stays away fills the disk; one that keeps more is lost")
    source = "10 % of the disk"
    yield _proposal(one, megabytes(most), "writing", why, source, level="warning", asked=True)


def _disk(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    machine = facts.machine
    if isinstance(machine, Unlooked) or machine.disk != "ssd":
        return
    one = facts.setting("random_page_cost")
    if one is not None and float(one.value) > policy.random_most_ssd:
        why = N_("an SSD reads anywhere at about the same cost; indexes look dearer than they are")
        source = "PostgreSQL manual: Query Planning"
        yield _proposal(one, f"{policy.random_ssd:g}", "disk", why, source)
    one = facts.setting("effective_io_concurrency")
    if one is not None and one.default_value == one.value == "1":
        why = N_("an SSD takes many requests at once")
        source = "PostgreSQL manual: Resource Consumption"
        yield _proposal(one, str(policy.concurrency_ssd), "disk", why, source)


def _counting(facts: Facts) -> Iterator[Proposal]:
    one = facts.setting("track_io_timing")
    if one is not None and one.value == "off":
        why = N_("nobody can tell time on disk from time at work")
        yield _proposal(one, "on", "counting", why, "PostgreSQL manual: Run-time Statistics")
    one = facts.setting("shared_preload_libraries")
    if one is None or isinstance(facts.server, Unlooked) or not facts.server.has_statements:
        return
    loaded = [part.strip().strip('"') for part in one.value.split(",") if part.strip()]
    if "pg_stat_statements" not in loaded:
        parts = (*loaded, "pg_stat_statements")
        why = N_("nobody counts what statements cost; then CREATE EXTENSION pg_stat_statements")
        source = "PostgreSQL manual: pg_stat_statements"
        yield _proposal(one, ", ".join(parts), "counting", why, source, parts=parts)


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


def is_server_wide(one: Setting) -> bool:
    """Whether the value is the server's, and not one of the role or database that asked."""
    # What a session has set for itself is ours: `value` is what it had before.
    return one.source not in ("user", "database", "database user", "client")
