"""One file per kind of work; `all_works` lists them in the order of the report."""

from __future__ import annotations

from benchmarks.work import Scale, Work
from benchmarks.works.bulk import Bulk
from benchmarks.works.drain import Drain
from benchmarks.works.held import Held, with_small_batches
from benchmarks.works.history import History
from benchmarks.works.idle import Idle
from benchmarks.works.late import Late
from benchmarks.works.pickup import Pickup
from benchmarks.works.single import Single
from benchmarks.works.sleepers import Sleepers


def all_works(scale: Scale) -> list[Work]:
    """Every work, at this size."""
    return [
        Bulk(scale.tasks, scale.fewer),
        Single(scale.singles, callers=1),
        Single(scale.singles, callers=20),
        Drain(scale.tasks, scale.fewer, workers=1),
        Drain(scale.tasks, scale.fewer, workers=2),
        Pickup(scale.pickups),
        Sleepers(scale.sleepers),
        History(scale.history, scale.tasks, scale.fewer),
        Held(scale.held),
        with_small_batches(scale.held),
        Late(scale.late_backlog),
        Late(scale.late_backlog, dead=scale.dead),
        Idle(scale.idle_seconds),
    ]
