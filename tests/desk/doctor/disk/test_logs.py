"""Which log files may be removed: the server's own old ones, where nobody else logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpg.desk.doctor.disk.facts import Logs
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.folders import read_logs
from agentpg.desk.doctor.disk.policy import Policy
from tests.desk.doctor.disk.sample import a_volume, facts
from tests.desk.doctor.disk.standin import stand_in, write_log

pytestmark = pytest.mark.without_server

NAMES = (
    "postgresql-2026-01-02_030405.log",
    "postgresql-2026-01-02_030405.csv",
    "postgresql-2026-01-02_030405.log.1.gz",
    "postgresql-2026-02-02_030405.log",
    "postgresql-15-main.log",
    "pgbouncer.log",
    "report.csv",
)
FORM = "postgresql-%Y-%m-%d_%H%M%S.log"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "data")


def _read(folder: Path, data: Path, form: str | None = FORM) -> Logs:
    now = datetime.now(UTC)
    return read_logs(folder, data, data.parent / "home", form, timedelta(days=7), now)


def _removable(logs: Logs) -> set[str]:
    return {file.name for file in logs.removable}


def test_only_names_that_the_server_gives(data: Path) -> None:
    for name in NAMES:
        write_log(data / "log" / name)
    for name in ("newest.log", "newest.csv"):
        write_log(data / "log" / name, old=False)
    assert _removable(_read(data / "log", data)) == set(NAMES[:4])
    assert _removable(_read(data / "log", data, "pg-%a%%.log")) == set()
    assert _removable(_read(data / "log", data, None)) == set(NAMES[:5])


def test_what_is_written_or_open_stays(data: Path) -> None:
    for name in NAMES[:4]:
        write_log(data / "log" / name)
    write_log(data / "log" / "newest.log", old=False)
    write_log(data / "log" / "newest.csv", old=False)
    said = f"stderr log/{NAMES[0]}\ncsvlog log/{NAMES[1]}\n"
    (data / "current_logfiles").write_text(said, encoding="utf-8")
    with (data / "log" / NAMES[3]).open("rb"):
        assert _removable(_read(data / "log", data)) == {NAMES[2]}


def test_in_a_folder_of_several_none_is_removed(data: Path, tmp_path: Path) -> None:
    shared = tmp_path / "var-log"
    shared.mkdir()
    write_log(shared / NAMES[0])
    write_log(shared / "newest.log", old=False)
    logs = _read(shared, data)
    assert (logs.removable, logs.shared, len(logs.files)) == ((), True, 2)
    some = facts(a_volume(size_bytes=4096, free_bytes=2048), logs=logs)
    [finding] = [one for one in find(some, Policy()) if one.code == "D08"]
    assert finding.remedies[0].command == f"ls -lt {shared}"
    assert not [one for one in finding.remedies if "--fix" in (one.command or "")]
