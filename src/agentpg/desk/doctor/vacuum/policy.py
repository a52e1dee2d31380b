"""From where on the upkeep of tables is spoken of: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MIB = 1024**2

# Two thousand million transactions on, the oldest rows would seem to be of the future.
XIDS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical; shares are 0 to 1."""

    # Autovacuum looks once a minute at what has passed its point, so at twice it is late. Fewer
    # rows than this cost nothing.
    behind_times: float = 2.0
    least_rows: int = 10_000
    far_behind_times: float = 5.0
    far_behind_rows: int = 100_000

    # A busy queue is vacuumed again and again, and is past its point in between.
    recently: timedelta = timedelta(minutes=10)
    long_ago: timedelta = timedelta(hours=1)

    # A table of which a third is dead is vacuumed soon, if its point is not far beyond them.
    out_of_reach_times: float = 10.0

    # Who reads for less time than this holds nobody up; one of whom only transactions are known,
    # by these.
    held_least: timedelta = timedelta(seconds=30)
    held_transactions: int = 10_000

    # Rows that were only added keep no room; they want freezing, and make index-only scans dear.
    inserts_times: float = 5.0

    # Below this nobody has to have counted the rows.
    never_bytes: int = _MIB

    # What is looked at of what has passed a point, the most rows first.
    most_tables: int = 1_000

    # At the server's own age autovacuum begins by force; a tenth more and it is late.
    age_warning: float = 1.1
    age_critical: float = 1.25
    # By the ages at which nothing but vacuum helps, and the server refuses to write.
    wrap_warning: float = 0.5
    wrap_critical: float = 0.75

    # Ten million transactions, or an hour, of dead rows that nothing removes.
    horizon_warning: int = 10_000_000
    horizon_critical: int = 100_000_000
    holding_warning: timedelta = timedelta(hours=1)
    holding_critical: timedelta = timedelta(hours=6)
    # A prepared transaction is settled at once, or forgotten.
    prepared_warning: timedelta = timedelta(minutes=5)
    prepared_critical: timedelta = timedelta(hours=1)

    # Below this a rewrite is not worth its lock.
    bloat_warning: float = 0.4
    bloat_critical: float = 0.7
    bloat_least_bytes: int = 100 * _MIB
    bloat_critical_bytes: int = 1024 * _MIB
    most_large: int = 30
    measured_tables: int = 3
    # All the measuring together.
    measuring: timedelta = timedelta(seconds=2)

    sequence_warning: float = 0.75
    sequence_critical: float = 0.9
    most_sequences: int = 500
