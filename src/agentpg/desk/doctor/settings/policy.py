"""From where on a setting is spoken of: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MIB = 1024**2
_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What settings are judged by; shares are 0 to 1, of the memory that the server may use."""

    # A quarter of the memory is what PostgreSQL's own manual begins with (Resource Consumption);
    # above two fifths the system's cache, which it needs as well, becomes small.
    buffers: float = 0.25
    buffers_least: float = 0.15
    buffers_most: float = 0.4
    # Smaller machines are for trying things out.
    ram_least: int = _GIB

    # The planner's idea of all caches together.
    cache: float = 0.65
    cache_least: float = 0.4
    cache_most: float = 0.85

    maintenance: float = 1 / 16
    maintenance_most: int = 2 * _GIB
    # All that autovacuum's workers may take together.
    maintenance_share: float = 0.25

    # A session may use work_mem for several sorts at once; with two in each session they may take
    # half of the memory at most.
    work: float = 0.5
    work_sorts: int = 2
    work_most: int = 64 * _MIB
    # Sorts that went to disk, since the statistics began, before more is worth it.
    spilled_bytes: int = 100 * _MIB

    # As many again as are open now, and what one more program's pool opens (pool_size).
    sessions_times: int = 2
    pool: int = 10

    # Checkpoints that the WAL forces write pages anew again and again.
    requested_warning: float = 0.3
    checkpoints_least: int = 10
    counted_least: timedelta = timedelta(minutes=10)
    checkpoint_time: timedelta = timedelta(minutes=5)
    # WAL must not fill the disk.
    wal_of_volume: float = 0.2
    # Of what is free now, for what it may grow by: others write there as well.
    wal_of_free: float = 0.5
    completion: float = 0.9

    slot_of_volume: float = 0.1
    slot_bytes: int = 10 * _GIB

    # Reading elsewhere costs a disk that turns forty times as much, others hardly more.
    random_ssd: float = 1.1
    random_most_ssd: float = 2.0
    concurrency_ssd: int = 200

    idle_in_transaction: str = "5min"
    statement: str = "5min"
