"""The units are what systemd takes."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.errors import FileNotOurs, FileNotWritten
from agentpg.setup import install_units, units
from agentpg.setup.units import MARKER, Service

pytestmark = pytest.mark.without_server


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Values that need quoting."""
    program = tmp_path / "100% real" / "agentpg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return Service(
        program=program,
        dsn="host=localhost user='my \"admin\"' dbname=a%b",
        schema="agentic_ai",
        grace=timedelta(seconds=25),
        passfile=tmp_path / "pgpass",
    )


def test_systemd_finds_nothing_wrong(service: Service, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    folder = tmp_path / "system"
    up, template = install_units(service, folder)
    worker = folder / "agentpg-worker@agents.service"
    shutil.copy(template, worker)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", up, worker],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_units_hold_what_matters(service: Service) -> None:
    up, worker = units(service).values()
    assert '100%% real/agentpg" up\n' in up
    assert '100%% real/agentpg" worker --app %i\n' in worker
    for text in (up, worker):
        assert text.startswith(MARKER)
        assert r'Environment="AGENTPG_DSN=host=localhost user=' in text
        assert r"'my \"admin\"' dbname=a%%b" in text
        assert "TimeoutStopSec=80s" in text
        assert "Restart=on-failure" in text
        assert "DynamicUser=yes" in text
        assert "LoadCredential=pgpass:" in text


def test_they_are_written_once(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "system"
    assert [p.name for p in install_units(service, folder)] == [
        "agentpg-up.service",
        "agentpg-worker@.service",
    ]
    assert install_units(service, folder) == []


def test_a_file_of_others_is_left_alone(service: Service, tmp_path: Path) -> None:
    (tmp_path / "agentpg-worker@.service").write_text("[Unit]\n", encoding="utf-8")
    with pytest.raises(FileNotOurs, match=r"agentpg-worker@\.service"):
        install_units(service, tmp_path)
    assert not (tmp_path / "agentpg-up.service").exists()


def test_a_folder_that_is_none_is_said(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileNotWritten):
        install_units(service, tmp_path / "file")
