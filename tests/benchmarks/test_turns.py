"""Who is measured after whom, and what a failure does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import pytest

from benchmarks.draining import Drained
from benchmarks.roster import Competitor, PeerFailed
from benchmarks.runs import measure_work, turns
from benchmarks.server import BenchServer
from benchmarks.work import Figure, Scene, Work
from benchmarks.works.idle import count_statements

pytestmark = pytest.mark.without_server


@dataclass(frozen=True, slots=True)
class _Paired(Work):
    fails: str = ""

    @property
    def key(self) -> str:
        return "x"

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (Figure("x", "an x", "", "more"),)

    def measure(self, scene: Scene) -> dict[str, float]:
        if scene.peer.key == self.fails:
            raise PeerFailed("it hung")
        return {"x": 1.0}


@dataclass(frozen=True, slots=True)
class _Rounds(_Paired):
    paired: ClassVar[bool] = False
    rival_rounds: ClassVar[int | None] = 2


def _peers(*keys: str) -> list[Competitor]:
    return [Competitor(key, key, "1", "Python", "", "", "", None) for key in keys]


def _order(work: Work, peers: list[Competitor], pairs: int) -> list[str]:
    return [turn.peer.key for turn in turns(work, peers, pairs)]


def test_who_begins_changes_from_pair_to_pair() -> None:
    peers = _peers("agentpg", "pgqueuer", "dbos")
    assert _order(_Paired(), peers, 2) == [
        *("agentpg", "pgqueuer", "agentpg", "dbos"),
        *("pgqueuer", "agentpg", "dbos", "agentpg"),
    ]
    assert [turn.full_size for turn in turns(_Paired(), peers, 1)] == [True, True, False, False]


def test_rounds_turn_too_and_rivals_may_have_fewer() -> None:
    peers = _peers("agentpg", "pgqueuer", "dbos")
    once = ["agentpg", "pgqueuer", "dbos"]
    assert _order(_Rounds(), peers, 4) == [*once, *once[::-1], "agentpg", "agentpg"]


def test_alone_a_peer_is_measured_without_a_rival() -> None:
    assert _order(_Paired(), _peers("agentpg"), 3) == ["agentpg"] * 3


def test_who_fails_twice_is_left_out_and_the_others_go_on() -> None:
    server = cast(BenchServer, None)
    said: list[str] = []
    runs = list(
        measure_work(server, _peers("agentpg", "pgqueuer", "dbos"), _Paired("dbos"), 4, said.append)
    )
    assert [run.failed for run in runs if run.peer == "dbos"] == ["it hung"] * 2
    assert sum(run.peer == "pgqueuer" for run in runs) == 4
    assert "failed: it hung" in said[3]


def test_the_last_of_a_drain_are_timed_by_what_had_begun() -> None:
    counts = [(1.0, 50), (2.0, 90), (3.0, 100)]
    drained = Drained(100, 0.0, 4.0, 0.0, 0.0, 0, counts)
    assert drained.rate == 25
    assert drained.rate_of_last(10) == 5
    assert drained.rate_of_last(60) == 25


def test_statements_are_counted_as_the_server_logs_them() -> None:
    log = (
        "2026-01-01 LOG:  statement: SELECT 1\n"
        "2026-01-01 LOG:  execute <unnamed>: SELECT $1\n"
        "2026-01-01 DETAIL:  parameters: $1 = '1'\n"
        "2026-01-01 LOG:  execute s1/C_2: FETCH 10\n"
        "2026-01-01 LOG:  checkpoint starting: time\n"
    )
    assert count_statements(log) == 3
