"""A finding shows the threshold that it was judged by, and the reference the default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from agentpg.desk.backup.inspection import findings as backups, policy as of_backups
from agentpg.desk.check import Check, Say
from agentpg.desk.doctor.disk import findings as disks, policy as of_disks
from agentpg.desk.doctor.slow import findings as work, policy as of_work
from agentpg.desk.security.addresses import findings as addresses, policy as of_addresses
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("thresholds", "checks"),
    [
        (of_backups.Policy().thresholds, backups.CHECKS),
        (of_disks.Policy().thresholds, disks.CHECKS),
        (of_work.Policy().thresholds, work.CHECKS),
        (of_addresses.Policy().thresholds, addresses.CHECKS),
    ],
    ids=["backups", "disks", "work", "addresses"],
)
def test_the_reference_says_the_defaults(
    thresholds: dict[str, str], checks: Sequence[Check]
) -> None:
    said = {check.code: check.threshold for check in checks}
    assert {code: said[code] for code in thresholds} == thresholds


def test_what_is_set_is_shown() -> None:
    settings = load_settings(
        disk_warning=60, backup_age_critical=timedelta(days=9), slow_wait=timedelta(minutes=2)
    )
    shown = {}
    for check, policy in (
        (disks.CHECKS[0], of_disks.policy_of(settings)),
        (backups.CHECKS[0], of_backups.policy_of(settings)),
        (work.CHECKS[0], of_work.policy_of(settings)),
    ):
        shown[check.code] = Say(check, policy.thresholds)("critical", "it is so").threshold
    assert shown["D01"].startswith("> 60 % / > 90 %")
    assert shown["B01"].startswith("> 26 h / > 9 d")
    assert shown["S01"].startswith("> 2 min, blocked > 5 / > 12 min")
