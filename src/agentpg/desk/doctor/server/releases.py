"""The releases of PostgreSQL that are known: the newest minor one of each, and its last day.

Nothing asks the network. A release that is newer than the table is taken as current, and a major
one that is not in it as not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

# When the table was made from postgresql.org/support/versioning: the releases of that day.
AS_OF = date(2026, 8, 13)


@dataclass(frozen=True, slots=True)
class Release:
    """A major release: its newest minor one, how many there are, and when the last one comes."""

    newest: int
    ends: date
    skipped: tuple[int, ...] = ()

    def behind(self, minor: int) -> int:
        """How many newer minor ones there are; a number that was never released is none."""
        return sum(n not in self.skipped for n in range(minor + 1, self.newest + 1))


RELEASES: Mapping[int, Release] = {
    10: Release(23, date(2022, 11, 10)),
    11: Release(22, date(2023, 11, 9)),
    12: Release(22, date(2024, 11, 21)),
    13: Release(23, date(2025, 11, 13)),
    14: Release(24, date(2026, 11, 12)),
    15: Release(19, date(2027, 11, 11)),
    16: Release(15, date(2028, 11, 9)),
    17: Release(11, date(2029, 11, 8)),
    18: Release(6, date(2030, 11, 14), skipped=(5,)),
}
