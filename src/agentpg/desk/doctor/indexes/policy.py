"""From where on the doctor speaks of an index: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is said; shares are 0 to 1."""

    # A table of fewer rows is read as a whole in a moment.
    large_rows: int = 10_000
    # A report once a day is no reason for an index; one scan a minute is.
    scans_least: int = 50
    scans_per_minute: float = 1.0

    # A week has every job that runs by day or by week.
    watched_least: timedelta = timedelta(days=7)
    unused_warning_bytes: int = 100 * _MIB

    # Below this a rebuild is not worth its work; an index that was just built is a tenth free.
    bloat_warning: float = 0.4
    bloat_critical: float = 0.7
    bloat_least_bytes: int = 100 * _MIB
    bloat_critical_bytes: int = 1024 * _MIB
    measured_indexes: int = 3
    estimated_indexes: int = 200

    # An update that is not HOT writes every index.
    hot_least: float = 0.5
    updates_least: int = 10_000

    # A partial index without them is less than half as large.
    nulls_most: float = 0.5
    nulls_least_bytes: int = 10 * _MIB

    # More of a kind are counted, not listed.
    listed: int = 10
