"""From where on the doctor speaks of a disk: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import exactly
from agentpg.settings import Settings

_MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical; shares are 0 to 1."""

    # A fifth left is days for most; a tenth is what a large query or an index takes at once.
    full_warning: float = 0.8
    full_critical: float = 0.9

    # What one cause may keep of a file system before it is spoken of, and before it is urgent.
    kept_warning: float = 0.1
    kept_critical: float = 0.25

    # The same where the file system can't be seen: the figures that most monitors take.
    kept_warning_bytes: int = 1024 * _MIB
    kept_critical_bytes: int = 5 * 1024 * _MIB

    # The newest files of WAL are always there.
    usual_segments: int = 3

    # A consumer that restarts is back in this time.
    slot_inactive: timedelta = timedelta(minutes=15)

    # pg_wal by its settings alone: beside data that is still to grow.
    wal_warning: float = 0.4
    wal_critical: float = 0.6

    # A share of the room that is left: what takes a tenth of it may take all.
    spill_warning: float = 0.1
    spill_critical: float = 0.5
    spill_least_bytes: int = 16 * _MIB

    # Deleted files that are held: less is usual, such as a log that was just rotated.
    held_warning: float = 0.05
    held_least_bytes: int = 16 * _MIB

    # Below this a rewrite is not worth its lock.
    bloat_warning: float = 0.4
    bloat_critical: float = 0.7
    bloat_least_bytes: int = 100 * _MIB
    bloat_critical_bytes: int = 1024 * _MIB
    measured_tables: int = 3

    # Ten million transactions, or an hour, of dead rows that nothing removes.
    horizon_warning: int = 10_000_000
    horizon_critical: int = 100_000_000
    holding_warning: timedelta = timedelta(hours=1)
    holding_critical: timedelta = timedelta(hours=6)

    # A weekend to act, and a day.
    forecast_warning: timedelta = timedelta(days=7)
    forecast_critical: timedelta = timedelta(hours=24)

    # A ballast must not be what fills the disk.
    ballast_leaves: float = 0.2

    # A week of logs answers most questions.
    logs_kept: timedelta = timedelta(days=7)

    @property
    def thresholds(self) -> dict[str, str]:
        """Those that settings say, as findings show them, by code."""
        full = f"> {self.full_warning:.0%} / > {self.full_critical:.0%}".replace("%", " %")
        left = f"< {exactly(self.forecast_warning)} / < {exactly(self.forecast_critical)}"
        return {
            "D01": f"{full} (disk_warning, disk_critical)",
            "D02": f"{full} (disk_warning, disk_critical)",
            "D14": f"{left} (disk_left_warning, disk_left_critical)",
        }


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings."""
    return Policy(
        full_warning=settings.disk_warning / 100,
        full_critical=settings.disk_critical / 100,
        forecast_warning=settings.disk_left_warning,
        forecast_critical=settings.disk_left_critical,
        logs_kept=settings.server_log_keep,
    )
