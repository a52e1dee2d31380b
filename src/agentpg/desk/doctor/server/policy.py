"""From where on the doctor speaks of a server: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical; shares are 0 to 1."""

    # The alert rules have the same: a quarter is room for a release, a tenth for nobody.
    connections_warning: float = 0.75
    connections_critical: float = 0.9

    # Who wonders about an error of the last minutes looks here; a crash is looked for next day.
    restarted_info: timedelta = timedelta(hours=1)
    crashed_warning: timedelta = timedelta(hours=24)
    promoted_warning: timedelta = timedelta(hours=24)

    # What a reader of a standby notices, and what would be lost with the server.
    lag_warning: timedelta = timedelta(seconds=30)
    lag_critical: timedelta = timedelta(seconds=300)
    lag_warning_bytes: int = 100 * _MIB
    lag_critical_bytes: int = 1024 * _MIB

    # Clocks that are set by NTP differ by less than a second.
    clock_warning: timedelta = timedelta(seconds=5)

    # Programs roll back now and then; from a thousand transactions on a share says something.
    rolled_back_warning: float = 0.1
    rolled_back_critical: float = 0.3
    least_transactions: int = 1_000

    # Minor releases come four times a year: one may wait for a quiet day.
    minors_warning: int = 2
    ends_info: timedelta = timedelta(days=180)

    # What programs could have without swapping.
    memory_warning: float = 0.1
    memory_critical: float = 0.05

    # Processes that want to run, for each processor, over five minutes.
    load_info: float = 2.0
    load_warning: float = 4.0


# How far back counters are compared, where samples are kept.
LOOKED_BACK = timedelta(hours=1)
