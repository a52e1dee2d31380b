"""`agentpg doctor disk`: what it shows, asks and does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.desk.doctor.disk.facts import Sample
from agentpg.desk.doctor.disk.samples import keep_samples
from agentpg.desk.doctor.disk.volumes import place_at, volumes_of
from tests.cli.conftest import Call
from tests.desk.doctor.disk.standin import give_away, stand_in

pytestmark = pytest.mark.one_server


@pytest.fixture
def home(
    database: Database,
    superuser_dsn: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Path:
    """The database of the test as who sees all of it, and a home."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("AGENTPG_DSN", superuser_dsn(database.name()))
    monkeypatch.setenv("AGENTPG_HOME", str(place))
    return place


def test_it_shows_the_disks_and_what_takes_room(call: Call, home: Path) -> None:
    called = call("doctor", "disk", "--all")
    assert "File system" in called.out
    assert "databases" in called.out
    assert [code for code in (f"D{n:02}" for n in range(1, 17)) if code not in called.out] == []


def test_json_has_all_of_it(call: Call, home: Path) -> None:
    document = json.loads(call("doctor", "disk", "--json").out)
    codes = {finding["code"] for finding in document["rooms"]["disk"]}
    assert codes == {f"D{n:02}" for n in range(1, 17)}
    assert document["volumes"][0]["size_bytes"] > 0
    assert set(document["plan"]) == {"steps", "refused"}
    assert "done" not in document


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("AGENTPG_DISK_WARNING", "1")
    monkeypatch.setenv("AGENTPG_DISK_CRITICAL", "2")
    called = call("--lang", lang, "doctor", "disk", "--all")
    too_long = [line for line in called.out.splitlines() if cell_width(line) > columns]
    assert [line for line in too_long if not line.startswith("      ")] == []


def test_fixing_asks_first(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _old_log(home, monkeypatch)
    called = call("doctor", "disk", "--fix")
    assert called.code == 2
    assert "--yes" in called.err
    assert list(folder.iterdir()) != []


def _old_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server that does not run, known by its folder, with logs that are older than kept."""
    data = stand_in(home.parent / "data")
    folder = data / "log"
    for name, days in (("postgresql-old.log", 30), ("postgresql-new.log", 0)):
        path = folder / name
        path.write_bytes(b"x" * 4096)
        then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (then, then))
    give_away(folder)
    monkeypatch.setenv("AGENTPG_DSN", "host=127.0.0.1 port=1 connect_timeout=2")
    monkeypatch.setenv("AGENTPG_DATA_FOLDER", str(data))
    _fill_soon(home)
    return folder


def _fill_soon(home: Path) -> None:
    """Looks of the last hours that say: the disk is full before the week is out."""
    [volume] = volumes_of([place_at("home", home)])
    keep = [
        Sample(
            at=datetime.now(UTC) - timedelta(hours=hours),
            mount=volume.mount,
            used_bytes=volume.used_bytes - hours * volume.size_bytes // 50,
            size_bytes=volume.size_bytes,
        )
        for hours in (3, 2, 1)
    ]
    keep_samples(home, keep, [volume], datetime.now(UTC))


def test_it_fixes_and_says_what_that_gave(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _old_log(home, monkeypatch)
    called = call("doctor", "disk", "--fix", "--yes", "--json")
    document = json.loads(called.out)
    assert [(one["kind"], one["skipped"]) for one in document["done"]] == [("remove_logs", "")]
    assert [path.name for path in folder.iterdir()] == ["postgresql-new.log"]


def test_a_ballast_is_made_once(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _old_log(home, monkeypatch).parent
    called = call("doctor", "disk", "--make-ballast", "1MiB")
    assert called.code == 0, called.err
    path = data.parent / "agentpg-ballast"
    assert path.stat().st_size == 1024**2
    assert str(path) in called.out
    again = call("doctor", "disk", "--make-ballast", "1MiB")
    assert again.code == 4
    assert "already" in again.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--drop-slot", "x"), 2),
        (("--make-ballast", "much"), 2),
        (("--make-ballast", "0"), 2),
        # Without a unit it would be so many bytes, and room for nothing.
        (("--make-ballast", "16"), 2),
        (("--make-ballast", "900000GiB"), 4),
        (("--fix", "--yes", "--drop-slot", "no_such_slot"), 1),
    ],
)
def test_what_is_wrong_is_told(
    call: Call, home: Path, arguments: tuple[str, ...], code: int
) -> None:
    called = call("doctor", "disk", *arguments)
    assert called.code == code, called.err
    assert called.err


def test_what_fails_hides_nothing_that_was_done(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _old_log(home, monkeypatch)
    (folder.parent / "pg_replslot" / "old").mkdir()
    called = call(
        *("doctor", "disk", "--fix", "--yes", "--json"),
        *("--drop-slot", "old", "--cancel", "4711"),
    )
    done = json.loads(called.out)["done"]
    assert [(one["kind"], bool(one["error"])) for one in done] == [
        ("remove_logs", False),
        ("drop_slot", True),
    ]
    assert [path.name for path in folder.iterdir()] == ["postgresql-new.log"]
    assert called.code == 3
    assert "Process 4711 is not in the plan" in called.err


def test_no_slot_is_dropped_where_no_database_is_named(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _old_log(home, monkeypatch)
    monkeypatch.delenv("AGENTPG_DSN")
    called = call("doctor", "disk", "--fix", "--yes", "--drop-slot", "old")
    assert called.code == 2
    assert "AGENTPG_DSN" in called.err
