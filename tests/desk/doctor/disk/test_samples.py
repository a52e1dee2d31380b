"""The history of the disks: what is kept, and that it stays small."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.desk.doctor.disk.facts import Sample
from agentpg.desk.doctor.disk.samples import keep_samples, read_samples, thin
from tests.desk.doctor.disk.sample import MIB, NOW, a_volume

pytestmark = pytest.mark.without_server


def _at(minutes: float) -> Sample:
    return Sample(
        at=NOW - timedelta(minutes=minutes), mount="/data", used_bytes=MIB, size_bytes=2 * MIB
    )


def test_looks_are_kept_apart_and_read_back(tmp_path: Path) -> None:
    first = keep_samples(tmp_path, (), [a_volume()], NOW)
    assert read_samples(tmp_path) == first
    again = keep_samples(tmp_path, first, [a_volume()], NOW + timedelta(minutes=5))
    assert again == first
    later = keep_samples(tmp_path, first, [a_volume()], NOW + timedelta(minutes=11))
    assert len(read_samples(tmp_path)) == len(later) == 2


def test_a_year_of_looks_stays_small() -> None:
    kept = thin([_at(minutes) for minutes in range(0, 365 * 1440, 10)], NOW)
    assert len(kept) < 550
    assert NOW - min(one.at for one in kept) <= timedelta(days=90)
    assert max(one.at for one in kept) == NOW


def test_lines_that_are_damaged_are_left_out(tmp_path: Path) -> None:
    keep_samples(tmp_path, (), [a_volume()], NOW)
    file = tmp_path / "disk-history.jsonl"
    file.write_text(file.read_text(encoding="utf-8") + '{"at": 1}\nhalf a li', encoding="utf-8")
    assert len(read_samples(tmp_path)) == 1


def test_a_home_that_takes_nothing_stops_no_look(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    kept = keep_samples(missing, (), [replace(a_volume(), mount="/x")], NOW)
    assert [one.mount for one in kept] == ["/x"]
    assert not missing.exists()
