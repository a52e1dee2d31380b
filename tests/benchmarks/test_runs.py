"""Ours alone, measured small: the harness works with the present engine."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks.facts import facts
from benchmarks.report import Report, write
from benchmarks.roster import OURS, competitors
from benchmarks.runs import measure_all
from benchmarks.server import bench_server
from benchmarks.summary import summarize
from benchmarks.work import Scale
from benchmarks.works import all_works
from tests.servers import PG_BIN, Reaper

_FIGURES = {"bulk", "drain-1", "drain-1-cpu", "drain-1-commits", "pickup-p50"}


def test_a_small_run_yields_every_figure_and_a_report(tmp_path: Path, reaper: Reaper) -> None:
    home = tmp_path / "server"
    reaper.watch(home)
    works = [w for w in all_works(Scale(200, 20, 5)) if w.key in ("bulk", "drain-1", "pickup")]
    peers = competitors([OURS])
    with bench_server(home, PG_BIN) as server:
        found = facts(server, with_fsync=False)
        runs = list(measure_all(server, peers, works, 1, lambda _: None))
    rows = summarize(works, runs)
    values = {row.figure.key: row.spreads[OURS].median for row in rows}
    assert values.keys() >= _FIGURES
    assert all(value > 0 for value in values.values())
    assert values["drain-1-commits"] < 0.5
    written = write(Report(found, peers, rows, runs, {"pairs": 1}), tmp_path / "out")
    page, raw, picture = (path.read_text(encoding="utf-8") for path in written)
    assert "drain, one worker, tasks/s" in page
    assert json.loads(raw)["runs"][0]["figures"]["bulk"] == values["bulk"]
    assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 - our own text
