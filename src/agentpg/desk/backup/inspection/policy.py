"""What is asked of backups: the thresholds of the findings, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import exactly
from agentpg.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical.

    `rto` is how long a restore may take, `rpo` how much work may be lost; None where nobody
    has said.
    """

    # A nightly backup that takes two hours, and one night that was missed.
    age_warning: timedelta = timedelta(hours=26)
    age_critical: timedelta = timedelta(hours=50)

    # One weekly drill that was missed, and a whole month without one.
    drill_warning: timedelta = timedelta(days=8)
    drill_critical: timedelta = timedelta(days=31)

    # Clocks that nobody sets right are off by seconds.
    clocks_differ: timedelta = timedelta(minutes=10)

    # With a single one, a damaged file is the end.
    restorable: int = 2

    # A failure may pass by itself; what has not passed in this time does not.
    archiver_critical: timedelta = timedelta(minutes=5)

    # Ten files of WAL are 160 MB; a hundred are minutes away from a full disk under load.
    waiting_warning: int = 10
    waiting_critical: int = 100

    # archive_timeout is a minute; what is not archived yet is lost with the server.
    wal_warning: timedelta = timedelta(minutes=5)
    wal_critical: timedelta = timedelta(minutes=15)

    # What an idle server writes by itself, as it does at each checkpoint, is no loss.
    idle_bytes: int = 64 * 1024

    # A dump whose share of the database's size is half, or twice, that of those before.
    size_off: float = 0.5

    # The next full backup and some growth, and hardly the next one.
    room_warning: float = 2.0
    room_critical: float = 1.2

    # A target that is nearly missed will be.
    target_warning: float = 0.8

    rto: timedelta | None = None
    rpo: timedelta | None = None

    @property
    def thresholds(self) -> dict[str, str]:
        """Those that settings say, as findings show them, by code."""
        age = f"> {exactly(self.age_warning)} / > {exactly(self.age_critical)}"
        drill = f"> {exactly(self.drill_warning)} / > {exactly(self.drill_critical)}"
        return {
            "B01": f"{age} (backup_age_warning, backup_age_critical)",
            "B03": f"{drill} (backup_drill_warning, backup_drill_critical)",
        }


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings."""
    return Policy(
        age_warning=settings.backup_age_warning,
        age_critical=settings.backup_age_critical,
        drill_warning=settings.backup_drill_warning,
        drill_critical=settings.backup_drill_critical,
        rto=settings.backup_rto,
        rpo=settings.backup_rpo,
    )
