"""`agentpg demo`, whole: real agents, a worker killed, a report, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_server

TEXT = "# {title}\n\n" + "A task is claimed by one worker. Its outcome is recorded once. " * 12

DOCUMENTS = 12

# libpq's variables about another server, which the demonstration must not listen to.
STRAY = {
    "PGHOSTADDR": "192.0.2.1",
    "PGPASSWORD": "of another server",
    "PGSERVICE": "none",
    "PGSSLMODE": "require",
}


def run(*arguments: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentpg", *arguments],
        env={**os.environ, **STRAY, "AGENTPG_HOME": str(home), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(DOCUMENTS):
        text = TEXT.format(title=f"Document {number}")
        (folder / f"document-{number}.md").write_text(text)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    yield home
    run("server", "stop", home=home / "demo", check=False)


def test_the_demonstration_shows_what_it_says(home: Path, documents: Path) -> None:
    shown = run("demo", "--documents", str(documents), home=home)

    assert "a stand-in for a model answers" in shown.stdout
    assert f"DocumentAgent reads {DOCUMENTS} documents" in shown.stdout
    assert "is killed with SIGKILL" in shown.stdout
    assert "the other worker has taken back" in shown.stdout
    assert "tasks of the dead worker were done by the other one" in shown.stdout
    assert max(map(len, shown.stdout.split("To look at it again")[0].splitlines())) <= 200

    assert not json.loads(
        run("server", "status", "--json", home=home / "demo", check=False).stdout
    )["running"]
    assert list((home / "demo" / "reports").glob("report-*.html"))
    assert list((home / "demo" / "knowledge-base" / "schemas").glob("*.md"))
    follow_the_way_back(shown.stdout, home)


def follow_the_way_back(output: str, home: Path) -> None:
    """Run the last lines as they are printed, psql with a query of the guide."""
    lines = [line.strip() for line in output.split("To look at it again:")[1].splitlines()]
    psql = next(line for line in lines if line.startswith("psql"))
    # HealthAgent looks by the clock, whatever else is done.
    query = "SELECT count(*) FROM tasks WHERE status = 'completed' AND agent_name <> 'HealthAgent'"
    script = "\n".join(lines).replace(psql, f'{psql} -Atc "{query}"')
    done = subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, **STRAY},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert str(DOCUMENTS + 3) in done.stdout.splitlines()
    (backup,) = home.glob("backup_*.sql")
    assert "PostgreSQL database dump complete" in backup.read_text()
