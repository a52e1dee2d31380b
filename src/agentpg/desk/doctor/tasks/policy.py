"""From where on the doctor speaks of the engine's work: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import exactly
from agentpg.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical; shares are 0 to 1."""

    # A worker that is being started has its handlers known within a minute.
    unhandled_warning: timedelta = timedelta(minutes=1)
    unhandled_critical: timedelta = timedelta(minutes=15)

    # A queue that is worked off stands for a while after a burst.
    wait_warning: timedelta = timedelta(minutes=10)
    wait_critical: timedelta = timedelta(hours=2)

    # One death may be an upgrade; several in an hour are not.
    lost_warning: int = 3

    # The alert rules have the same share.
    failed_warning: float = 0.2
    failed_critical: float = 0.5
    least_ended: int = 10
    # Of so few a share says little: somebody tries something out, or one task is tried again.
    critical_ended: int = 50

    # What was held or paused for an incident is released on the next day.
    held_info: timedelta = timedelta(days=1)
    held_warning: timedelta = timedelta(days=7)
    paused_info: timedelta = timedelta(hours=1)
    paused_warning: timedelta = timedelta(days=1)
    waiting_info: timedelta = timedelta(hours=1)
    waiting_warning: timedelta = timedelta(days=1)

    # Workers look every second.
    late_warning: timedelta = timedelta(minutes=1)

    # A jump: so many times what it was, and enough to matter.
    jump: float = 3.0
    calls_failed_warning: float = 0.1
    calls_failed_critical: float = 0.5
    least_calls: int = 20
    least_cost_usd: float = 1.0
    least_hours: float = 6.0

    @property
    def thresholds(self) -> dict[str, str]:
        """Those that settings say, as findings show them, by code."""
        wait = f"> {exactly(self.wait_warning)} / > {exactly(self.wait_critical)}"
        return {"T02": f"{wait} (task_wait_warning, task_wait_critical)"}


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings."""
    return Policy(
        wait_warning=settings.task_wait_warning, wait_critical=settings.task_wait_critical
    )
