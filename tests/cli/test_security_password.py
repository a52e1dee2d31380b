"""`agentpg security password`: what it says and changes, and that workers follow."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.desk.security.rotation.draining import Patience
from agentpg.desk.security.rotation.rotating import Rotator, Wanted
from agentpg.desk.security.rotation.turn import Logins
from agentpg.users.judging import judge
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Running
from tests.servers import SharedServer
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

QUICK = ("--yes", "--quiet-for", "200ms")


@pytest.fixture
def group(
    shared_server: SharedServer, installed: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A group that may do what the owner may; the calls are a superuser's."""
    name = f"{installed.name()}_agent"
    administrator = Database(shared_server.superuser_dsn(installed.name()))
    monkeypatch.setenv("AGENTPG_DSN", administrator.dsn)
    with connect(administrator) as connection:
        connection.execute(f"CREATE ROLE {name} NOLOGIN IN ROLE admin".encode())
        yield name
        roles = f"{name}_1, {name}_2, {name}"
        connection.execute(f"DROP ROLE IF EXISTS {roles}".encode())


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What comes on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_it_makes_and_judges(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = call("security", "password", "generate", "--bits", "256")
    assert judge(made.out.strip()).is_enough
    assert "43 of 62 characters by chance: 256 bits" in made.err
    given(monkeypatch, made.out)
    assert call("security", "password", "check").code == 0
    given(monkeypatch, "Summer2024!\n")
    weak = call("--lang", "ko", "security", "password", "check")
    assert (weak.code, "Summer" in weak.out) == (5, False)
    assert "15자보다 짧습니다." in weak.out
    for text in ("", "two\nlines\n"):
        given(monkeypatch, text)
        assert call("security", "password", "check").code == 2


def test_it_sets_and_says_how_old(call: Call, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "Summer2024!\n")
    refused = call("security", "password", "set", group)
    assert (refused.code, "Summer" in refused.err) == (4, False)
    done = call("security", "password", "set", group, "--generate", "--valid-for", "3d")
    assert done.code == 0
    assert judge(done.out.strip()).is_enough
    assert call("security", "password", "set", "nobody_there", "--generate").code == 1
    assert call("security", "password", "set", group, "--generate", "--valid-for", "0s").code == 2
    with connect(Database(os.environ["AGENTPG_DSN"])) as connection:
        connection.execute(f"ALTER ROLE {group} LOGIN".encode())
    said = json.loads(call("security", "password", "age", "--json").out)
    [mine] = [one for one in said["passwords"] if one["role"] == group]
    assert mine["changed_at"]
    assert [one["level"] for one in said["findings"] if one["subject"] == group] == ["warning"]
    for columns, lang in ((80, "en"), (80, "ko"), (120, "ko")):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = call("--lang", lang, "security", "password", "age").out.splitlines()
        assert [x for x in lines if cell_width(x) > columns and not x.startswith("      ")] == []


def test_it_shows_asks_and_rotates(call: Call, group: str, home: Path) -> None:
    asked = call("security", "password", "rotate", group)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert not (home / "logins").exists()
    first = call("security", "password", "rotate", "agent", *QUICK)
    assert first.code == 0
    assert f"SQL: ALTER ROLE \"{group}_1\" LOGIN PASSWORD 'SCRAM-SHA-256$…'" in first.err
    assert f"AGENTPG_DSN=service={group}" in first.out
    second = call("security", "password", "rotate", group, *QUICK, "--json")
    said = json.loads(second.out)
    assert (said["login"], said["locked"]) == (f"{group}_2", f"{group}_1")
    passwords = Path(said["password_file"]).read_text(encoding="utf-8")
    for secret in (line.rpartition(":")[2] for line in passwords.splitlines()):
        assert secret not in first.out + first.err + second.out + second.err
    assert call("security", "password", "rotate", group, "--resume").code == 2
    assert call("security", "password", "rotate", "nobody", "--yes").code == 2


@pytest.mark.one_server
def test_what_was_killed_is_resumed(
    call: Call, group: str, home: Path, launch: Callable[..., Running]
) -> None:
    assert call("security", "password", "rotate", group, *QUICK).code == 0
    rotating = launch("security", "password", "rotate", group, "--yes", "--quiet-for", "1min")
    rotating.says("the service leads to the new login")
    rotating.tell(signal.SIGKILL)
    rotating.ends()
    said = json.loads(call("security", "password", "age", "--json").out)["findings"]
    assert [(one["code"], one["level"]) for one in said if one["subject"] == group] == [
        ("W03", "info")
    ]
    assert call("security", "password", "rotate", group, "--yes").code == 4
    resumed = call("security", "password", "rotate", group, "--resume", "--quiet-for", "200ms")
    assert f"connect as {group}_2 now" in resumed.out
    assert Logins(home).turns() == ()


@pytest.mark.one_server
def test_a_worker_follows_without_a_restart(
    group: str,
    home: Path,
    installed: Database,
    shared_server: SharedServer,
    launch: Callable[..., Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    administrator = Database(shared_server.superuser_dsn(installed.name()))
    patience = Patience(lasts=timedelta(seconds=40), quiet=timedelta(seconds=1))
    rotator = Rotator(administrator, Logins(home), patience)
    rotator.rotate(Wanted(name=group))
    monkeypatch.setenv("PGSERVICEFILE", str(Logins(home).service_file))
    monkeypatch.setenv("AGENTPG_DSN", f"service={group}")
    monkeypatch.setenv("AGENTPG_LEASE", "3s")
    worker = launch("worker", "--app", write_greeter())
    worker.says("started")
    with connect(administrator) as connection:

        def logins() -> set[str]:
            rows = connection.execute(
                "SELECT usename::text FROM pg_stat_activity WHERE application_name ~ '^agentpg '"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            return {name for (name,) in rows}

        eventually(lambda: logins() == {f"{group}_1"})
        rotator.rotate(Wanted(name=group))
        eventually(lambda: logins() == {f"{group}_2"})
    assert "trying again" not in worker.text
    assert "declared dead" not in worker.text
