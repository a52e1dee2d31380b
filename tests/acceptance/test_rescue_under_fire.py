"""Workers die and the server goes away: every task completes, and is recorded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.fire import Fire, is_whole, run
from tests.servers import Reaper


@pytest.mark.one_server
@pytest.mark.benchmark_form
def test_rescue_under_fire(tmp_path: Path, reaper: Reaper) -> None:
    reaper.watch(tmp_path / "server")
    fire = Fire(
        tasks=800, nap=0.1, concurrency=16, lease=1.0, kill_every=1.5, most_kills=3, patience=200
    )
    damage = run(fire, tmp_path)
    assert is_whole(damage, fire), damage
    assert damage.kills >= 2
    assert damage.restarts == 2
    assert damage.executions_by_outcome["lost"] > 0, "the dead held nothing"
    assert damage.llm_calls >= fire.tasks / fire.call_every
