"""A ballast is given up only if it is one: the record may have been written by others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentpg.desk.doctor.disk.ballast import make_ballast, read_ballasts, release_ballast
from agentpg.desk.doctor.disk.facts import Ballast
from agentpg.desk.doctor.disk.volumes import place_at, volumes_of
from agentpg.errors import FileNotWritten
from tests.desk.doctor.disk.standin import stand_in

pytestmark = pytest.mark.without_server

_SIZE = 1024**2


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "server" / "data")


def _make(home: Path, data: Path) -> Ballast:
    [volume] = volumes_of([place_at("data", data)])
    return make_ballast(home, data, volume, _SIZE, 0)


def _record(home: Path) -> Path:
    return home / "disk-ballast.json"


def test_it_is_found_and_given_up(home: Path, data: Path) -> None:
    made = _make(home, data)
    assert read_ballasts(home, data) == (made,)
    assert read_ballasts(home, None) == (), "whose it is, is not known"
    assert release_ballast(home, data, made)
    assert not release_ballast(home, data, made)
    assert read_ballasts(home, data) == ()


def test_another_file_is_none_whatever_the_record_says(home: Path, data: Path) -> None:
    made = _make(home, data)
    victim = data / "global" / "pg_control"
    victim.write_bytes(b"x" * _SIZE)
    said = json.loads(_record(home).read_text(encoding="utf-8"))
    said["ballasts"][0]["path"] = str(victim)
    _record(home).write_text(json.dumps(said), encoding="utf-8")
    assert read_ballasts(home, data) == ()
    assert made.path.exists()


def test_one_of_two_names_or_without_its_blocks_is_none(home: Path, data: Path) -> None:
    made = _make(home, data)
    twin = data.parent / "twin"
    os.link(made.path, twin)
    assert read_ballasts(home, data) == ()
    assert not release_ballast(home, data, made)
    twin.unlink()
    assert read_ballasts(home, data) == (made,)
    made.path.unlink()
    with made.path.open("wb") as file:
        file.truncate(_SIZE)
    assert read_ballasts(home, data) == (), "it takes no room"


def test_a_record_that_cannot_be_read_is_not_written_over(home: Path, data: Path) -> None:
    _record(home).write_text("{", encoding="utf-8")
    with pytest.raises(FileNotWritten, match="can't be read"):
        _make(home, data)
    assert _record(home).read_text(encoding="utf-8") == "{"
    assert [path.name for path in data.parent.iterdir()] == ["data"]
