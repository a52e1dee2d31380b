"""What should be other about checkpoints, WAL and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.desk.check import Unlooked, size
from agentpg.desk.doctor.settings.facts import Facts, Machine
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal, proposal_of, taken_by
from agentpg.desk.doctor.settings.units import megabytes
from agentpg.language import N_


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


def propose_writing(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    """By how often checkpoints were forced, and by the room on the disk."""
    yield from _max_wal(facts, policy)
    one = facts.setting("checkpoint_completion_target")
    if one is not None and float(one.value) < policy.completion - 0.05:
        why = N_("checkpoints write in a burst; spread, they disturb less")
        source = "PostgreSQL manual: WAL Configuration"
        yield proposal_of(one, f"{policy.completion:g}", "writing", why, source)
    yield from _slots(facts, policy)


def _max_wal(facts: Facts, policy: Policy) -> Iterator[Proposal]:
    found, share = taken_by(facts, "max_wal_size"), requested_share(facts, policy)
    if found is None or share is None or share <= policy.requested_warning:
        return
    one, taken = found
    wanted = max(2 * taken, _wal_of_a_checkpoint(facts, policy))
    volume, free = _disk_of(facts)
    if volume is not None:
        wanted = min(wanted, int(volume * policy.wal_of_volume))
    if free is not None:
        # What it has now is taken already.
        wanted = min(wanted, taken + int(free * policy.wal_of_free))
    if wanted <= taken:
        return
    why = N_("{percent} % of the checkpoints were forced, most by WAL: {rate} of it a second")
    rate = None if isinstance(facts.wal, Unlooked) else facts.wal.per_second
    values = {"percent": round(share * 100), "rate": "–" if rate is None else size(rate)}
    source = N_(
        "5 minutes of WAL at the measured rate; at most 20 % of the disk and half of what is free"
    )
    yield proposal_of(
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
    volume, free = _disk_of(facts)
    most = policy.slot_bytes if volume is None else int(volume * policy.slot_of_volume)
    if free is not None:
        most = min(most, int(free * policy.wal_of_free))
    why = N_("a reader that stays away fills the disk; one that keeps more is lost")
    source = N_("10 % of the disk, and at most half of what is free")
    yield proposal_of(one, megabytes(most), "writing", why, source, level="warning", asked=True)


def _disk_of(facts: Facts) -> tuple[int | None, int | None]:
    """How large the disk of the WAL is, and what is free there."""
    machine = Machine() if isinstance(facts.machine, Unlooked) else facts.machine
    return machine.volume_bytes, machine.free_bytes
