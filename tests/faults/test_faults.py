"""Of each room some faults: the cause stands first, and a healthy installation is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fault import first_finding
from tests.faults.installation import installation
from tests.faults.running import results
from tests.servers import OwnServers, Reaper
from tests.small_disk import as_root

pytestmark = [as_root, pytest.mark.one_server, pytest.mark.xdist_group("faults")]

_QUICK = ("C22", "D03", "B04", "S01")


def test_the_cause_stands_first(tmp_path: Path, reaper: Reaper) -> None:
    found = list(results(tmp_path, reaper, _QUICK))
    assert len(found) >= len(_QUICK)
    assert [(one.what, one.code, one.message) for one in found if not one.is_right] == []


def test_nothing_is_said_of_a_healthy_installation(own_server: OwnServers) -> None:
    with installation(own_server) as here:
        assert first_finding(*here.as_it_is()) is None
