"""One file per kind of work; `all_works` lists them in the order of the report."""

from __future__ import annotations

from benchmarks.work import Scale, Work
from benchmarks.works.bulk import Bulk
from benchmarks.works.drain import Drain
from benchmarks.works.pickup import Pickup
from benchmarks.works.single import Single


def all_works(scale: Scale) -> list[Work]:
    """Every work, at this size."""
    return [
        Bulk(scale.tasks),
        Single(scale.singles, callers=1),
        Single(scale.singles, callers=20),
        Drain(scale.tasks, workers=1),
        Drain(scale.tasks, workers=2),
        Pickup(scale.pickups),
    ]
