"""The small form of the chaos suite: a few faults by a fixed seed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.report import markdown
from tests.chaos.run import run
from tests.servers import Reaper

pytestmark = pytest.mark.one_server

_FAULTS = ("killed-worker", "stopped-worker", "server-immediate", "cut-network", "killed-pooler")


@pytest.fixture
def folder(reaper: Reaper) -> Iterator[Path]:
    """A folder that the server's and the pooler's accounts can enter, unlike the test's own."""
    made = Path(tempfile.mkdtemp(prefix="agentpg-chaos-"))
    made.chmod(0o755)
    reaper.watch(made / "disk" / "server")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.benchmark_form
def test_nothing_is_lost_stuck_or_blamed(folder: Path) -> None:
    plan = Plan(only=_FAULTS, rounds=len(_FAULTS), lease=2, rate=25, calm=1)
    outcome = run(plan, folder, lambda _: None)
    assert outcome.clean, markdown(outcome)
    struck = {injury.fault for injury in outcome.injuries}
    assert struck | outcome.skipped.keys() == set(_FAULTS)
    assert outcome.acknowledged > 100
    assert outcome.executions.get("lost", 0) > 0, "the dead held nothing"
    assert any(injury.rescued for injury in outcome.injuries)
