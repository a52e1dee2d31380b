"""What the programs get to know, and what is told of what they say."""

from __future__ import annotations

import pytest

from agentpg.desk.backup.leash import run_tool
from agentpg.settings import environment_with

pytestmark = pytest.mark.without_server


def test_programs_get_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_BACKUP_PASSPHRASE", "open sesame")
    monkeypatch.setenv("PGHOST", "db1")
    said = run_tool(["sh", "-c", "env | grep -e AGENTPG -e PGHOST >&2"], environment_with())
    assert said == "PGHOST=db1"


@pytest.mark.parametrize(("password", "said"), [("s3cret", "no *** here"), ("", "no s3cret here")])
def test_the_password_is_not_repeated(password: str, said: str) -> None:
    command = ["sh", "-c", "echo no s3cret here >&2"]
    assert run_tool(command, {**environment_with(), "PGPASSWORD": password}) == said
