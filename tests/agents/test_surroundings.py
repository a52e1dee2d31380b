"""Built-in agents write below `home` and nowhere else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agentpg.agents.surroundings import folder_of, language_of, own_database
from agentpg.settings import load_settings
from agentpg.tasks.handlers import Permanent
from agentpg.tasks.run import Run

pytestmark = pytest.mark.without_server

DEFAULT = Path("reports")


def _run(home: Path, **settings: object) -> Run:
    """All that these functions look at."""
    return cast(Run, SimpleNamespace(settings=load_settings(home=home, **settings)))


@pytest.mark.parametrize(
    ("said", "below"), [(None, "reports"), ("a/b", "a/b"), ("a/../c", "c"), (".", ".")]
)
def test_folders_below_home_are_taken(tmp_path: Path, said: str | None, below: str) -> None:
    assert folder_of(_run(tmp_path), said, DEFAULT) == (tmp_path / below).resolve()
    absolute = str(tmp_path / "x")
    assert folder_of(_run(tmp_path), absolute, DEFAULT) == Path(absolute)


@pytest.mark.parametrize("said", ["/etc", "../out", "a/../../out", "link/x", "", 7, ["a"], "a\0b"])
def test_all_else_is_refused(tmp_path: Path, said: object) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path)
    with pytest.raises(Permanent, match="folder"):
        folder_of(_run(home), said, DEFAULT)


def test_without_a_dsn_there_is_no_database(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with pytest.raises(Permanent, match="AGENTPG_DSN_ADMIN is not set"):
        own_database(run, "AGENTPG_DSN_ADMIN", "")
    assert own_database(run, "AGENTPG_DSN_ADMIN", "host=h").schema == "agentic_ai"


def test_the_language_is_the_workers(tmp_path: Path) -> None:
    assert language_of(_run(tmp_path)) == "en"
    assert language_of(_run(tmp_path, lang="ko")) == "ko"
