"""Ours alone, measured small: the harness works with the present engine."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.facts import facts
from benchmarks.report import Report, write
from benchmarks.roster import OURS, Competitor, competitors
from benchmarks.runs import Measured, measure_work
from benchmarks.server import BenchServer, bench_server
from benchmarks.summary import summarize
from benchmarks.work import Scale
from benchmarks.works import all_works
from tests.servers import PG_BIN, Reaper

pytestmark = [pytest.mark.xdist_group("benchmarks"), pytest.mark.one_server]

_SCALE = Scale(
    tasks=100,
    fewer=50,
    singles=10,
    pickups=3,
    history=500,
    held=200,
    late_backlog=10_000,
    dead=500,
    sleepers=200,
    idle_seconds=0.5,
)
_WORKS = {work.key: work for work in all_works(_SCALE)}
_FIGURES = {"bulk", "drain-1", "drain-1-cpu", "drain-1-commits", "pickup-p50"}
_OTHERS = ("held-50", "late", "late-dead", "sleepers", "idle")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, reaper: Reaper) -> Iterator[BenchServer]:
    """One server for all of them, as in a real run."""
    home = tmp_path_factory.mktemp("bench") / "server"
    reaper.watch(home)
    with bench_server(home, PG_BIN) as running:
        yield running


@cache
def _ours() -> list[Competitor]:
    """Ours alone, which takes a process to describe itself."""
    return competitors([OURS])


def _measure(server: BenchServer, key: str, pairs: int = 1) -> list[Measured]:
    said: list[str] = []
    runs = list(measure_work(server, _ours(), _WORKS[key], pairs, said.append))
    assert [run.failed for run in runs] == [None] * pairs
    assert len(said) == pairs
    return runs


def test_a_small_run_yields_every_figure_and_a_report(server: BenchServer, tmp_path: Path) -> None:
    runs = [run for key in ("bulk", "drain-1", "pickup") for run in _measure(server, key)]
    rows = summarize(list(_WORKS.values()), runs)
    values = {row.figure.key: row.spreads[OURS].median for row in rows}
    assert values.keys() >= _FIGURES
    assert all(value > 0 for value in values.values())
    assert values["drain-1-commits"] < 0.5
    found = facts(server, with_fsync=False)
    report = Report(found, _ours(), rows, runs, {"pairs": 1})
    page, raw, picture = (
        path.read_text(encoding="utf-8") for path in write(report, tmp_path / "out")
    )
    assert "drain, one worker, tasks/s" in page
    assert json.loads(raw)["runs"][0]["figures"]["bulk"] == values["bulk"]
    assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 - our own text


@pytest.mark.parametrize("key", _OTHERS)
def test_the_other_works_yield_their_figures(server: BenchServer, key: str) -> None:
    _yields_its_figures(server, key)


def _yields_its_figures(server: BenchServer, key: str) -> None:
    (run,) = _measure(server, key)
    assert run.figures.keys() >= {figure.key for figure in _WORKS[key].figures}
    # An idle worker may ask nothing in so short a time; all else is above nothing.
    least = run.figures.pop("idle-statements", 0)
    assert least >= 0
    assert all(value > 0 for value in run.figures.values())


def test_history_is_filled_once_and_kept(server: BenchServer) -> None:
    _yields_its_figures(server, "history")
    before = _rows_of_history(server)
    _measure(server, "history")
    drained = _SCALE.tasks + 1  # each filling of a queue begins with one to warm up
    assert _rows_of_history(server) == (before[0] + drained, before[1] + drained)
    assert before[0] == before[1] > _SCALE.history


def _rows_of_history(server: BenchServer) -> tuple[int, int]:
    with server.watch("bench_history_agentpg") as watch:
        tasks = watch.ask("SELECT count(*) FROM agentic_ai.tasks WHERE status = 'completed'")
        executions = watch.ask("SELECT count(*) FROM agentic_ai.agent_executions")
    assert isinstance(tasks, int)
    assert isinstance(executions, int)
    return tasks, executions
